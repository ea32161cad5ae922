"""Several processes train the run that one would: real processes, started by torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small import MODEL, run, triplets

from mvae_lib import train

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def torchrun(processes: int, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; a thread each, for the machine's two cores."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)} | environment
    call = [*TORCHRUN, f"--nproc-per-node={processes}", *command]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def same(ours: Path, theirs: Path) -> None:
    a, b = (load_file(folder / "state.safetensors") for folder in (ours, theirs))
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5, msg=name)
    one, two = (pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in (ours, theirs))
    pd.testing.assert_frame_equal(one, two, rtol=1e-5, check_exact=False)


@pytest.mark.parametrize("way", ["as it is", "compiled"])
def test_two_processes_train_the_run_of_one(tmp_path, way):
    """40 triplets in batches of 15: shares of 8 and 7, and a last batch of 10. Adam's first moment is the gradient, smoothed."""
    torchrun(2, str(HERE / "worker.py"), str(tmp_path / "two"), "1", way)
    train.fit(run(epochs=1, batch_size=15, beta_epochs=3, patience=9), triplets(), triplets("val"), tmp_path / "one", bar=False)
    same(tmp_path / "two", tmp_path / "one")


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    for processes, epochs in ((2, 2), (1, 3), (3, 4)):
        torchrun(processes, str(HERE / "worker.py"), str(tmp_path / "changing"), str(epochs), "as it is")
    train.fit(run(epochs=4, batch_size=15, beta_epochs=3, patience=9), triplets(), triplets("val"), tmp_path / "one", bar=False)
    same(tmp_path / "changing", tmp_path / "one")


def test_the_command_line_under_torchrun(tmp_path):
    code = f"""
import pathlib, sys
from mvae_lib import checkpoint, storage, train
storage.PROCESSED, checkpoint.RUNS = pathlib.Path({str(tmp_path)!r}) / "processed", pathlib.Path({str(tmp_path)!r})
train.main()
"""
    script = tmp_path / "cli.py"
    script.write_text(code)
    options = ["as_written", "--train.epochs", "1", "--train.no-compile"]
    done = torchrun(2, str(script), *options, MVAE_DATA="standin")
    assert done.stdout.count("m1,m2,m3") == 2, "one table, from the first process: train's rows and test's"
    assert {"weights.safetensors", "history.csv"} <= {path.name for path in (tmp_path / "as_written-stand-in-0").iterdir()}


@pytest.mark.parametrize(
    ("options", "match"),
    [({"batch_size": 2}, "3 processes cannot share batches of 2"), ({"batch_size": 39}, r"\(the last: 1\)")],
)
def test_refuses_processes_with_nothing_to_do(options, match, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "processes", lambda: (0, 3))
    with pytest.raises(ValueError, match=match):
        train.fit(run(**options), triplets(), None, tmp_path / "run", bar=False)


def test_refuses_batch_norm_in_several_processes(tmp_path, monkeypatch):
    import dataclasses

    monkeypatch.setattr(train, "processes", lambda: (0, 2))
    with pytest.raises(ValueError, match="batch norm True"):
        train.fit(run(dataclasses.replace(MODEL, batch_norm=True)), triplets(), None, tmp_path / "run", bar=False)
