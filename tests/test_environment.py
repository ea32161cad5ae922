"""pyproject.toml, requirements.lock and environment.yml describe one environment, and it is the one that runs this."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LISTED = [Requirement(line) for line in PROJECT["dependencies"] + sum(EXTRAS.values(), [])]
WANTED = {r.name: r for r in LISTED if r.name != PROJECT["name"]}
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
PINS = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in LOCK)}
ASKED = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
CONDA = [name for each in ASKED for name in (each["pip"] if isinstance(each, dict) else [each])]
CONDA_NAMES = {"torch": "pytorch", "soundfile": "pysoundfile", "playwright": "playwright-python"}
CONDA_NAMES |= {"python-speech-features": "python_speech_features"}


def test_the_lock_pins_each_package_once_and_exactly() -> None:
    assert [line for line in LOCK if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)] == []
    assert list(PINS) == sorted(PINS) and len(PINS) == len(LOCK)


def test_the_lock_holds_no_build_of_torch_and_nothing_of_cuda() -> None:
    assert Version(PINS["torch"]).local is None
    assert [name for name in PINS if re.match("nvidia|cuda|triton|torchvision|torchaudio", name)] == []


@pytest.mark.parametrize("name", WANTED)
def test_what_pyproject_wants_is_in_the_lock_and_in_the_conda_environment(name: str) -> None:
    wanted = WANTED[name].specifier
    assert len(wanted) > 0 and PINS[canonicalize_name(name)] in wanted
    assert f"{CONDA_NAMES.get(name, name)}{wanted}" in CONDA


def test_the_conda_environment_wants_nothing_else() -> None:
    assert len(CONDA) == len(WANTED) + 2 and {f"python{PROJECT['requires-python']}", "pip"} < set(CONDA)


def test_each_package_is_asked_for_once_and_the_study_asks_for_the_data_s() -> None:
    assert len(LISTED) == len(WANTED) + 1 and [r.extras for r in LISTED if r.name == PROJECT["name"]] == [{"data"}]


def test_what_runs_is_what_the_lock_says() -> None:
    assert ".".join(map(str, sys.version_info[:3])) in SpecifierSet(PROJECT["requires-python"])
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        pytest.skip(f"{sys.prefix} is not .venv, the environment that is made from the lock")
    assert {name: Version(version(name)).public for name in PINS} == PINS


@pytest.mark.skipif(sys.platform != "linux", reason="it is GNU's OpenMP that says what it was told")
@pytest.mark.parametrize("how", ["-m mvae_lib.train --help", "-m study.evidence --help", "-m bench.run --help"])
def test_threads_that_wait_do_not_spin(how: str) -> None:
    """Whoever trains shares the cores with a browser. Asked of the OpenMP that torch loads, in our commands, started anew."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    env = bare | {"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, *how.split()], cwd=ROOT, env=env, capture_output=True, text=True, check=True).stderr
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", said)) == {"0"}  # scikit-learn brings one of its own


def test_the_servers_hand_it_on_to_their_kernels_and_load_no_torch() -> None:
    """`make lab` and `make app` give Jupyter this class, and a kernel has its server's environment."""
    code = "import os, sys, study.app.server; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")} | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True).stdout == "PASSIVE False\n"
    assert all("study.app.server" in (ROOT / name).read_text() for name in ("Makefile", "notebooks/page/voila.json"))
