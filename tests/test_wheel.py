"""What `pip install .` gives: a library that works from any folder, with its data beside it and none written there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import needs_runs

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mvae_lib", "study")


def files(folder: Path) -> set[str]:
    """Of the packages in a folder, but for what Python keeps beside them."""
    paths = (path for package in PACKAGES for path in (folder / package).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in paths if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel in it, unpacked; it is built from a copy, for setuptools leaves its traces."""
    folder = tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "-w", folder, folder / "source"], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


def use(installed: Path, folder: Path, code: str, **variables: str) -> str:
    """What a fresh interpreter prints that has the wheel, works in another folder, and keeps its data in a cache of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "MVAE_HOME"}
    ours = {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    code = f"import mvae_lib\nassert mvae_lib.__file__.startswith({str(installed)!r}), mvae_lib.__file__\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=kept | ours | variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert files(installed) == files(ROOT)  # and nothing was written there
    return done.stdout


def test_it_holds_all_that_is_in_the_packages_and_nothing_else(installed):
    assert files(installed) == files(ROOT)
    assert {path.name.split("-")[0] for path in installed.iterdir()} == {*PACKAGES, "mvae_study"}


def test_data_of_one_s_own_take_the_library_s_own_dependencies_alone(installed, tmp_path):
    """No package of the extras is there."""
    code = """
import sys
from importlib.metadata import requires
from packaging.requirements import Requirement
modules = {"scikit-learn": "sklearn", "scikit-image": "skimage", "pillow": "PIL"}
extras = [Requirement(line).name for line in requires("mvae-study") if "extra ==" in line]
sys.modules.update(dict.fromkeys([modules.get(name, name) for name in extras]))  # None: an ImportError

import torch
from mvae_lib import tables, train
from mvae_lib.pairs import Pairs
from mvae_lib.spec import Modality, ModelSpec, RunSpec, TrainSpec

x = torch.rand(40, 6)
pairs = Pairs({"left": x, "right": x.flip(0)}, torch.arange(40)[:, None].expand(-1, 2))
modalities = tuple(Modality(name, (6,), "bernoulli", (8,), (8,)) for name in pairs.names)
model, _ = train.fit(RunSpec(ModelSpec(modalities, latent=2, classes=0), train=TrainSpec(epochs=1)), pairs, bar=False)
print(len(tables.combination_table(model, pairs)))
"""
    assert use(installed, tmp_path, code) == "4\n"
    assert (tmp_path / "cache" / "mvae_lib" / "runs" / "run-own-0" / "weights.safetensors").exists()


def test_the_stand_in_is_made_in_the_cache(installed, tmp_path):
    code = "from mvae_lib import data\ntest = data.load('test')\nprint(len(test), test.source)"
    assert use(installed, tmp_path, code, MVAE_DATA="standin").split() == ["1000", "stand-in"]
    assert list((tmp_path / "cache" / "mvae_lib" / "processed").iterdir())


def test_without_the_repository_it_says_in_a_line_where_the_runs_are(installed, tmp_path):
    code = """
try:
    mvae_lib.load("as_run")
except FileNotFoundError as error:
    print(error)
"""
    said = use(installed, tmp_path, code)
    assert said.count("\n") == 1 and "set MVAE_HOME to the folder data of a clone" in said


@needs_runs
def test_with_the_repository_it_loads_them(installed, tmp_path):
    code = "import torch\nprint(*mvae_lib.load('as_run').classify({'speech': torch.rand(2, 13)}).shape)"
    assert use(installed, tmp_path, code, MVAE_HOME=str(ROOT / "data")) == "2 10\n"
    assert not (tmp_path / "cache").exists()


def test_each_module_of_the_study_has_what_it_reads_when_it_is_imported(installed, tmp_path):
    code = """
import importlib, pkgutil, study
names = [module.name for module in pkgutil.walk_packages(study.__path__, "study.") if "__main__" not in module.name]
print(len([importlib.import_module(name) for name in names]))
"""
    assert int(use(installed, tmp_path, code)) > 25
