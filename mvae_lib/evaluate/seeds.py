"""The same run from other seeds: which difference is more than chance?"""

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import torch

from mvae_lib import checkpoint
from mvae_lib.data import load
from mvae_lib.evaluate.latent import label_sweep, latent_table, posteriors
from mvae_lib.evaluate.sweeps import STEPS, untrained
from mvae_lib.evaluate.tables import CLASS_MEAN, GLOBAL_MEAN, REPORT_ORDER, combination_table, running_means
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd

METRICS = ["accuracy", "reported_bound", "neg_elbo", "bce_farsi", "bce_kannada", "sse_speech", "ce", "kl"]
COMPARED = ("accuracy", "bce_farsi", "bce_kannada", "sse_speech")


def over_seeds(runs: list[str | Path], splits: tuple[str, ...] = ("train", "val", "test", "test_dig")) -> "pd.DataFrame":
    """The combination table of each run on each split, sampled z; and its means over the last training epoch, as in the report.

    Args:
        runs: shipped names or run folders, of one preset and different seeds.
    Returns: tidy: name, seed, epochs, split, given, and the columns of `combination_table`.
    Raises:
        ValueError: the runs differ in more than their seed, or two have the same.
    """
    import pandas as pd

    models = [checkpoint.load(run) for run in runs]
    _check_same([str(run) for run in runs], models)
    tables = []
    for run, model in zip(runs, models, strict=True):
        own = {"name": model.spec.name, "seed": model.spec.train.seed, "epochs": model.epochs}
        running = running_means(checkpoint.history(run)).reset_index()
        tables.append(running.assign(**own, split="train, running"))
        own_splits = [split for split in splits if (model.spec.data.split, split) != ("as_written", "val")]  # it has none
        for split in own_splits:
            table = combination_table(model, load(split, model.spec.data)).drop([CLASS_MEAN, GLOBAL_MEAN])
            tables.append(table.reset_index().assign(**own, split=split))
    frame = pd.concat(tables, ignore_index=True)
    return frame.reindex(columns=["name", "seed", "epochs", "split", "given", *METRICS])


def spread(frame: "pd.DataFrame", by: list[str]) -> "pd.DataFrame":
    """Over seeds, of every metric: a row a group; columns ("mean", metric), ("std", metric) and ("count", metric)."""
    return frame.pivot_table(index=by, values=METRICS, aggfunc=["mean", "std", "count"], sort=False)


def seed_table(
    frame: "pd.DataFrame", guesses: "pd.DataFrame", classifiers: "pd.DataFrame", metrics: tuple[str, ...] = COMPARED
) -> "pd.DataFrame":
    """Mean and sd over seeds by combination, and under them what guesses and plain classifiers reach.

    Args:
        frame: `over_seeds`, of one preset and split.
        guesses: rows of `combination_table` by name: the class mean and the global mean.
        classifiers: `label_baselines`, of the same split.
    Returns: a row a combination, guess or classifier; columns (metric, "mean") and (metric, "sd"), NaN where there is none.
    """
    import pandas as pd

    found = spread(frame, ["given"]).loc[list(REPORT_ORDER)]
    table = pd.DataFrame({(m, words): found[how, m] for m in metrics for words, how in (("mean", "mean"), ("sd", "std"))})
    for name, row in guesses.iterrows():
        for metric in metrics:
            table.loc[name, (metric, "mean")] = row[metric]
    for kind, given, share in classifiers[["classifier", "given", "accuracy"]].to_numpy():
        table.loc[f"{kind}, {given}", ("accuracy", "mean")] = share
    return table


def latents_over_seeds(runs: list[str | Path], reaches: tuple[str, ...] = ("±1500", "±4 sd")) -> "pd.DataFrame":
    """How each run uses its latent, and what sweeps of every index from the first test seven show; the same of it untrained.

    Returns: tidy: name, seed, epochs, network ("trained", "untrained"), reach; active (indices), kl (nats), widest (the largest
        standard deviation of the aggregate posterior); changing, three: the shares of indices along which the label changes, and
        passes through three digits or more.
    """
    import pandas as pd

    rows = []
    for run in runs:
        model = checkpoint.load(run)
        triplets = load("test", model.spec.data)
        seven = int((triplets.labels == 7).nonzero()[0])
        for network, net in (("trained", model), ("untrained", untrained(model, model.spec.train.seed))):
            mu, logvar = posteriors(net, triplets)
            table = latent_table(mu, logvar)
            sd = torch.tensor(table["sd"].to_numpy())
            for reach in reaches:
                seen = label_sweep(net, mu[seven], STEPS * (1500.0 if reach == "±1500" else 4 * sd[:, None]))["labels"]
                own = {"name": model.spec.name, "seed": model.spec.train.seed, "epochs": model.epochs, "network": network}
                use = {
                    "active": int(table["active"].to_numpy().sum()),
                    "kl": float(table["kl"].to_numpy().sum()),
                    "widest": float(sd.max()),
                }
                rows.append({**own, "reach": reach, **use, "changing": (seen > 1).mean(), "three": (seen >= 3).mean()})
    return pd.DataFrame(rows)


def added(frame: "pd.DataFrame", metrics: tuple[str, ...] = COMPARED) -> "pd.DataFrame":
    """What one modality more changes, seed by seed: paired differences and Student's t test of them.

    Args:
        frame: what `over_seeds` gives, of one preset.
    Returns: a row a split, metric and step: split, metric, given, then; change (mean over seeds), sd, seeds, p (two-sided; NaN
        where the seeds do not differ, or are one).
    """
    import pandas as pd
    from scipy.stats import t as student

    steps = [(a, b) for a in REPORT_ORDER for b in REPORT_ORDER if set(a.split(",")) < set(b.split(",")) and len(b) == len(a) + 3]
    rows = []
    for split, part in frame.groupby("split", sort=False):
        for metric in metrics:
            table = part.pivot_table(index="seed", columns="given", values=metric)
            for given, then in steps:
                change = (table[then] - table[given]).tolist()
                mean, sd = fmean(change), stdev(change) if len(change) > 1 else float("nan")
                p = 2 * student.sf(abs(mean) / sd * len(change) ** 0.5, len(change) - 1) if sd > 0 else float("nan")
                own = {"split": split, "metric": metric, "given": given, "then": then}
                rows.append({**own, "change": mean, "sd": sd, "seeds": len(change), "p": p})
    return pd.DataFrame(rows)


def _check_same(names: list[str], models: list[MVAE]) -> None:
    kinds = {(m.spec.model, m.spec.data, replace(m.spec.train, seed=0, epochs=0, patience=0, compile=False)) for m in models}
    seeds = [m.spec.train.seed for m in models]
    if len(kinds) > 1 or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"Runs {', '.join(names)} have seeds {seeds} and {len(kinds)} kinds of spec; give one run a seed, all of one spec."
        )
