"""The explorer as a reader meets it: notebook 06 in a real JupyterLab, run and dragged with the mouse in Debian's chromium.

What is asserted on is the picture's own bytes, as the browser got them, and its pixels.
"""

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mvae_lib.checkpoint import PRETRAINED
from mvae_lib.data.sources import ROOT
from mvae_lib.figures.style import COLOUR
from mvae_lib.spec import AS_RUN
from mvae_lib.widgets.strip import ROWS, SIDE, Strip

CHROMIUM = shutil.which("chromium")
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
    --disable-sync""".split()
NOTEBOOK = ROOT / "notebooks" / "06_latent_explorer.ipynb"
QUIET = '{"fetchNews": "false", "checkForUpdates": false}'
"""JupyterLab's notification settings: it asks nothing and goes nowhere."""
PATIENCE = 600_000
"""Milliseconds, where a kernel starts or a notebook runs: a loaded machine is slow."""
PANELS = Strip(AS_RUN.model.modalities, 10, (-0.5, 1.5)).panels

pytestmark = pytest.mark.skipif(not (PRETRAINED / "as_run.json").exists(), reason="no shipped run in data/pretrained")


@pytest.fixture(scope="module")
def chromium() -> str:
    if CHROMIUM is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("There is no chromium on the PATH. On Debian: apt-get install chromium.")
    return str(CHROMIUM)


@dataclass
class Lab:
    url: str
    figures: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab with a copy of the notebook, settings of its own and a free port."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, folder / "notebooks")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(QUIET)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(folder / name.lower()) for name in folders}
    lab = {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    study = {"JUPYTER_PATH": str(Path(sys.prefix, "share", "jupyter")), "MVAE_OUT": str(folder / "out")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **own, **lab, **study}, stdout=log, stderr=log, cwd=folder)
    try:
        _wait(lambda: _answers(f"http://127.0.0.1:{port}/api"), 120, lambda: (folder / "log").read_text()[-2000:])
        yield Lab(f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}", folder / "out" / "figures")
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def page(chromium: str, lab: Lab):
    """The notebook, opened and run to its end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto(lab.url)
        page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.locator(".lm-MenuBar-item", has_text="Run").click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        written_last = "06_try_walk*.csv"
        _wait(lambda: any(lab.figures.glob(written_last)), PATIENCE / 1000, lambda: "notebook 06 did not come to its end")
        yield page
        browser.close()


class Panel:
    """The explorer on the page: what a reader can see of it and do to it."""

    def __init__(self, page) -> None:
        self.page, self.image = page, page.locator("img.widget-image")
        self.message = page.locator(".widget-html-content").last
        self.box = page.locator(".widget-vbox", has=self.image).last
        self.notebook = page.locator(".jp-WindowedPanel-outer")

    def show(self) -> None:
        """Scroll until the explorer is at the top of the notebook; JupyterLab draws only the cells near what is on the screen."""
        self.notebook.hover()
        for _ in range(100):
            up = -400.0
            if self.image.is_visible():
                up = self.box.bounding_box()["y"] - self.notebook.bounding_box()["y"] - 20
            if abs(up) < 10:
                return
            self.page.mouse.wheel(0, up)
            self.page.wait_for_timeout(100)
        pytest.fail("the explorer is not to be found in the notebook")

    def enter(self, label: str, text: str) -> None:
        """Type into a field, and press Enter."""
        field = self.page.locator(".widget-text", has_text=label).locator("input")
        field.fill(text)
        field.press("Enter")

    def png(self) -> bytes:
        """The picture that is on the screen, as it came from the kernel."""
        read = """async image => {
            const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
            return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
        }"""
        return base64.b64decode(self.image.evaluate(read))

    def settled(self, other_than: bytes | None = None) -> bytes:
        """The picture once it has changed (from the one given), and then stood still for half a second."""
        seen = [b""]

        def still() -> bool:
            seen.append(self.png())
            self.page.wait_for_timeout(500)
            return seen[-1] == self.png() != other_than

        _wait(still, 60, lambda: f"the picture did not change; the panel says: {self.message.inner_text()}")
        return seen[-1]

    def drag(self, slider: int, part: float) -> None:
        """Drag a slider's handle with the mouse to a part of its length."""
        handle = self.page.locator(".widget-slider .noUi-handle").nth(slider).bounding_box()
        track = self.page.locator(".widget-slider .noUi-base").nth(slider).bounding_box()
        y = handle["y"] + handle["height"] / 2
        self.page.mouse.move(handle["x"] + handle["width"] / 2, y)
        self.page.mouse.down()
        self.page.mouse.move(track["x"] + part * track["width"], y, steps=8)
        self.page.mouse.up()

    def reading(self, slider: int) -> float:
        return float(self.page.locator(".widget-slider .widget-readout").nth(slider).inner_text().replace("−", "-"))

    def tick(self, name: str, on: bool) -> None:
        box = self.page.locator(".widget-checkbox", has_text=name).locator("input")
        if box.is_checked() != on:
            box.click()

    def places(self) -> list[tuple[float, float, float, float]]:
        """Left, top, right and bottom of the explorer and of every widget in it."""
        parts = [self.box, *self.box.locator(".jupyter-widgets:not(.widget-readout)").all()]
        boxes = [part.bounding_box() for part in parts]
        return [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in boxes]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def panel(page) -> Panel:
    """The explorer as it opens: a seven, all given, nothing moved."""
    panel = Panel(page)
    panel.show()
    for name in ("Farsi", "Kannada", "speech"):
        panel.tick(name, True)
    panel.press("±4 sd")
    panel.press("Reset")
    panel.settled()
    return panel


