"""The explorer on a real page, as a reader meets it: what can be seen of it and done to it, for the tests and for the film."""

import base64
import io

import numpy as np
from PIL import Image

from bench import pages
from mvae_lib.presets import AS_RUN
from study.app.picture import HEAD, SIDE, STRIP, Picture

KINDS = {m.name: ("image" if len(m.shape) == 2 else "bars", m.shape) for m in AS_RUN.model.modalities} | {
    "label": ("bars", (10,))
}
AREAS, ROWS = Picture(KINDS, {}).areas, (HEAD, HEAD + STRIP)
"""Where each modality stands in the picture, across; and the top of the originals and of what is rebuilt."""


def pixels(png: bytes, name: str, row: int) -> np.ndarray:
    """One area's pixels: row 0 the original, 1 the rebuilt."""
    x, width = AREAS[name].x, AREAS[name].width
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[ROWS[row] : ROWS[row] + SIDE, x : x + width]


class Panel:
    """The explorer on the page (or another panel there, by its number): what a reader can see of it and do to it."""

    def __init__(self, page, number: int = 0) -> None:
        self.page, self.image = page, page.locator("img.widget-image").nth(number)
        self.pad = page.locator(".mvae-pad").first
        self.box = self.image.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
        self.message = self.box.locator(".widget-html-content")
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
        raise TimeoutError("the explorer is not to be found in the notebook")

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
        """The picture once the kernel has done all that it was asked for; and once it is another, if one is given."""
        seen = [b""]

        def still() -> bool:
            pages.quiet(self.page)
            seen.append(self.png())
            return seen[-1] != other_than

        pages.wait(still, 60, lambda: f"the picture did not change; the panel says: {self.message.inner_text()}")
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

    def drag_pad(self, across: float, up: float) -> None:
        """Drag the pad's point, from the middle, to a part of its width and of its height."""
        box = self.pad.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"], steps=8)
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

    def draw(self, pen: int, points: list[tuple[float, float]]) -> None:
        """One stroke of the mouse over a pen's paper, through points in parts of its side."""
        box = self.box.locator(".mvae-pen").nth(pen).bounding_box()
        (x, y), *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for x, y in others:
            self.page.mouse.move(x, y, steps=8)
        self.page.mouse.up()
