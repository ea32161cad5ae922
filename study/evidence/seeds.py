"""The same run from other seeds: which difference is more than chance?"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from scipy.stats import ttest_1samp

from mvae_lib import checkpoint, data, tables
from mvae_lib.likelihoods import FAMILIES
from study.evidence.classifiers import labels_of
from study.evidence.labels import one_more, places_of
from study.evidence.latent import STEPS, label_sweep, latent_table
from study.evidence.sweeps import LARGEST, untrained

Runs = tuple[str | Path, ...]  # shipped names or run folders


def over_seeds(runs: Runs, splits: tuple[str, ...] = ("train", "val", "test", "test_dig")) -> pd.DataFrame:
    """The tables of runs that differ in their seed, on every split: `combination_table`, a sampled z, as the report has it.
    Split "test, posterior mean" (and so on) has them at the posterior mean, which `MVAE.classify` and `reconstruct` take;
    "train, running" has the means over the last training epoch, as the report's Table 2.
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
                pairs = data.load(split, model.spec.data)
                ways: dict[str, Literal["sample", "mean"]] = {split: "sample", f"{split}, posterior mean": "mean"}
                for named, z in ways.items():
                    table = tables.combination_table(model, pairs, z)
                    frames[*about, named] = table.loc[tables.combinations(len(model.names))]
    return pd.concat(frames, names=["name", "seed", "epochs", "split", "given"]).reset_index()


