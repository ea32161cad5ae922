"""What a run's folder keeps, whatever happens to the process, the disk or the numbers: it cannot lie and cannot lose."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small import MODEL, run, triplets

from mvae_lib import checkpoint, tables, train
from mvae_lib.pairs import Pairs


def fit(folder: Path, pairs: Pairs | None = None, **options):
    return train.fit(run(**{"epochs": 2, **options}), triplets() if pairs is None else pairs, None, folder, bar=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two epochs."""
    fit(tmp_path / "run")
    return tmp_path / "run"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def test_a_rate_that_is_too_high_is_named_with_step_and_term_and_nothing_of_it_is_kept(folder: Path) -> None:
    before = weights(folder)
    with pytest.raises(
        FloatingPointError, match=r"Epoch 3, step \d: .* (given m|first).*Lower learning_rate \(1e\+15\).*holds epoch 2"
    ):
        fit(folder, epochs=4, learning_rate=1e15, precision="float32")
    after = weights(folder)
    assert all(torch.equal(before[name], after[name]) and after[name].isfinite().all() for name in before)
    model, history = fit(folder, epochs=4)  # and the folder goes on, with a rate that it can bear
    assert model.epochs == 4 and np.isfinite(history["objective"]).all()


def test_the_first_term_that_is_not_finite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = train.batch_loss

    def poisoned(*args):
        loss, means, count = real(*args)
        return loss, means | {"speech": means["speech"].where(torch.arange(7) != 4, torch.inf)}, count

    monkeypatch.setattr(train, "batch_loss", poisoned)
    with pytest.raises(FloatingPointError, match="Epoch 1, step 1: speech given m1,m3 is inf"):
        fit(tmp_path / "run")
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_a_first_run_that_failed_does_not_refuse_the_corrected_one(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError):
        fit(tmp_path / "run", learning_rate=1e15, beta=3.0)
    assert fit(tmp_path / "run", beta=1.0)[0].epochs == 2


def test_weights_that_were_not_written_are_there_after_a_resume_that_has_nothing_to_do(folder: Path) -> None:
    """Killed between state and weights: the weights are an epoch behind, or there are none."""
    whole = weights(folder)
    fit(folder.with_name("short"), epochs=1)
    for left in (None, folder.with_name("short") / "weights.safetensors"):
        (folder / "weights.safetensors").unlink()
        if left:
            (folder / "weights.safetensors").write_bytes(left.read_bytes())
        fit(folder)
        assert all(torch.equal(value, whole[name]) for name, value in weights(folder).items())
        assert checkpoint.load(folder).epochs == 2


def test_what_a_kill_leaves_half_written_is_swept(folder: Path) -> None:
    for name in (".state.safetensors.123.part", ".weights.safetensors.9.part", ".x.tmp"):
        (folder / name).write_bytes(b"half")
    fit(folder)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_second_process_is_refused_and_a_dead_one_s_lock_is_not(folder: Path) -> None:
    code = "import fcntl, sys; f = open(sys.argv[1], 'a+'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code, folder / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=f"is in use by process {os.getpid()}"):  # who held it last, and wrote it down
            fit(folder, epochs=3)
        other.kill()
    assert fit(folder, epochs=3)[0].epochs == 3


