"""pyproject.toml, requirements.lock and environment.yml describe one environment, and it is the one that runs this."""

import re
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
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
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
