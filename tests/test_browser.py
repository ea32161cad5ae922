"""The explorer as a reader meets it: notebook 06 in a real JupyterLab and in a Notebook 7, under the mouse in chromium.

What is asserted on is the picture's own bytes, as the browser got them, and its pixels.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import needs_runs
from PIL import Image

import mvae_lib
from bench import browser, pages
from bench.panel import AREAS, ROWS, Panel, pixels
from mvae_lib.storage import ROOT
from study import plots
from study.app.explorer import PAUSE
from study.plots.style import COLOUR

NOTEBOOK = ROOT / "notebooks" / "06_latent_explorer.ipynb"

pytestmark = needs_runs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The JupyterLab of all tests here, as `make lab` starts it: its folder and its address."""
    folder = tmp_path_factory.mktemp("lab")
    with pages.lab(folder) as address:
        yield folder, address


@pytest.fixture(scope="module")
def notebook_7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A Notebook 7, which has a JupyterLab too, with Jupyter's own connection to the kernels."""
    folder = tmp_path_factory.mktemp("notebook_7")
    with pages.lab(folder, "notebook", ours=False) as address:
        yield folder, address


@pytest.fixture(scope="module")
def figures(lab, browsed) -> Iterator[Path]:
    """Notebook 06, opened in the JupyterLab and run to its end -> the folder of what it has drawn."""
    yield run_to_its_end(browsed[0], *lab)
    browsed[0].goto("about:blank")


def run_to_its_end(page: Any, folder: Path, address: str, at: str = "") -> Path:
    drawn = folder / "out" / "figures"
    shutil.copy(NOTEBOOK, folder)
    pages.run_all(page, address, NOTEBOOK.name, at)
    pages.wait(lambda: any(drawn.glob("06_try_walk*.csv")), pages.PATIENCE, lambda: "notebook 06 did not come to its end")
    return drawn


@pytest.fixture
def panel(browsed, figures) -> Panel:
    """The explorer as it opens: a seven, all given, nothing moved."""
    panel = Panel(browsed[0])
    panel.show()
    for name in ("Farsi", "Kannada", "speech"):
        panel.tick(name, True)
    panel.press("±4 sd")
    panel.press("Reset")
    pages.wait(lambda: all(panel.reading(slider) == 0 for slider in range(9)), 60, lambda: "Reset brings no zero")
    panel.settled()
    return panel


def test_the_latencies_can_be_measured_and_drawn(browsed, lab, notebook_7):
    """Few moves: that the clock runs, not what it shows on a busy machine."""

    @contextmanager
    def page_of(ours: bool) -> Iterator[Any]:
        page = browsed[0].context.new_page()
        browser.run_explorer(page, *(lab if ours else notebook_7))
        pages.quiet(page)
        yield page
        page.close()

    frame = browser.times(moves=3, drags=1, seconds=0.5, page_of=page_of)
    assert (
        dict(frame["what"].value_counts()) == dict(zip(browser.TARGETS, (3, 3, 3, 3, 3, 1), strict=True))
        and (frame["ms"] > 0).any()
    )
    assert all(what in browser.show(frame) for what in browser.TARGETS)
    assert plots.draw("speed_browser", frame)


def test_dragging_a_slider_changes_what_is_rebuilt_and_nothing_else(panel):
    before = panel.settled()
    panel.drag(0, 0.9)
    moved = panel.settled(other_than=before)
    assert panel.reading(0) == pytest.approx(3.2, abs=0.3)
    names = [name for name in AREAS if (pixels(before, name, 1) != pixels(moved, name, 1)).any()]
    assert names, "no panel of the lower row changed"
    assert all((pixels(before, name, 0) == pixels(moved, name, 0)).all() for name in AREAS)
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
    x = AREAS["kannada"].x
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
    panel.press("±1500 raw")
    assert panel.settled() == before
    panel.drag(-1, 0.95)
    far = panel.settled(other_than=before)
    assert panel.reading(-1) > 1000
    panel.enter("dimension", "87")
    assert panel.settled(other_than=far) not in (before, far)
    panel.enter("dimension", "201")
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


def test_saving_the_view(panel, figures):
    panel.press("Save PNG")
    panel.page.get_by_text("Saved: ").wait_for()
    saved = sorted(figures.glob("06_view_01*"))
    assert [path.suffix for path in saved] == [".csv", ".png"]


def test_an_error_shows_in_the_panel_and_goes_away(panel, figures):
    away = figures.rename(figures.with_name("away"))
    figures.write_text("A file where the folder was.")
    try:
        panel.press("Save PNG")
        panel.page.get_by_text("FileExistsError").wait_for()
        red, *others = map(
            int, panel.message.locator("span").evaluate("e => getComputedStyle(e).color").strip("rgb()").split(", ")
        )
        assert red > 2 * max(others) and str(figures) in panel.message.inner_text()
    finally:
        figures.unlink()
        away.rename(figures)
    before = panel.settled()
    panel.drag(0, 0.9)
    panel.settled(other_than=before)
    assert "of this digit" in panel.message.inner_text()


def test_after_a_fast_drag_the_last_value_stands(panel):
    before = panel.settled()
    browser.call(panel.page, "drag(1)")  # 120 events, there and back, and then to 0.8 of the track
    fast, value = panel.settled(other_than=before), panel.reading(0)
    assert value == pytest.approx(2.4, abs=0.15)
    panel.press("Reset")
    assert panel.settled(other_than=fast) == before
    panel.page.locator(".widget-slider .noUi-handle").first.focus()
    for _ in range(round(10 * value)):
        panel.page.keyboard.press("ArrowRight", delay=50)
    assert panel.settled(other_than=before) == fast and panel.reading(0) == value