def test_a_folder_with_other_things_in_it_is_not_a_run_s(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("chapter 1")
    with pytest.raises(ValueError, match="holds other things than a run"):
        fit(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_other_data_under_the_same_words_are_refused(folder: Path) -> None:
    other = triplets()
    other = replace(other, pools=other.pools | {"speech": other.pools["speech"] + 1})
    with pytest.raises(ValueError, match="was trained on other data than these"):
        fit(folder, other, epochs=3)


def test_a_history_with_a_hole_is_refused(folder: Path) -> None:
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("\n".join(lines[:1] + lines[8:]) + "\n")
    with pytest.raises(ValueError, match="history.csv has not all of the 2 epochs"):
        fit(folder, epochs=3)


@pytest.mark.parametrize("to", ["x,", "2.5,", ",", "2,train,m1,m2,m3,m1,m2,m3,1,1,1,1,1,1,1,1,1,1,1,1,1\n1,", "'"])
def test_a_history_that_is_none_is_one_line_that_names_it(folder: Path, to: str) -> None:
    """What `make soak` found: a word among the numbers, a row that is too long, a header that lost its first column."""
    path = folder / "history.csv"
    path.write_text(path.read_text().replace("epoch," if to == "'" else "\n2,", to if to == "'" else f"\n{to}", 1))
    with pytest.raises(ValueError, match="history.csv (is broken|has not all of the 2 epochs)") as error:
        fit(folder, epochs=3)
    assert str(error.value).isprintable()


def test_another_run_s_state_is_refused(folder: Path) -> None:
    other = folder.with_name("other")
    fit(other, seed=1)
    (folder / "state.safetensors").write_bytes((other / "state.safetensors").read_bytes())
    with pytest.raises(ValueError, match="state.safetensors is of another run than"):
        fit(folder, epochs=3)


BROKEN = {
    "spec.json": [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"name": 3}', b'{"train": {"batch_size": -1}}'],
    "card.json": [b"", b"{", b"3", b"\xff"],
    "weights.safetensors": [b"", b"\x00" * 7, b"\xff" * 64],
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name, every in BROKEN.items() for content in every])
def test_a_broken_file_is_one_line_that_names_it(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as error:
        checkpoint.load(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300 and str(error.value).isprintable()


def test_weights_of_another_model_are_one_line(folder: Path) -> None:
    tensors = load_file(folder / "weights.safetensors")
    fewer = dict(list(tensors.items())[1:])
    for other in (fewer, tensors | {"more": torch.ones(2)}, tensors | {next(iter(tensors)): torch.ones(3)}):
        save_file(other, folder / "weights.safetensors", {"epochs": "2", "beta": "1.0"})
        with pytest.raises(ValueError, match="does not hold this model's weights: 1 tensors are others"):
            checkpoint.load(folder)
    save_file(tensors, folder / "weights.safetensors")
    with pytest.raises(ValueError, match="its metadata have no epochs and beta"):
        checkpoint.load(folder)


# --- what goes in


def changed(**parts) -> Pairs:
    return replace(triplets(), **parts)


POOLS = triplets().pools
FAULTS = {
    "no tuples": (triplets().take([]), "There is no tuple"),
    "another width": (changed(pools=POOLS | {"speech": POOLS["speech"][:, :12]}), r"'speech' has shape \[\d+, 12\].* takes 13"),
    "NaN": (changed(pools=POOLS | {"speech": POOLS["speech"].index_fill(0, torch.tensor([3]), torch.nan)}), "in 1 of 40 .*row 3"),
    "grey levels as floats": (changed(pools=POOLS | {"farsi": POOLS["farsi"].float()}), "'farsi' goes from 0 to 255; a Bern"),
    "labels above": (changed(labels=triplets().labels + 5, pool_labels={}), r"Labels go up to 14; this model has 10 classes"),
    "another order": (changed(pools=dict(reversed(POOLS.items()))), "this model takes farsi, kannada, speech, in this order"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_pairs_that_do_not_fit_are_refused_before_anything_is_done(tmp_path: Path, fault: str) -> None:
    pairs, words = FAULTS[fault]
    with pytest.raises(ValueError, match=words) as error:
        fit(tmp_path / "run", pairs)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()
    model, _ = fit(tmp_path / "fine")
    with pytest.raises(ValueError, match=words):
        tables.combination_table(model, pairs)


def test_what_is_missing_may_be_nan(tmp_path: Path) -> None:
    there = torch.arange(len(POOLS["speech"])) != 3
    holed = POOLS["speech"].where(there[:, None], torch.nan)
    _, history = fit(tmp_path / "run", changed(pools=POOLS | {"speech": holed}, present={"speech": there}))
    assert np.isfinite(history["objective"]).all()


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int64, torch.bool])
def test_samples_of_any_number_type_are_cast(tmp_path: Path, kind: torch.dtype) -> None:
    speech = POOLS["speech"].gt(0).to(kind)
    fit(tmp_path / "cast", changed(pools=POOLS | {"speech": speech}))
    fit(tmp_path / "float", changed(pools=POOLS | {"speech": speech.float()}))
    one, two = (weights(tmp_path / name) for name in ("cast", "float"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_last_batch_of_one_is_no_batch_to_norm(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Batch norm learns nothing from a batch of one; 40 tuples in batches of 13"):
        train.fit(run(replace(MODEL, batch_norm=True), batch_size=13), triplets(), None, tmp_path / "run", bar=False)


def test_the_card_says_nothing_that_json_cannot(folder: Path) -> None:
    assert json.loads((folder / "card.json").read_text())["source"] == triplets().source
