"""The same run from other seeds: which difference is more than chance?"""

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd
import torch
from scipy.stats import ttest_1samp

from mvae_lib import checkpoint, data, tables
from mvae_lib.likelihoods import FAMILIES
from study.evidence.classifiers import labels_of
from study.evidence.labels import one_more, places_of
from study.evidence.latent import label_sweep, latent_table
from study.evidence.sweeps import STEPS, untrained

Runs = tuple[str | Path, ...]  # shipped names or run folders


def over_seeds(runs: Runs, splits: tuple[str, ...] = ("train", "val", "test", "test_dig")) -> pd.DataFrame:
    """The tables of runs that differ in their seed, on every split: `combination_table`, sampled z.
    Split "train, running" has the means over the last training epoch, as the report has them.
    ValueError: the runs differ in more than their seed, or two have the same."""
    models, frames = [checkpoint.load(run) for run in runs], {}
    kinds = {(m.spec.model, m.spec.data, replace(m.spec.train, seed=0, epochs=1, patience=0, compile=False)) for m in models}
    seeds, names = [m.spec.train.seed for m in models], ", ".join(map(str, runs))
    if len(kinds) > 1 or len(set(seeds)) < len(seeds):
        raise ValueError(f"Runs {names} have seeds {seeds} and {len(kinds)} kinds of spec; give one run a seed, all of one spec.")
    for run, model in zip(runs, models, strict=True):
        about = (model.spec.name, model.spec.train.seed, model.epochs)
        frames[*about, "train, running"] = tables.running_means(checkpoint.history(run))
        for split in splits:
            if (model.spec.data.split, split) != ("as_written", "val"):  # it has none
                table = tables.combination_table(model, data.load(split, model.spec.data))
                frames[*about, split] = table.loc[tables.combinations(len(model.names))]
    return pd.concat(frames, names=["name", "seed", "epochs", "split", "given"]).reset_index()


def spread(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Over seeds, of every metric: a row a group; columns ("mean", metric), ("std", metric) and ("count", metric)."""
    metrics = [name for name in frame.select_dtypes("number") if name not in ("seed", "epochs")]
    return frame.pivot_table(index=by, values=metrics, aggfunc=["mean", "std", "count"], sort=False)


def compared(frame: pd.DataFrame) -> list[str]:
    """The metrics by which combinations are compared: the label's accuracy, and what each modality's reconstruction costs."""
    return [name for name in frame if name.startswith(("accuracy", *(f"{family.metric}_" for family in FAMILIES.values())))]


def seed_table(frame: pd.DataFrame, guesses: pd.DataFrame, classifiers: pd.DataFrame) -> pd.DataFrame:
    """Mean and sd over seeds by combination, and under them the means of guesses and plain classifiers, all of one split.
    `frame`: `over_seeds`; `guesses`: rows of `combination_table` by name; `classifiers`: `label_baselines`.
    Columns (metric, "mean") and (metric, "sd"), NaN where there is none."""
    over, metrics = spread(frame, ["given"]), compared(frame)
    table = pd.DataFrame({(m, words): over[how, m] for m in metrics for words, how in (("mean", "mean"), ("sd", "std"))})
    for name, row in guesses.iterrows():
        table.loc[name, [(m, "mean") for m in metrics]] = list(row[metrics])
    for kind, given, share in classifiers[["classifier", "given", "accuracy"]].to_numpy():
        table.loc[f"{kind}, {given}", ("accuracy", "mean")] = share
    return table


def latents_over_seeds(runs: Runs) -> pd.DataFrame:
    """How runs that differ in their seed use their latent, and what sweeps of every dimension show, trained and untrained.
    Sweeps start from the first test seven, by the report's reach and by 4 sd of the aggregate posterior (widest: the largest sd).
    changing, three: the shares of dimensions along which the label changes, and passes through three digits or more."""
    rows = []
    for model in map(checkpoint.load, runs):
        pairs, about = data.load("test", model.spec.data), {"name": model.spec.name, "seed": model.spec.train.seed}
        seven = int(places_of(labels_of(pairs), 7)[0])
        for network, net in (("trained", model), ("untrained", untrained(model))):
            posterior = tables.posteriors(net, pairs)
            table = latent_table(posterior)
            kl, sd = table["kl"].to_numpy().sum(), torch.tensor(table["sd"].to_numpy())
            for reach, far in (("±1500", 1500.0), ("±4 sd", 4 * sd[:, None])):
                labels = label_sweep(net, posterior.mean[seven], STEPS * far)["labels"]
                use = {"active": table["active"].sum(), "kl": float(kl), "widest": float(sd.max())}
                along = {"changing": (labels > 1).mean(), "three": (labels >= 3).mean()}
                rows.append(about | {"epochs": model.epochs, "network": network, "reach": reach} | use | along)
    return pd.DataFrame(rows)


def paired_gain(frame: pd.DataFrame) -> pd.DataFrame:
    """What one modality more (then, after given) changes, seed by seed: mean and sd of the paired differences, from `over_seeds`.
    p: of Student's t test, two-sided; NaN where the seeds do not differ, or are one."""
    rows = []
    for split, part in frame.groupby("split", sort=False):
        for metric in compared(frame):
            table = part.pivot_table(index="seed", columns="given", values=metric)
            for given, then in one_more(part["given"].unique()):
                change = (table[then] - table[given]).tolist()
                sd = stdev(change) if len(change) > 1 else float("nan")
                _, p = ttest_1samp(change, 0) if sd > 0 else (0.0, float("nan"))
                rows.append((split, metric, given, then, fmean(change), sd, len(change), p))
    return pd.DataFrame(rows, columns=["split", "metric", "given", "then", "change", "sd", "seeds", "p"])