def pixels(png: bytes, name: str, row: int) -> np.ndarray:
    """One panel's pixels: row 0 the original, 1 the rebuilt."""
    x, width = PANELS[name]
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[ROWS[row] : ROWS[row] + SIDE, x : x + width]


def test_dragging_a_slider_changes_what_is_rebuilt_and_nothing_else(panel):
    before = panel.settled()
    panel.drag(0, 0.9)
    moved = panel.settled(other_than=before)
    assert panel.reading(0) == pytest.approx(3.2, abs=0.3)
    names = [name for name in PANELS if (pixels(before, name, 1) != pixels(moved, name, 1)).any()]
    assert names, "no panel of the lower row changed"
    assert all((pixels(before, name, 0) == pixels(moved, name, 0)).all() for name in PANELS)
    panel.drag(0, 0.2)
    assert panel.settled(other_than=moved) not in (before, moved)  # another amount
    panel.drag(0, 0.5)
    assert panel.settled(other_than=moved) == before and panel.reading(0) == 0  # back to zero
    panel.drag(1, 0.9)
    assert panel.settled(other_than=before) not in (before, moved)  # another index
    panel.press("Reset")
    assert panel.settled(other_than=moved) == before


def test_ticking_modalities(panel):
    before = panel.settled()
    panel.tick("Kannada", False)
    without = panel.settled(other_than=before)
    frame = [int(COLOUR["kannada"][i : i + 2], 16) for i in (1, 3, 5)]
    x, _ = PANELS["kannada"]
    corner = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[ROWS[0] - 2, x].tolist() for png in (before, without)]
    assert corner[0] == frame != corner[1]
    assert (pixels(before, "farsi", 1) != pixels(without, "farsi", 1)).any()
    panel.tick("Farsi", False)
    panel.settled(other_than=without)
    panel.tick("speech", False)
    panel.page.get_by_text("At least one modality").wait_for()
    assert panel.page.locator(".widget-checkbox", has_text="speech").locator("input").is_checked()
    panel.tick("Kannada", True)
    panel.tick("Farsi", True)
    assert panel.settled(other_than=without) == before


def test_the_reports_range(panel):
    before = panel.settled()
    panel.press("±1500, the report's")
    assert panel.settled() == before
    panel.drag(-1, 0.95)
    far = panel.settled(other_than=before)
    assert panel.reading(-1) > 1000
    panel.enter("any index", "87")
    assert panel.settled(other_than=far) not in (before, far)
    panel.enter("any index", "201")
    panel.press("±4 sd")
    assert panel.settled(other_than=far) == before and panel.reading(-1) == 0


def test_choosing_another_triplet(panel):
    before = panel.settled()
    panel.page.locator(".widget-dropdown select").first.select_option("3")
    three = panel.settled(other_than=before)
    assert (pixels(before, "label", 0) != pixels(three, "label", 0)).any()
    panel.enter("number", "2")
    assert panel.settled(other_than=three) not in (before, three)
    panel.enter("number", "0")
    panel.page.locator(".widget-dropdown select").first.select_option("7")
    assert panel.settled(other_than=three) == before


def test_saving_the_view(panel, lab):
    panel.press("Save this view")
    panel.page.get_by_text("Saved: ").wait_for()
    saved = sorted(lab.figures.glob("06_view_01*"))
    assert [path.suffix for path in saved] == [".csv", ".png"]


def test_it_fits_one_screen_and_nothing_jumps(panel):
    notebook, places = panel.notebook.bounding_box(), panel.places()
    assert len(places) > 30 and min(top for _, top, _, _ in places) >= notebook["y"]
    assert max(bottom for *_, bottom in places) <= notebook["y"] + notebook["height"]
    assert max(right for _, _, right, _ in places) <= notebook["x"] + notebook["width"]
    cut = "b.scrollHeight > b.clientHeight || b.scrollWidth > b.clientWidth"
    assert panel.box.evaluate(f"box => [box, ...box.querySelectorAll('.widget-box')].filter(b => {cut}).length") == 0
    before = panel.settled()
    panel.drag(0, 0.8)
    panel.settled(other_than=before)
    panel.press("±1500, the report's")
    panel.tick("Kannada", False)
    panel.settled(other_than=before)
    now = panel.places()
    assert [(x - now[0][0], y - now[0][1]) for x, y, *_ in now] == [(x - places[0][0], y - places[0][1]) for x, y, *_ in places]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def _wait(until: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            pytest.fail(otherwise())
        time.sleep(0.2)
