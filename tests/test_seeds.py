"""Several seeds of one run: their tables together, and what may not be put together."""

from dataclasses import replace

import pandas as pd
import pytest
import scipy.stats
import torch
from small import MODEL, run, triplets

from mvae_lib import checkpoint, data, tables, train
from mvae_lib.spec import Modality
from study.evidence import latent, seeds

FOUR = replace(MODEL, modalities=(*MODEL.modalities, Modality("touch", (3,), "gaussian", (), ())))


def with_touch(split: str) -> data.Triplets:
    few = triplets(split)
    return few.with_modality("touch", torch.rand(40, 3, generator=torch.Generator().manual_seed(0)), few.labels)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("seeds")
    for seed in (0, 1):
        train.fit(run(seed=seed, epochs=2), triplets(), triplets("val"), base / str(seed), bar=False)
        train.fit(run(FOUR, seed=seed, epochs=1), with_touch("train"), None, base / f"four-{seed}", bar=False)
    train.fit(run(seed=2, epochs=1, beta=2.0), triplets(), None, base / "other", bar=False)
    return base


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    monkeypatch.setattr(data, "load", lambda split, recipe: triplets(split))


@pytest.fixture(scope="module")
def measured(folders) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda split, recipe: triplets(split))
        return seeds.over_seeds((folders / "0", folders / "1"), splits=("val", "test"))


def test_over_seeds_is_each_run_s_own_table(folders, measured):
    assert measured.groupby(["seed", "split"]).size().eq(7).all()
    assert set(measured["split"]) == {"train, running", *(f"{s}{z}" for s in ("val", "test") for z in ("", ", posterior mean"))}
    model = checkpoint.load(folders / "1")
    own, mean = (tables.combination_table(model, triplets("test"), z) for z in ("sample", "mean"))
    rows = measured.query("seed == 1 and split == 'test, posterior mean'").set_index("given")
    assert rows["bce_farsi"].to_numpy() == pytest.approx(mean["bce_farsi"].iloc[:7].to_numpy())
    assert list(measured.columns) == ["name", "seed", "epochs", "split", "given", *own.columns]
    rows = measured.query("seed == 1 and split == 'test'").set_index("given")
    assert rows["kl"].to_numpy() == pytest.approx(own["kl"].iloc[:7].to_numpy())
    history = checkpoint.history(folders / "0").query("epoch == 2 and split == 'train' and subset == 'm1'")
    assert measured.query("seed == 0 and split == 'train, running' and given == 'm1'")["kl"].item() == history["kl"].item()


def test_spread_is_mean_and_sd_over_seeds(measured):
    table = seeds.spread(measured, ["split", "given"])
    two = measured.query("split == 'test' and given == 'm3'")["bce_farsi"].to_numpy()
    row = table.loc[("test", "m3")]
    assert row[("mean", "bce_farsi")] == pytest.approx(two.mean())
    assert row[("std", "bce_farsi")] == pytest.approx(abs(two[0] - two[1]) / 2**0.5)
    assert (table["count"] == 2).all(axis=None)


def test_a_fourth_modality_has_its_columns_everywhere(folders, monkeypatch):
    monkeypatch.setattr(data, "load", lambda split, recipe: with_touch(split))
    frame = seeds.over_seeds((folders / "four-0", folders / "four-1"), splits=("test",))
    assert frame["sse_touch"].notna().all() and len(frame) == 2 * 3 * 15
    assert seeds.compared(frame) == ["accuracy", "bce_farsi", "bce_kannada", "sse_speech", "sse_touch"]
    assert "sse_touch" in seeds.spread(frame, ["split"])["mean"].columns
    assert set(seeds.paired_gain(frame)["metric"]) == set(seeds.compared(frame))


def test_refuses_runs_that_are_not_one_run_s_seeds(folders):
    with pytest.raises(ValueError, match="2 kinds of spec"):
        seeds.over_seeds((folders / "0", folders / "other"))
    with pytest.raises(ValueError, match=r"seeds \[0, 0\]"):
        seeds.over_seeds((folders / "0", folders / "0"))


def made_up(changes: list[float]) -> pd.DataFrame:
    """A frame of as many seeds: Kannada beside Farsi changes the accuracy by so much, and nothing else changes anything."""
    rows = [
        {
            "seed": seed,
            "split": "test",
            "given": given,
            "accuracy": 0.9 + seed / 100 + (change if given == "m1,m2" else 0.0),
            "kl": 1.0,
        }
        for seed, change in enumerate(changes)
        for given in tables.REPORT_ORDER
    ]
    return pd.DataFrame(rows)


