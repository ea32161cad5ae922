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
BEGIN = "<!-- validation: figures/validation.csv; python tests/test_validation.py writes it -->\n"
END = "<!-- end of validation -->"


def stop(values: pd.Series) -> int | None:
    """The epoch at which the authors' rule ends a run whose joint objective on validation this is."""
    seen = pd.DataFrame({"epoch": values.index, "split": "val", "reported_bound": values.to_numpy()})
    return next((e for e in seen["epoch"] if train.stopped(seen[seen["epoch"] <= e], AS_RUN.train)), None)


def over(values: pd.Series) -> str:
    spread = f" ± {values.std():.2f}" if len(values) > 1 else ""
    return "–" if values.isna().all() else f"{values.mean():.2f}{spread}"


def said() -> str:
    """What stands between the marks of REPLICATION."""
    by = {column: CURVE.pivot(index="epoch", columns="seed", values=column) for column in ("authors", "mean", "sampled")}
    lines = ["| epoch | authors | ours, posterior mean, their beta | ours, sampled z |", "| ---: | ---: | ---: | ---: |"]
    for epoch in (1, 2, 4, 8, 16, 24, 32):
        theirs, ours, sampled = (frame.loc[epoch] for frame in by.values())
        lines.append(f"| {epoch} | {theirs.iloc[0]:.2f} | {over(ours)} | {over(sampled)} |")
    apart = (by["mean"].mean(axis=1) / by["authors"].iloc[:, 0] - 1).abs()
    ends = ", ".join(f"{stop(by['sampled'][seed]) or 'none of 32'} (seed {seed})" for seed in by["sampled"])
    seeds, at_mean = CURVE["seed"].nunique(), CURVE.dropna(subset="mean")["seed"].nunique()
    runs = f"`as_run`, {seeds} seeds ({at_mean} of them measured at the posterior mean), 32 epochs, validation, nats a triplet;"
    runs += " mean ± sd over seeds."
    far = (
        ""
        if apart.isna().all()
        else f" Ours, measured their way, is {100 * apart.max():.1f} % off at most, {100 * apart[32]:.1f} % at epoch 32."
    )
    rule = f" The rule stops theirs at epoch {stop(by['authors'].iloc[:, 0])}, and ours (sampled) at {ends}."
    return "\n".join([*lines, "", f"*{runs}{far}{rule}*", ""])


def test_replication_says_what_the_curves_say():
    text = (ROOT / "REPLICATION.md").read_text()
    assert text.split(BEGIN)[1].split(END)[0] == said(), "python tests/test_validation.py writes it anew"


def test_the_table_has_the_authors_numbers_and_whole_runs():
    for _, curve in CURVE.groupby("seed"):
        assert tuple(curve["authors"]) == validation.AUTHORS and list(curve["epoch"]) == list(range(1, 33))


def test_a_curve_is_measured_in_both_ways_after_each_epoch(monkeypatch, tmp_path):
    """Sampled: what the run's own history has. Mean: at the posterior mean, with the authors' mean beta in place of the run's."""
    few = {split: triplets(split) for split in ("train", "val")}
    monkeypatch.setattr(data, "load", lambda split, recipe: replace(few[split], recipe=recipe))
    monkeypatch.setattr(validation, "RUNS", tmp_path)
    monkeypatch.setattr(validation, "AS_RUN", replace(run(), train=replace(AS_RUN.train, batch_size=16, compile=False)))
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


if __name__ == "__main__":
    path = ROOT / "REPLICATION.md"
    before, rest = path.read_text().split(BEGIN)
    path.write_text(before + BEGIN + said() + END + rest.split(END)[1])
