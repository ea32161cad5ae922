"""The authors' validation curve beside ours: what REPLICATION says of it is figures/validation.csv's."""

from dataclasses import replace

import pandas as pd
import pytest
from small import run, triplets

from mvae_lib import data, tables, train
from mvae_lib.presets import AS_RUN
from mvae_lib.storage import ROOT
from study.evidence import validation

CURVE = pd.read_csv(ROOT / "figures" / "validation.csv")


def stop(values: pd.Series) -> int | None:
    """The epoch at which the authors' rule ends a run whose joint objective on validation this is."""
    seen = pd.DataFrame({"epoch": values.index, "split": "val", "reported_bound": values.to_numpy()})
    return next((e for e in seen["epoch"] if train.stopped(seen[seen["epoch"] <= e], AS_RUN.train)), None)


def over(values: pd.Series) -> str:
    spread = f" ± {values.std():.2f}" if len(values) > 1 else ""
    return "–" if values.isna().all() else f"{values.mean():.2f}{spread}"


BY = {
    column: CURVE.pivot(index="epoch", columns="seed", values=column).dropna(axis=1) for column in ("authors", "mean", "sampled")
}
APART = 100 * (BY["mean"].div(BY["authors"].iloc[:, 0], axis=0) - 1)  # per cent, an epoch by a seed
STOPS = {seed: stop(BY["sampled"][seed]) for seed in BY["sampled"]}


def predictions() -> tuple[bool, bool]:
    """What was fixed before: the mean over seeds is within 5 % at every epoch; the rule stops each seed within 4 epochs of 32."""
    return bool((APART.mean(axis=1).abs() <= 5).all()), all(epoch and abs(epoch - 32) <= 4 for epoch in STOPS.values())


def span(epochs: pd.Index) -> str:
    """Epochs in words: "1 to 15, 17"."""
    runs = pd.Series(epochs).groupby((pd.Series(epochs).diff() != 1).cumsum())
    return ", ".join(f"{run.iloc[0]} to {run.iloc[-1]}" if len(run) > 1 else f"{run.iloc[0]}" for _, run in runs) or "none"


def said() -> str:
    """What REPLICATION says of the curves."""
    lines = ["| epoch | authors | ours, posterior mean, their beta | difference | tolerance | verdict | ours, sampled z |"]
    lines += ["| ---: | ---: | ---: | ---: | --- | --- | ---: |"]
    apart = APART.mean(axis=1)
    for epoch in (1, 2, 4, 8, 16, 24, 32):
        theirs, ours, sampled = (frame.loc[epoch] for frame in BY.values())
        verdict = f"{'' if abs(apart[epoch]) <= 5 else 'not '}replicated"
        lines.append(
            f"| {epoch} | {theirs.iloc[0]:.2f} | {over(ours)} | {apart[epoch]:+.1f} % | 5 % | {verdict} | {over(sampled)} |"
        )
    mean, drawn = (", ".join(map(str, BY[column])) for column in ("mean", "sampled"))
    runs = (
        f"`as_run`, validation, nats a triplet, mean ± sd over seeds: at the posterior mean seeds {mean}, sampled seeds {drawn}."
    )
    runs += (
        ""
        if mean == drawn
        else " A run's curve at the posterior mean cannot be made afterwards, so the two columns are of other seeds."
    )
    held, stops = predictions()
    beyond, late = apart.index[apart.abs() > 5], apart.loc[10:].abs().max()
    far = f"Fixed before: within 5 % at every epoch. It {'held' if held else 'failed'}: "
    far += f"beyond it are epochs {span(beyond)} ({apart.abs().max():.2f} % at most); from epoch 10 on {late:.1f} % at most."
    each, first = ", ".join(f"{value:+.1f} %" for value in APART.loc[32]), APART.loc[1]
    far += f" Seed by seed {each} at epoch 32, {first.min():+.1f} to {first.max():+.1f} % at epoch 1."
    far += f" Ours lies above theirs in epochs {span(apart.index[apart > 0])}."
    ends = ", ".join(f"{f'at {epoch}' if epoch else 'not within 32'} (seed {seed})" for seed, epoch in STOPS.items())
    rule = f"Fixed before: the rule stops ours within 4 epochs of 32. It {'held' if stops else 'failed'}: "
    rule += f"it stops theirs at {stop(BY['authors'].iloc[:, 0])}, ours (sampled) {ends}."
    return "\n".join([*lines, "", f"*{runs}*", "", far, "", rule, ""])


def test_the_table_has_the_authors_numbers_and_whole_runs():
    for _, curve in CURVE.groupby("seed"):
        assert tuple(curve["authors"]) == validation.AUTHORS and list(curve["epoch"]) == list(range(1, 33))


def test_a_curve_is_measured_in_both_ways_after_each_epoch(monkeypatch, tmp_path):
    """Sampled: what the run's own history has. Mean: at the posterior mean, with the authors' mean beta in place of the run's."""
    few = {split: triplets(split) for split in ("train", "val")}
    monkeypatch.setattr(data, "load", lambda split, recipe: replace(few[split], recipe=recipe))
    monkeypatch.setattr(validation, "RUNS", tmp_path)
    monkeypatch.setattr(
        validation, "AS_RUN", replace(run(), train=replace(AS_RUN.train, batch_size=16, compile=False, precision="bfloat16"))
    )
    frame = validation.validation_curve(seed=1, epochs=2)
    assert list(frame.columns) == ["seed", "epoch", "authors", "sampled", "mean"] and set(frame["seed"]) == {1}
    history = pd.read_csv(tmp_path / "as_run-real-1" / "history.csv").query("split == 'val' and subset == 'm1,m2,m3'")
    assert frame["sampled"].tolist() == pytest.approx(history["reported_bound"].tolist())
    spec = replace(validation.AS_RUN, train=replace(validation.AS_RUN.train, seed=1, patience=0, precision="bfloat16", epochs=2))
    model, _ = train.fit(spec, few["train"], few["val"], tmp_path / "as_run-real-1", bar=False)
    table = tables.combination_table(model, replace(few["val"], recipe=None), z="mean").loc["m1,m2,m3"]
    theirs = sum((batch + 188 + 1) / (200 * 188) for batch in range(94)) / 94  # their loop, in the second epoch
    recon = table["bce_farsi"] + table["bce_kannada"] + model.spec.model.modalities[-1].weight * table["sse_speech"]
    assert frame["mean"].iloc[-1] == pytest.approx(recon + table["ce"] + theirs * table["kl"], rel=1e-5)
