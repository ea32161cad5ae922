"""What the tests share: which data there are, each split loaded once, and a browser.

No test goes to the network. Where the public files are not at hand, what needs them is skipped and says so, and everything
else sees the stand-in. Processed arrays are made anew in a temporary folder, so a stale one cannot hide a fault.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import pages
from mvae_lib import data, storage
from mvae_lib.data import sources
from mvae_lib.spec import DataRecipe
from mvae_lib.storage import PRETRAINED, RAW, ROOT

assert ROOT is not None, "the tests run in the repository"
SHARED = ROOT.parent / "shared" / "data"
if SHARED.is_dir():
    os.environ.setdefault("MVAE_DATA_MIRROR", str(SHARED))
MIRROR = os.environ.get("MVAE_DATA_MIRROR", "")
HAVE_REAL = all(sources.local(source) for source in sources.SOURCES.values())
os.environ.setdefault("MVAE_DATA", "real" if HAVE_REAL else "standin")

needs_real = pytest.mark.skipif(not HAVE_REAL, reason=f"the public files are neither in {RAW} nor in MVAE_DATA_MIRROR")
needs_runs = pytest.mark.skipif(
    not all((PRETRAINED / f"{name}.json").exists() for name in ("as_run", "spoken")), reason="no shipped runs"
)


@pytest.fixture(scope="session", autouse=True)
def processed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for processed arrays that lasts as long as the tests; the processes that share them share it too."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "PROCESSED", (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "processed")
        yield storage.PROCESSED


@pytest.fixture(scope="session", params=[pytest.param("real", marks=needs_real), "standin"])
def world(request: pytest.FixtureRequest) -> str:
    """Which data a test sees, as MVAE_DATA says it: each test that asks runs on both."""
    return request.param


@pytest.fixture(scope="session")
def split_of(processed: Path) -> Callable[[str, str, DataRecipe], data.Triplets]:
    """(world, split, recipe) -> triplets, loaded once."""
    loaded: dict[tuple[str, str, DataRecipe], data.Triplets] = {}

    def load(world: str, split: str, recipe: DataRecipe = DataRecipe()) -> data.Triplets:
        key = (world, split, recipe)
        if key not in loaded:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MVAE_DATA", world)
                loaded[key] = data.load(split, recipe)
        return loaded[key]

    return load


@pytest.fixture(scope="module")
def chromium() -> None:
    if pages.CHROMIUM is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("There is no chromium on the PATH. On Debian: apt-get install chromium.")


@pytest.fixture(scope="module")
def browsed(chromium):
    """An empty page, and a list of the addresses asked for that are not on this machine."""
    with pages.opened() as page:
        left: list[str] = []
        here = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
        page.context.on("request", lambda request: None if request.url.startswith(here) else left.append(request.url))
        yield page, left
