"""How commands end, run as one runs them: wrong input is one line and status 2, Ctrl-C one line and 130, never a traceback."""

import errno
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import run

from mvae_lib import command as ends
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
    "study.evidence search --storage nonsense://": "The storage nonsense:// cannot be had",
    "study.evidence search --name ../../evil": "RunSpec.name is '../../evil'; it takes a folder's name",
    "study.evidence trials --name typo": "There is no search 'typo' in sqlite:///",
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
    done = command(line, home)
    out, said = done.communicate(timeout=120)
    lines = [each for each in said.splitlines() if "STAND-IN" not in each]
    assert WRONG[line] in re.sub(r"[\s│─╭╮╰╯]+", " ", said) and "Traceback" not in said and out == ""
    assert done.returncode == 2
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


def test_where_nothing_can_be_written_the_advice_is_by_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    advice = {errno.EACCES: "Set MVAE_HOME to", errno.EROFS: "Set MVAE_HOME to", errno.ENOSPC: "Make room", errno.ENOENT: "'x'"}
    for number, words in advice.items():
        with pytest.raises(SystemExit) as ended:
            ends.run(partial(_fail, OSError(number, os.strerror(number), "x")))
        said = capsys.readouterr().err
        assert ended.value.code == 2 and words in said and said.count("\n") == 1


def _fail(error: OSError) -> None:
    raise error


def test_a_study_that_cannot_be_written_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(run, "OUT", tmp_path / "file" / "out")
    monkeypatch.setattr(run, "decide", lambda real_only: pytest.fail("it was begun"))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(SystemExit, match="out cannot be written .* results go there. Run the study from a copy that you own"):
        run.main()


def test_numba_s_cache_is_in_a_folder_of_its_own_where_neither_home_nor_librosa_can_be_written() -> None:
    code = """
import os
os.access = lambda place, mode: False
import numpy as np
from mvae_lib.data import speech
speech.mfcc(np.ones(800, np.int16))
print(os.environ["NUMBA_CACHE_DIR"], *os.listdir(os.environ["NUMBA_CACHE_DIR"]))
"""
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, text=True, capture_output=True, timeout=120)
    folder, *kept = done.stdout.split()
    assert kept and not Path(folder).exists(), "used, and gone at the end"