def test_a_paired_change_is_sure_however_far_the_seeds_lie_apart():
    table = seeds.paired_gain(made_up([0.010, 0.011, 0.009, 0.010, 0.010])).set_index(["given", "then"])
    assert len(table) == 9
    sure = table.loc[("m1", "m1,m2")]
    assert sure["change"] == pytest.approx(0.01) and sure["p"] < 1e-4 and sure["seeds"] == 5
    t = 0.01 / (sure["sd"] / 5**0.5)
    assert sure["p"] == pytest.approx(2 * scipy.stats.t.sf(t, 4), rel=1e-12)


def test_p_is_corrected_for_the_number_of_tests():
    """Holm's own step-down by hand: .01 · 4, .02 · 3, .03 · 2, then no less than the one before."""
    p = pd.Series([0.03, 0.01, float("nan"), 0.02, 0.031])
    assert seeds.holm(p).tolist() == pytest.approx([0.06, 0.04, float("nan"), 0.06, 0.06], nan_ok=True)
    frame = pd.concat([made_up([0.010, 0.011, 0.009, 0.010, 0.010]).assign(split=split) for split in ("test", "test_dig")])
    table = seeds.paired_gain(frame)
    told = table.dropna(subset=["p"])
    assert (told["p_holm"] >= told["p"]).all() and told["p_holm"].min() == pytest.approx(told["p"].min() * len(told))


def test_the_interval_is_the_paired_mean_s():
    change = [0.010, 0.012, 0.009, 0.011, 0.013]
    row = seeds.paired_gain(made_up(change)).set_index(["given", "then"]).loc[("m1", "m1,m2")]
    half = scipy.stats.t.ppf(0.975, 4) * row["sd"] / 5**0.5
    assert (row["low"], row["high"]) == pytest.approx((row["change"] - half, row["change"] + half))


def test_any_comparison_of_seeds_is_paired_and_corrected_alike():
    differences = {("a", "b"): [0.02, 0.03, 0.025], ("a", "c"): [1.0, -1.0, 0.5], ("a", "d"): [0.0] * 3}
    table = seeds.paired(pd.DataFrame(differences))
    assert table.index.tolist() == [("a", "b"), ("a", "c"), ("a", "d")] and (table["seeds"] == 3).all()
    p = scipy.stats.ttest_1samp(differences["a", "b"], 0).pvalue
    assert table.loc[("a", "b"), ["p", "p_holm"]].tolist() == pytest.approx([p, 2 * p])
    assert table.loc[("a", "d"), ["change", "sd"]].eq(0).all() and pd.isna(table.loc[("a", "d"), "p_holm"])


def test_a_change_that_goes_both_ways_is_not_sure_and_one_seed_says_nothing():
    table = seeds.paired_gain(made_up([0.02, -0.02, 0.01, -0.01, 0.0])).set_index(["given", "then"])
    assert table.loc[("m1", "m1,m2"), "p"] > 0.5
    assert seeds.paired_gain(made_up([0.02]))["p"].isna().all()


def test_latents_over_seeds_is_each_run_s_own_sweep(folders):
    frame = seeds.latents_over_seeds((folders / "0", folders / "1"))
    assert len(frame) == 2 * 2 * 2 and set(frame["network"]) == {"trained", "untrained"}
    model, few = checkpoint.load(folders / "1"), triplets("test")
    posterior = tables.posteriors(model, few)
    row = frame.query("seed == 1 and network == 'trained' and reach == '±1500'").iloc[0]
    labels, table = latent.label_sweep(model, posterior.mean[7], 1500 * latent.STEPS)["labels"], latent.latent_table(posterior)
    assert row["changing"] == (labels > 1).mean() and row["three"] == (labels >= 3).mean()
    active = [dimension for dimension in table.index if table.loc[dimension, "active"]]
    assert row["active"] == len(active) and row["changing_active"] == (labels.loc[active] > 1).mean()
    assert row["changing_largest"] == row["changing"], "of eight dimensions, the eight of largest KL are all"
    assert row["kl"] == pytest.approx(latent.latent_table(posterior)["kl"].sum())