def spread(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Over seeds, of every metric: a row a group; columns ("mean", metric), ("std", metric) and ("count", metric)."""
    metrics = [name for name in frame.select_dtypes("number") if name not in ("seed", "epochs")]
    return frame.pivot_table(index=by, values=metrics, aggfunc=["mean", "std", "count"], sort=False)


def compared(frame: pd.DataFrame) -> list[str]:
    """The metrics by which combinations are compared: the label's accuracy, and what each modality's reconstruction costs."""
    return [name for name in frame if name.startswith(("accuracy", *(f"{family.metric}_" for family in FAMILIES.values())))]


def seed_table(frame: pd.DataFrame, guesses: pd.DataFrame, classifiers: pd.DataFrame) -> pd.DataFrame:
    """Mean and sd over seeds by combination, and under them guesses, and plain classifiers' accuracy, all of one split.
    `frame`: `over_seeds`; `guesses`: rows of `combination_table` by name; `classifiers`: `label_baselines`.
    Columns (metric, "mean") and (metric, "sd"), NaN where there is none."""
    over, metrics = spread(frame, ["given"]), compared(frame)
    table = pd.DataFrame({(m, words): over[how, m] for m in metrics for words, how in (("mean", "mean"), ("sd", "std"))})
    for name, row in guesses.iterrows():
        table.loc[name, [(m, "mean") for m in metrics]] = list(row[metrics])
    for (kind, given), share in classifiers.groupby(["classifier", "given"], sort=False)["accuracy"]:
        table.loc[f"{kind}, {given}", [("accuracy", "mean"), ("accuracy", "sd")]] = [share.mean(), share.std()]
    return table


def over_class_mean(frame: pd.DataFrame, guesses: pd.DataFrame) -> pd.DataFrame:
    """What a modality that was not given costs above the training mean of its class, in per cent of that: mean and sd over seeds.
    `frame`: `over_seeds`; `guesses`: `combination_table` of every split, with its split. A row a split, modality and combination:
    split, metric, given, mean, sd, seeds, limit (what the class mean costs there)."""
    limits, parts = guesses[guesses["given"] == tables.CLASS_MEAN].set_index("split"), []
    for k, metric in enumerate(compared(frame)[1:]):
        blind = frame[[f"m{k + 1}" not in given.split(",") for given in frame["given"]]]
        limit = blind["split"].str.partition(",")[0].map(limits[metric])
        parts.append(blind.assign(metric=metric, limit=limit, over=100 * (blind[metric] / limit - 1)))
    each = pd.concat(parts).groupby(["split", "metric", "given"], sort=False)
    return each.agg(mean=("over", "mean"), sd=("over", "std"), seeds=("over", "count"), limit=("limit", "first")).reset_index()


def latents_over_seeds(runs: Runs) -> pd.DataFrame:
    """How runs that differ in their seed use their latent, and what sweeps of every dimension show, trained and untrained.
    Sweeps start from the first test seven, by the report's reach and by 4 sd of the aggregate posterior (widest: the largest sd).
    changing, three: the shares of dimensions along which the label changes, and passes through three digits or more;
    changing_active, changing_largest: of the active dimensions (NaN: there are none), and of the eight of largest KL."""
    rows = []
    for model in map(checkpoint.load, runs):
        pairs, about = data.load("test", model.spec.data), {"name": model.spec.name, "seed": model.spec.train.seed}
        seven = int(places_of(labels_of(pairs), 7)[0])
        for network, net in (("trained", model), ("untrained", untrained(model))):
            posterior = tables.posteriors(net, pairs)
            table = latent_table(posterior)
            kl, sd = table["kl"].to_numpy().sum(), torch.tensor(table["sd"].to_numpy())
            for reach, far in (("±1500", 1500.0), ("±4 sd", 4 * sd[:, None])):
                labels = label_sweep(net, posterior.mean[seven], STEPS * far)["labels"].sort_index()
                moved, largest = labels > 1, table["kl"].nlargest(LARGEST).index
                use = {"active": table["active"].sum(), "kl": float(kl), "widest": float(sd.max())}
                along = {"changing": moved.mean(), "changing_active": moved[table["active"]].mean()}
                along |= {"changing_largest": moved[largest].mean(), "three": (labels >= 3).mean()}
                rows.append(about | {"epochs": model.epochs, "network": network, "reach": reach} | use | along)
    return pd.DataFrame(rows)


def holm(p: pd.Series) -> pd.Series:
    """p-values corrected for how many there are, so that .05 is the chance of *any* false one; NaN stays NaN.
    Source: Holm, Scandinavian Journal of Statistics 6, 1979."""
    ordered = p.dropna().sort_values()
    return (ordered * list(range(len(ordered), 0, -1))).cummax().clip(upper=1).reindex(p.index)


def paired(differences: pd.DataFrame) -> pd.DataFrame:
    """Of differences, a row a seed and a column a comparison: a row a comparison. change and sd: mean and standard deviation;
    seeds: how many; up: in how many of them it is above 0; low, high: the mean's 95 % interval; p: Student's t, two-sided;
    p_holm: corrected for all rows. The last four are NaN where the seeds do not differ, or are one."""
    rows = {}
    for name, column in differences.items():
        change, (low, high, p) = column.dropna(), [float("nan")] * 3
        if change.nunique() > 1:
            test = ttest_1samp(change, 0)
            (low, high), p = test.confidence_interval(), test.pvalue
        seen = {"change": change.mean(), "sd": change.std(), "seeds": len(change), "up": (change > 0).sum()}
        rows[name] = seen | {"low": low, "high": high, "p": p}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.assign(p_holm=holm(table["p"])).astype({"seeds": int, "up": int})


def none_up(tests: pd.DataFrame, small: float) -> str:
    """What rows of `paired` say of a prediction that no change is above 0. "failed": one is up in every seed. "held": no mean's
    interval ends above `small`, below which a change does not count. Else it is not told; nor is it by fewer than five seeds,
    which are all up by chance in more than one case of 20. It does not depend on how many tests the table has."""
    seeds = int(tests["seeds"].min())
    if seeds < 5:
        return f"no test with {seeds} seed{'s' * (seeds > 1)} could tell"
    if (tests["up"] == tests["seeds"]).any():
        return "failed"
    return "held" if (tests["high"] < small).all() else f"not told, an interval of {seeds} seeds reaches above {small:g}"


def paired_gain(frame: pd.DataFrame, unit: str = "seed") -> pd.DataFrame:
    """What one modality more (then, after given) changes, from `over_seeds`: `paired`, a row a split, metric and step (and
    classifier, where that is a column). Fractions, or the metric's units; before: the mean without it. `unit`: the column that
    says what is a pair; several rows of one are averaged first."""
    changes, before, keys = {}, {}, [key for key in ("classifier", "split") if key in frame]
    for named, part in frame.groupby(keys, sort=False):
        for metric in compared(part.dropna(axis=1, how="all")):
            table = part.pivot_table(index=unit, columns="given", values=metric)
            for given, then in one_more(part["given"].unique()):
                row = (*named, metric, given, then)
                changes[row], before[row] = table[then] - table[given], table[given].mean()
    told = paired(pd.DataFrame(changes)).rename(columns={"seeds": f"{unit}s"})
    told.insert(0, "before", pd.Series(before))
    return told.rename_axis([*keys, "metric", "given", "then"]).reset_index()
