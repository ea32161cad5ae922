"""The static page as a visitor meets it: opened from its file, the network cut, by mouse, finger, keyboard and microphone.

`static.visit` raises if the page asks for anything beyond its own file, or if an error is thrown in it.
"""

import io
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import axe_playwright_python
import numpy as np
import pytest
from conftest import needs_runs
from PIL import Image

from bench import static
from mvae_lib.data import standin
from study.page.__main__ import SCRIPTS, SOURCE
from study.page.__main__ import page as made

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SIZES = {
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True},
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "wide": {"viewport": {"width": 1920, "height": 1080}},
    "zoomed to 200 %": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}
MICROPHONE = "--use-fake-ui-for-media-stream --use-fake-device-for-media-stream --use-file-for-fake-audio-capture={}"
pytestmark = needs_runs


@pytest.fixture(scope="module")
def chrome(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a synthetic microphone, into which it plays a word over and over."""
    spoken = tmp_path_factory.mktemp("microphone") / "word.wav"
    word = next(recording.samples for recording in standin.recordings() if recording.digit == 3)
    spoken.write_bytes(sound_file(np.repeat(np.pad(word, (4000, 8000)), 6), 48000))
    with static.browser(*MICROPHONE.format(spoken).split()) as browser:
        yield browser


@contextmanager
def laptop(chrome: Any, address: str = "", **options: Any) -> Iterator[Any]:
    with static.visit(chrome, address, **SIZES["laptop"], **options) as page:
        yield page


def card(page: Any, name: str) -> Any:
    return page.locator(f"[data-modality={name}]")


def pixels(page: Any, name: str, which: str = "rebuilt") -> np.ndarray:
    """What a canvas shows, grey, 0 to 255."""
    script = "(c) => [c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    width, *data = card(page, name).locator(f".{which} canvas").evaluate(script)
    return np.array(data).reshape(-1, width, 4)[..., :3].mean(-1)


def said(page: Any) -> str:
    """The answer in words, once it has been said."""
    page.wait_for_timeout(400)
    page.wait_for_function("document.getElementById('live').textContent === window.study.now().told.sentence")
    return page.locator("#live").inner_text()


def path_on(box: dict[str, float], points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    ends = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    return [tuple(a + (b - a) * k / 8 for a, b in zip(*leg, strict=True)) for leg in pairwise(ends) for k in range(9)]


SEVEN = [(0.2, 0.15), (0.5, 0.85), (0.8, 0.15)]


def draw(page: Any, name: str, points: list[tuple[float, float]]) -> None:
    paper = card(page, name).locator("canvas.pen")
    paper.scroll_into_view_if_needed()
    first, *others = path_on(paper.bounding_box(), points)
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place)
    page.mouse.up()


def test_the_committed_page_is_what_the_builder_makes_of_the_shipped_weights():
    same = static.PAGE.read_text(encoding="utf-8") == made()
    assert same, "docs/index.html is of other weights or sources: make page"
    assert static.PAGE.stat().st_size <= 8e6
    scripts = {path.stem: len(path.read_text().splitlines()) for path in (SOURCE / "js").glob("*.js")}
    assert set(scripts) == set(SCRIPTS) and max(scripts.values()) <= 250


def test_the_documents_that_it_links_to_are_there(chrome):
    with laptop(chrome) as page:
        links = page.locator("a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert len(links) > 8 and [link for link in links if not (static.PAGE.parent / link).resolve().exists()] == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_each_size_it_fits_is_named_and_has_no_serious_fault(chrome, size, scheme):
    with static.visit(chrome, color_scheme=scheme, **SIZES[size]) as page:
        width = SIZES[size]["viewport"]["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        tops = [card(page, name).bounding_box() for name in ("farsi", "kannada", "speech")]
        assert (len({box["x"] for box in tops}) == 1) == (width < 900)
        side = card(page, "farsi").locator(".given .frame").bounding_box()["width"]
        assert side > 240 if width > 1400 else side > 140
        paper = pixels(page, "kannada")
        assert (np.median(paper) > 200) == (scheme == "light") and np.ptp(paper) > 60
        for address in ("#f=n7", "#f=n7&k=n3", "#nothing"):  # sure, unsure, nothing
            page.evaluate("(address) => (location.hash = address)", address)
            page.wait_for_timeout(400)
            page.evaluate(AXE)
            found = page.evaluate("axe.run()")["violations"]
            faults = [(each["id"], [node["html"][:90] for node in each["nodes"]]) for each in found]
            assert [fault for fault, each in zip(faults, found, strict=True) if each["impact"] in ("serious", "critical")] == []


def test_a_mouse_drags_draws_takes_away_and_brings_back(chrome):
    with laptop(chrome) as page:
        assert said(page).startswith("reads 7 · ۷ · ೭ · “seven”, ")
        before = {name: pixels(page, name) for name in ("farsi", "kannada", "speech")}
        slider = page.locator("#sliders input").first
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=8)
        page.mouse.up()
        assert float(slider.input_value()) > 2 and any((pixels(page, name) != before[name]).any() for name in before)
        page.get_by_role("button", name="Reset").click()
        assert all((pixels(page, name) == before[name]).all() for name in before)
        draw(page, "kannada", [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7)])
        assert "your drawing" in card(page, "kannada").inner_text()
        assert (pixels(page, "speech") != before["speech"]).any()
        tick = page.get_by_role("checkbox", name="Kannada is given")
        tick.uncheck()
        assert all((pixels(page, name) == before[name]).all() for name in before)
        tick.check()
        card(page, "kannada").get_by_role("button", name="Take back the last Kannada stroke").click()
        assert all((pixels(page, name) == before[name]).all() for name in before)
        card(page, "farsi").get_by_role("button", name="Clear Farsi").click()
        assert said(page) == "nothing is given"


def test_seven_combinations_and_the_map(chrome):
    with laptop(chrome) as page:
        page.locator("#digit").select_option("4")
        assert said(page).startswith("reads 4") and "number 2 of 20" in page.locator("#which").inner_text()
        seen = set()
        for given in range(1, 8):
            for k, name in enumerate(("Farsi", "Kannada", "speech")):
                page.get_by_role("checkbox", name=f"{name} is given").set_checked(bool(given >> k & 1))
            seen.add(pixels(page, "kannada").tobytes())
            rebuilt = card(page, "kannada").locator(".rebuilt canvas").get_attribute("aria-label")
            assert ("alone" in rebuilt) == (not given >> 1 & 1)
        assert len(seen) == 7
        page.locator("#map").focus()
        before = page.url
        page.keyboard.press("ArrowUp")
        page.wait_for_timeout(400)
        assert page.url != before
        box = page.locator("#map").bounding_box()
        for part in np.linspace(0.1, 0.9, 9):
            page.mouse.click(box["x"] + part * box["width"], box["y"] + 0.5 * box["height"])
        assert said(page) and page.url != before


def test_the_keyboard_reaches_all_of_it(chrome):
    with laptop(chrome) as page:
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent"
                )
            )
        assert {
            "understood",
            "map",
            "rank",
            "reset",
            "save",
            "Farsi is given",
            "A Kannada numeral to trace",
            "Hear what is rebuilt",
        } <= set(reached)
        page.get_by_label("A Kannada numeral to trace").select_option("3")
        page.get_by_role("button", name="Give the Kannada numeral").press("Enter")
        page.get_by_role("checkbox", name="Farsi is given").press("Space")
        assert said(page).startswith("reads 3")
        before = pixels(page, "farsi")
        page.locator("#sliders input").first.press("ArrowRight")
        assert (pixels(page, "farsi") != before).any()
        card(page, "kannada").locator("canvas.pen").press("Delete")
        page.get_by_label("About Farsi").press("Enter")
        assert page.get_by_text("stretched to 28").is_visible()
        page.keyboard.press("Escape")
        assert not page.get_by_text("stretched to 28").is_visible()


def test_a_finger_draws_as_the_mouse_does_and_the_page_does_not_scroll(chrome):
    with static.visit(chrome, "#nothing", **SIZES["phone"]) as page:
        page.get_by_role("button", name="Got it").tap()
        paper, touch = card(page, "farsi").locator("canvas.pen"), page.context.new_cdp_session(page)
        paper.scroll_into_view_if_needed()
        place = page.evaluate("scrollY")
        first, *others = path_on(paper.bounding_box(), SEVEN)
        for kind, (x, y) in [("touchStart", first), *(("touchMove", at) for at in others)]:
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        card(page, "farsi").get_by_text("your drawing").wait_for()
        assert said(page).startswith("reads 7") and page.evaluate("scrollY") == place
        assert page.locator("#strip").is_visible() and "seven" in page.locator("#strip").inner_text()


def test_what_it_cannot_know_it_does_not_claim(chrome):
    with laptop(chrome, "#f=n7&k=n3") as page:
        assert said(page).startswith("not sure") and "they disagree" in page.locator("#read").inner_text()
        card(page, "kannada").get_by_role("button", name="Clear Kannada").click()
        rng = np.random.default_rng(0)
        draw(page, "farsi", (0.1 + 0.8 * rng.random((7, 2))).tolist())
        assert said(page).startswith("not sure") and "stranger" in page.locator("#notes").inner_text()


def test_the_address_holds_what_is_seen_and_the_picture_can_be_kept(chrome, tmp_path):
    with laptop(chrome, "#nothing") as page:
        draw(page, "farsi", SEVEN)
        page.locator("#sliders input").nth(1).press("ArrowRight")
        answer, seen, address = said(page), pixels(page, "kannada"), page.url.split("#")[1]
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the picture").click()
        download.value.save_as(tmp_path / "kept.png")
    picture = np.asarray(Image.open(tmp_path / "kept.png").convert("L"))
    assert download.value.suggested_filename == "rebuilt-7.png" and picture.shape[1] > 900 and np.ptp(picture) == 255
    with laptop(chrome, f"#{address}") as page:  # the drawing's points lie on a grid there
        assert said(page) == answer and abs(pixels(page, "kannada") - seen).mean() < 3
    with laptop(chrome, "#f=t99999&k=n12&s=x&z=1:9&%E0%A4") as page:
        assert said(page) == "nothing is given"


def test_each_start_is_as_it_is_named(chrome):
    with laptop(chrome) as page:
        for name, given in {
            "Speech only": 1,
            "All three": 3,
            "The hardest 7": 3,
            "Two scripts that disagree": 2,
            "Nothing at all": 0,
        }.items():
            start = page.get_by_role("button", name=name)
            start.click()
            page.wait_for_timeout(400)
            assert start.get_attribute("aria-pressed") == "true"
            assert page.locator(".switch input:checked").count() == given
        page.get_by_role("button", name="Got it").click()
        page.reload()
        assert not page.locator("#steps").is_visible()


def test_a_sound_file_is_heard_and_another_refused(chrome):
    word = next(recording.samples for recording in standin.recordings() if recording.digit == 7)
    with laptop(chrome, "#nothing") as page:
        file = page.locator("input[type=file]")
        file.set_input_files({"name": "seven.wav", "mimeType": "audio/wav", "buffer": sound_file(word, 8000)})
        page.get_by_text("your recording").wait_for()
        heard = pixels(page, "farsi")
        file.set_input_files({"name": "noise.wav", "mimeType": "audio/wav", "buffer": b"this is no sound"})
        page.get_by_text("no sound file").wait_for()
        assert (pixels(page, "farsi") == heard).all()
        page.get_by_role("button", name="Hear what is rebuilt").click()
        page.get_by_role("button", name="Hear what is given").click()


def test_a_microphone_is_heard(chrome):
    with laptop(chrome, "#nothing") as page:
        page.get_by_role("button", name="Record a spoken digit").click()
        page.get_by_text("listening").wait_for()
        page.get_by_text("your recording").wait_for()
        assert np.ptp(pixels(page, "speech", "given")) > 60 and said(page) != "nothing is given"


def sound_file(samples: np.ndarray, rate: int) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return held.getvalue()


def test_it_can_be_timed(chrome):
    frame = static.table(chrome, moves=10, openings=1)
    assert set(frame["what"]) == set(static.ASKED) and (frame["measured"] > 0).all()
    assert all(what in static.show(frame) for what in static.ASKED)