def test_the_seed_table_holds_seeds_guesses_and_classifiers(measured):
    frame = measured.query("split == 'test'")
    compared = seeds.compared(frame)
    guesses = pd.DataFrame({m: [1.0, 2.0] for m in compared}, index=[tables.CLASS_MEAN, tables.GLOBAL_MEAN])
    guesses = guesses.assign(accuracy=float("nan"))
    classifiers = pd.DataFrame({"classifier": "MLP", "given": "m1", "accuracy": [0.4, 0.6]})
    table = seeds.seed_table(frame, guesses, classifiers)
    assert list(table.index) == [*tables.REPORT_ORDER, tables.CLASS_MEAN, tables.GLOBAL_MEAN, "MLP, m1"]
    two = frame[frame["given"] == "m2"]["bce_farsi"]
    assert table.loc["m2", ("bce_farsi", "mean")] == pytest.approx(two.mean())
    assert table.loc["m2", ("bce_farsi", "sd")] == pytest.approx(two.std())
    assert table.loc["MLP, m1", ("accuracy", "mean")] == 0.5 and table.loc[tables.GLOBAL_MEAN, ("sse_speech", "mean")] == 2.0
    assert table.loc["MLP, m1", ("accuracy", "sd")] == pytest.approx(0.02**0.5)
    assert table.loc["MLP, m1"].isna().sum() == 6 and table.loc[tables.CLASS_MEAN].isna().sum() == 5


def test_every_split_and_every_classifier_is_a_test_of_the_same_table():
    """So that p is corrected for all of them; of one seed there is a change and no p."""
    ours = pd.concat([made_up([0.010, 0.011, 0.009]).assign(split=split, bce_farsi=1.0) for split in ("test", "test_dig")])
    plain = made_up([0.02, 0.03]).assign(classifier="MLP").drop(columns="kl")
    one = made_up([0.02]).assign(classifier="nearest").drop(columns="kl")
    table = seeds.paired_gain(pd.concat([ours.assign(classifier="MVAE"), plain, one]))
    step = table.query("given == 'm1' and then == 'm1,m2' and metric == 'accuracy'").set_index(["classifier", "split"])
    assert step["seeds"].to_dict() == {("MVAE", "test"): 3, ("MVAE", "test_dig"): 3, ("MLP", "test"): 2, ("nearest", "test"): 1}
    assert step.loc[("nearest", "test"), ["p", "p_holm"]].isna().all()
    assert step.loc[("nearest", "test"), "change"] == pytest.approx(0.02)
    told = table.dropna(subset=["p"])
    assert step.loc[("MVAE", "test"), "p_holm"] >= len(told) * told["p"].min() * (1 - 1e-12)
    assert set(table.query("classifier == 'MLP'")["metric"]) == {"accuracy"}, "it draws nothing"


def test_pairs_may_be_of_another_unit_than_seeds():
    """Voices: a voice's seeds are averaged first, and the voices are the pairs."""
    frame = pd.concat([made_up([0.01 * k, 0.03 * k]).assign(voice=f"voice {k}") for k in (1, 2, 3)])
    row = seeds.paired_gain(frame, "voice").set_index(["given", "then"]).loc[("m1", "m1,m2")]
    assert row["voices"] == 3 and row["change"] == pytest.approx(0.04) and row["sd"] == pytest.approx(0.02)
    assert row["before"] == pytest.approx(0.905)


def test_what_a_missing_modality_costs_is_of_its_own_split_s_class_mean():
    costs = {"m1": 90.0, "m2": 110.0, "m3": 121.0}
    rows = [
        {"seed": seed, "split": split, "given": given, "accuracy": 1.0, "bce_farsi": cost * (1 + seed / 100)}
        for split in ("train, running", "test")
        for seed in (0, 1)
        for given, cost in costs.items()
    ]
    guesses = pd.DataFrame({"split": ["train", "test"], "given": tables.CLASS_MEAN, "bce_farsi": [100.0, 110.0]})
    table = seeds.over_class_mean(pd.DataFrame(rows), guesses).set_index(["split", "given"])
    assert list(table.index) == [(split, given) for split in ("train, running", "test") for given in ("m2", "m3")]
    assert table.loc[("test", "m2"), ["mean", "limit", "seeds"]].tolist() == pytest.approx([0.5, 110, 2])
    assert table.loc[("train, running", "m3"), "mean"] == pytest.approx(100 * (1.21 * 1.005 - 1))
    assert table.loc[("test", "m2"), "sd"] == pytest.approx(1 / 2**0.5)


def test_that_nothing_is_there_takes_seeds_enough_and_a_narrow_interval():
    def said(*differences: float) -> str:
        return seeds.none_up(seeds.paired(pd.DataFrame({"a": differences})), 0.5)

    assert said(-0.1, 0.1, 0.0, -0.1, 0.1) == "held" and said(0.1, 0.2, 0.1, 0.2, 0.1) == "failed"
    assert said(-0.1, 0.1, 0.0, -0.1) == "no test with 4 seeds could tell" and "reaches above 0.5" in said(-2, 2, 1, -1, 0)