def test_memory_stays_flat_while_a_slider_moves(panel):
    """A thousand pictures are some 7 MB, so one that were kept would show; `make bench BROWSER=1` does ten thousand."""
    grown = browser.memory(panel.page, moves=1000, before=200)
    assert grown["pictures not let go"] <= 1
    assert grown["kernel, MiB"] < 4 and grown["page's heap, MiB"] < 3, grown


def test_the_sliders_are_sorted_anew(panel):
    before = panel.settled()
    select = panel.page.locator(".widget-dropdown", has_text="sliders by").locator("select")
    names = panel.page.locator(".widget-slider .widget-label")
    by_kl = names.all_inner_texts()
    panel.drag(0, 0.9)
    moved = panel.settled(other_than=before)
    select.select_option("MI with the digit")
    assert panel.settled(other_than=moved) == before and panel.reading(0) == 0
    told = np.array(mvae_lib.load("as_run").card["latent"]["mi"])
    assert names.first.inner_text().startswith(f"z{told.argmax()} · {told.max():.2f}") and names.all_inner_texts() != by_kl
    panel.drag(0, 0.9)
    assert panel.settled(other_than=before) != moved
    select.select_option("KL to the prior")
    assert panel.settled() == before and names.all_inner_texts() == by_kl


def test_it_fits_one_screen_and_nothing_jumps(panel):
    notebook, places = panel.notebook.bounding_box(), panel.places()
    assert len(places) > 45 and min(top for _, top, _, _ in places) >= notebook["y"]
    assert max(bottom for *_, bottom in places) <= notebook["y"] + notebook["height"]
    assert max(right for _, _, right, _ in places) <= notebook["x"] + notebook["width"]
    cut = "b.scrollHeight > b.clientHeight + 1 || b.scrollWidth > b.clientWidth + 1"  # a pixel of rounding
    assert panel.box.evaluate(f"box => [box, ...box.querySelectorAll('.widget-box')].filter(b => {cut}).length") == 0
    before = panel.settled()
    panel.drag(0, 0.8)
    panel.settled(other_than=before)
    panel.press("±1500 raw")
    panel.tick("Kannada", False)
    panel.settled(other_than=before)
    now = panel.places()
    assert [(x - now[0][0], y - now[0][1]) for x, y, *_ in now] == [(x - places[0][0], y - places[0][1]) for x, y, *_ in places]


def test_the_keyboard_moves_sliders_and_pad(panel):
    before = panel.settled()
    panel.page.locator(".widget-slider .noUi-handle").first.focus()
    for _ in range(3):
        panel.page.keyboard.press("ArrowRight")
    moved = panel.settled(other_than=before)
    assert panel.reading(0) == pytest.approx(0.3)
    panel.pad.focus()
    for key in ("ArrowUp", "Shift+ArrowRight"):
        panel.page.keyboard.press(key)
    assert panel.settled(other_than=moved) != before
    assert (panel.reading(0), panel.reading(1)) == (pytest.approx(1.3), pytest.approx(0.1))


def test_the_pad_moves_two_sliders_and_follows_them(panel):
    before = panel.settled()
    panel.page.wait_for_timeout(1000 * PAUSE)  # what follows sooner is the same step of undo
    panel.drag_pad(0.75, 0.25)
    moved = panel.settled(other_than=before)
    assert (panel.reading(0), panel.reading(1)) == (pytest.approx(2, abs=0.15), pytest.approx(-2, abs=0.15))
    panel.press("Undo")  # a drag is one step
    assert panel.settled(other_than=moved) == before and panel.reading(0) == panel.reading(1) == 0
    panel.drag(1, 0.9)
    panel.settled(other_than=before)
    box, dot = panel.pad.bounding_box(), panel.pad.locator("div").last.bounding_box()
    assert (box["y"] + box["height"] - dot["y"] - dot["height"] / 2) / box["height"] == pytest.approx(0.9, abs=0.04)


def test_film_play_and_copying(panel):
    before = panel.settled()
    panel.press("Film 10×10")
    film = panel.settled(other_than=before)
    panel.press("Panels")
    assert panel.settled(other_than=film) == before
    panel.page.locator(".widget-play button").first.click()
    pages.wait(lambda: abs(panel.reading(0)) > 0.5, 60, lambda: "play moves nothing")
    panel.page.locator(".widget-play button").nth(1).click()
    assert panel.settled() == before and panel.reading(0) == 0
    panel.press("Copy as code")
    panel.page.get_by_text("Copied: ").wait_for()
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import mvae_lib") and compile(copied, "clipboard", "exec")


def test_nothing_in_jupyterlab_leaves_this_machine(panel, browsed):
    assert browsed[1] == []


def test_notebook_7_shows_it_too(browsed, notebook_7):
    page = browsed[0].context.new_page()
    run_to_its_end(page, *notebook_7, at="notebooks")
    panel = Panel(page)
    panel.show()
    before, notebook = panel.settled(), panel.notebook.bounding_box()
    assert max(bottom for *_, bottom in panel.places()) <= notebook["y"] + notebook["height"]
    panel.drag(0, 0.9)
    moved = panel.settled(other_than=before)
    assert (pixels(before, "farsi", 1) != pixels(moved, "farsi", 1)).any() and panel.reading(0) == pytest.approx(3.2, abs=0.3)
    panel.drag(0, 0.5)
    assert panel.settled(other_than=moved) == before and panel.reading(0) == 0
    page.close()
    assert browsed[1] == []
