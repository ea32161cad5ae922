"""Training: it learns, it goes on exactly where it stopped, and it stops when it should."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from small import run, triplets

from mvae_lib import checkpoint, train
from mvae_lib.storage import write


@pytest.fixture
def fitted(tmp_path):
    model, history = train.fit(run(patience=3), triplets(), triplets("val"), tmp_path / "run", bar=False)
    return model, history, tmp_path / "run"


def test_it_learns(fitted):
    _, history, _ = fitted
    objective = history[history["split"] == "train"].groupby("epoch")["objective"].first()
    assert objective.iloc[-1] < 0.8 * objective.iloc[0] and len(objective) == 4
    assert set(history["subset"]) == {"m1", "m2", "m3", "m1,m2", "m1,m3", "m2,m3", "m1,m2,m3"} and set(history["split"]) == {
        "train",
        "val",
    }


SAMPLED = {"subsets": "sampled", "random_subsets": 2}


@pytest.mark.parametrize(
    "options", [{"amsgrad": True, "beta_epochs": 3}, {"precision": "bfloat16"}, {"rebuild": "given"}, SAMPLED]
)
def test_resuming_is_exact(tmp_path, options):
    """4 epochs = 2 epochs + resume + 2: every weight, every optimiser slot, every history row."""
    train.fit(run(**options), triplets(), triplets("val"), tmp_path / "whole", bar=False)
    for epochs in (2, 4):
        train.fit(run(**options, epochs=epochs), triplets(), triplets("val"), tmp_path / "halves", bar=False)
    whole, halves = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "halves"))
    assert whole.keys() == halves.keys() and any(k.startswith("optimizer") for k in whole)
    assert all(torch.equal(whole[key], halves[key]) for key in whole)
    a, b = (pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "halves"))
    pd.testing.assert_frame_equal(a, b)


def test_an_interrupt_keeps_the_epochs_done(tmp_path, monkeypatch):
    calls, real = [], train.step

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 7:  # in the third epoch of three steps
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(train, "step", interrupted)
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt, match="run holds epoch 2; the same command goes on from there"):
        train.fit(run(), triplets(), None, tmp_path / "run", bar=False)
    assert checkpoint.history(tmp_path / "run")["epoch"].max() == 2
    monkeypatch.setattr(train, "step", real)
    train.fit(run(), triplets(), None, tmp_path / "run", bar=False)
    train.fit(run(), triplets(), None, tmp_path / "whole", bar=False)
    ends = [load_file(tmp_path / name / "weights.safetensors") for name in ("run", "whole")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@pytest.mark.parametrize("rebuild", ["all", "given"])
def test_sampled_subsets_are_some_of_all(tmp_path, rebuild):
    """Three modalities have three pairs: asked for three, or nine, it takes all seven subsets, as the powerset does."""
    ends = []
    for options in ({}, {"subsets": "sampled", "random_subsets": 3}, {"subsets": "sampled", "random_subsets": 9}):
        model, history = train.fit(run(rebuild=rebuild, **options), triplets(), None, tmp_path / str(len(ends)), bar=False)
        ends.append((history, list(model.parameters())))
    (powerset, weights), (three, *_), (nine, _) = ends[0], ends[1], ends[2]
    assert three["subset"].unique().tolist() == ["m1", "m2", "m3", "between", "m1,m2,m3"]
    pd.testing.assert_frame_equal(three.drop(columns="seconds"), nine.drop(columns="seconds"))
    pairs = powerset.query("subset in ('m1,m2', 'm1,m3', 'm2,m3')").groupby("epoch")["kl"].mean()
    assert pairs.to_numpy() == pytest.approx(three.query("subset == 'between'")["kl"].to_numpy(), rel=1e-5)
    for one, other in zip(weights, ends[1][1], strict=True):
        torch.testing.assert_close(one, other)


def test_beta_rises_step_by_step_from_zero():
    spec = run(beta=0.5, beta_epochs=200).train
    assert [spec.beta_at(s, 375) for s in (0, 375 * 100, 375 * 200, 375 * 400)] == [0, 0.25, 0.5, 0.5]
    assert run().train.beta_at(0, 375) == 1.0


@pytest.mark.parametrize("options", [{}, {"beta_epochs": 6}, {"rebuild": "given"}, {"label_weight": 0.0}])
def test_what_is_watched_is_what_is_optimised(options, tmp_path):
    """With a label of weight 1, the objective is the sum of the bounds; without one, the sum less the cross-entropies."""
    _, history = train.fit(run(epochs=2, **options), triplets(), triplets("val"), tmp_path / "run", bar=False)
    held_out = history[history["split"] == "val"]
    want = held_out["reported_bound"] - (1 - options.get("label_weight", 1)) * held_out["ce"]
    by_epoch = (
        held_out.assign(want=want)
        .groupby("epoch")
        .agg(want=("want", "sum"), got=("objective", "first"), kinds=("objective", "nunique"))
    )
    assert by_epoch["got"].to_numpy() == pytest.approx(by_epoch["want"].to_numpy(), rel=1e-5) and (by_epoch["kinds"] == 1).all()


def test_stops_after_patience_epochs_without_min_delta():
    spec = dataclasses.replace(run().train, patience=2, min_delta=0.1)

    def history(*objectives):
        return pd.DataFrame({"epoch": range(len(objectives)), "split": "val", "objective": objectives})

    assert not train.stopped(history(5.0, 4.0, 3.99), spec)
    assert train.stopped(history(5.0, 4.0, 3.99, 3.95), spec)  # each better by less than 0.1 than the best that counted
    assert not train.stopped(history(5.0, 4.0, 4.1, 3.8, 3.9), spec)
    assert not train.stopped(history(5.0, 6.0, 7.0, 8.0), dataclasses.replace(spec, patience=0))


def test_goes_on_with_a_folder_from_before_a_field_was_added(fitted):
    _, history, folder = fitted
    old = json.loads((folder / "spec.json").read_text())
    del old["data"]["left_out"], old["train"]["subsets"], old["model"]["fusion"]
    (folder / "spec.json").write_text(json.dumps(old))
    for name in ("state", "weights"):  # each says which run it is of
        tensors, metadata = load_file(folder / f"{name}.safetensors"), checkpoint.read_metadata(folder / f"{name}.safetensors")
        then = json.loads(metadata["run"])
        del then["train"]["subsets"]
        save_file(tensors, folder / f"{name}.safetensors", metadata | {"run": json.dumps(then)})
    _, after = train.fit(run(patience=3), triplets(), triplets("val"), folder, bar=False)
    assert len(after) == len(history)


def test_refuses_a_folder_of_another_run(fitted):
    _, _, folder = fitted
    with pytest.raises(ValueError, match="holds another run.*train.batch_size"):
        train.fit(run(batch_size=7), triplets(), None, folder, bar=False)
    with pytest.raises(ValueError, match="there is nothing to watch"):
        train.fit(run(patience=2), triplets(), None, folder, bar=False)


def test_a_run_folder_loads_as_it_was_trained(fitted):
    model, history, folder = fitted
    loaded = checkpoint.load(folder)
    x, _ = triplets().gather(slice(5))
    assert torch.equal(loaded.reconstruct(x)["farsi"], model.reconstruct(x)["farsi"])
    assert (loaded.spec, loaded.epochs, loaded.beta) == (model.spec, 4, model.beta) and not loaded.training
    finished, _ = train.fit(model.spec, triplets(), triplets("val"), folder, bar=False)  # nothing is left to do
    assert (finished.epochs, finished.beta) == (4, model.beta)
    assert loaded.card["source"] == "stand-in" and {"spec.json", "card.json", "history.csv"} <= {p.name for p in folder.iterdir()}


def test_nothing_of_that_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="'nowhere' is no shipped run"):
        checkpoint.load("nowhere")


def test_a_crash_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights"
    path.write_text("old")

    def half(part):
        part.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(path, half)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
