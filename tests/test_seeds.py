"""Several seeds of one run: their tables together, and what may not be put together."""

import pytest
from small import run, triplets

from mvae_lib import evaluate, train
from mvae_lib.evaluate import seeds


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("seeds")
    for seed in (0, 1):
        train.fit(run(seed=seed, epochs=2), triplets(), triplets("val"), base / str(seed), bar=False)
    train.fit(run(seed=2, epochs=1, beta=2.0), triplets(), None, base / "other", bar=False)
    return base


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    monkeypatch.setattr(seeds, "load", lambda split, recipe: triplets(split))


def test_over_seeds_is_each_run_s_own_table(folders):
    frame = evaluate.over_seeds([folders / "0", folders / "1"], splits=("val", "test"))
    assert frame.groupby(["seed", "split"]).size().eq(7).all() and set(frame["split"]) == {"train, running", "val", "test"}
    from mvae_lib import checkpoint

    own = evaluate.combination_table(checkpoint.load(folders / "1"), triplets("test"))
    rows = frame.query("seed == 1 and split == 'test'").set_index("given")
    assert rows["kl"].to_numpy() == pytest.approx(own["kl"].iloc[:7].to_numpy())
    history = checkpoint.history(folders / "0").query("epoch == 2 and split == 'train' and subset == 'm1'")
    assert frame.query("seed == 0 and split == 'train, running' and given == 'm1'")["kl"].item() == history["kl"].item()


def test_spread_is_mean_and_sd_over_seeds(folders):
    frame = evaluate.over_seeds([folders / "0", folders / "1"], splits=("test",))
    table = evaluate.spread(frame, ["split", "given"])
    two = frame.query("split == 'test' and given == 'm3'")["bce_farsi"].to_numpy()
    row = table.loc[("test", "m3")]
    assert row[("mean", "bce_farsi")] == pytest.approx(two.mean())
    assert row[("std", "bce_farsi")] == pytest.approx(abs(two[0] - two[1]) / 2**0.5)
    assert (table["count"] == 2).all(axis=None)


def test_refuses_runs_that_are_not_one_run_s_seeds(folders):
    with pytest.raises(ValueError, match="2 kinds of spec"):
        evaluate.over_seeds([folders / "0", folders / "other"])
    with pytest.raises(ValueError, match=r"seeds \[0, 0\]"):
        evaluate.over_seeds([folders / "0", folders / "0"])
