"""How commands end, run as one runs them: wrong input is one line and status 2, Ctrl-C one line and 130, never a traceback."""

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from mvae_lib.storage import ROOT

WRONG = {
    "mvae_lib.train as_written --train.epochs 0": "TrainSpec.epochs is 0; expected int >= 1.",
    "mvae_lib.train as_written --train.batch-size -3": "TrainSpec.batch_size is -3; expected int >= 1.",
    "mvae_lib.train as_written --train.learning-rate nan": "TrainSpec.learning_rate is nan; expected float > 0.0.",
    "mvae_lib.train as_written --train.beta -1": "TrainSpec.beta is -1.0; expected float >= 0.0.",
    "mvae_lib.train as_written --train.seed 99999999999999999999": "TrainSpec.seed is 99999999999999999999",
    "mvae_lib.train as_written --name ../../evil": "RunSpec.name is '../../evil'",
    "mvae_lib.train as_written --data.speech frames": "Pool 'speech' has shape",
    "study.evidence table nowhere": "'nowhere' is no shipped run",
    "study.evidence objectives spelling": "No question is called spelling",
}


def command(line: str, home: Path, **environment: str) -> subprocess.Popen[str]:
    env = os.environ | {"MVAE_DATA": "standin", "MVAE_HOME": str(home), "PYTHONPATH": str(ROOT)} | environment
    called = [sys.executable, "-m", *line.split()]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # though a shell that runs the tests beside it ignores Ctrl-C
    return subprocess.Popen(
        called, env=env, cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("line", WRONG)
def test_wrong_input_is_one_line_and_status_2(line: str, home: Path) -> None:
    out, said = command(line, home).communicate(timeout=120)
    lines = [each for each in said.splitlines() if "STAND-IN" not in each]
    assert WRONG[line] in re.sub(r"[\s│─╭╮╰╯]+", " ", said) and "Traceback" not in said and out == ""
    assert len(lines) == 1 or "╭" in said, "one line of ours, or tyro's own box"
    assert not list(home.rglob("*evil*")) and not list(home.rglob("typo*"))


def test_data_that_cannot_be_are_one_line(home: Path) -> None:
    done = command("mvae_lib.data", home, MVAE_DATA="fake")
    _, said = done.communicate(timeout=60)
    assert done.returncode == 2 and said.startswith("MVAE_DATA is 'fake'; it takes 'auto' (the default), 'real' or")
    assert said.count("\n") == 1


def test_help_fetches_nothing(home: Path) -> None:
    out, _ = command("mvae_lib.data --help", home).communicate(timeout=60)
    assert "Get the public files" in out and not (home / "raw").exists()


def test_ctrl_c_is_one_line_and_status_130(home: Path) -> None:
    training = command("mvae_lib.train as_written --train.no-compile --train.epochs 50", home)
    state = home / "runs" / "as_written-stand-in-0" / "spec.json"
    assert training.stderr
    seen = ""
    while "step/s" not in seen or not state.exists():
        seen += training.stderr.read(1)
    training.send_signal(signal.SIGINT)
    _, rest = training.communicate(timeout=60)
    assert training.returncode == 130 and "Traceback" not in rest
    assert re.search(rf"Stopped. {state.parent} holds epoch \d+; the same command goes on from there.\n", rest)
