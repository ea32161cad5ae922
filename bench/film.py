"""``python -m bench.film``: the explorer's page in chromium while it is used, as an animated picture for the README."""

import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from bench import pages
from bench.clocks import ROOT
from bench.panel import Panel

FILE = ROOT / "figures" / "explorer.gif"
WIDTH, COLOURS = 800, 255
"""Of the animation, in pixels; and how many colours its one palette has."""
FRAME, PAUSE = 160, 900
"""Milliseconds of a frame, and of one to look at."""


def frames(page: Any) -> list[tuple[Image.Image, int]]:
    """A slider dragged there and back, a modality taken away, another slider: the explorer, and how long each frame stands."""
    panel, found = Panel(page), []
    part = {edge: round(value) for edge, value in panel.box.bounding_box().items()}

    def shoot(milliseconds: int = FRAME) -> None:
        pages.quiet(page)
        png = page.screenshot(clip={**part, "height": part["height"] - 28})  # less its line of messages
        image = Image.open(io.BytesIO(png)).convert("RGB")
        found.append((image.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS), milliseconds))

    def sweep(slider: int, stops: list[float]) -> None:
        handle, track = (page.locator(f".widget-slider .noUi-{piece}").nth(slider).bounding_box() for piece in ("handle", "base"))
        y = handle["y"] + handle["height"] / 2
        page.mouse.move(handle["x"] + handle["width"] / 2, y)
        page.mouse.down()
        for stop in stops:
            page.mouse.move(track["x"] + stop * track["width"], y)
            shoot()
        page.mouse.up()
        page.mouse.move(part["x"], part["y"])

    out, back = [0.5 + 0.05 * k for k in range(1, 10)], [0.95 - 0.09 * k for k in range(1, 11)]
    home = [0.05 + 0.09 * k for k in range(1, 6)]
    shoot(PAUSE)
    sweep(0, [*out, *back, *home])
    panel.tick("Farsi", False)
    shoot(PAUSE)
    sweep(3, out[::2] + back[::2] + home[1::2])
    panel.tick("Farsi", True)
    shoot(PAUSE)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, pages.app(Path(folder)) as address, pages.opened() as page:
        page.goto(address)
        page.locator(".mvae-pad").wait_for()
        pages.quiet(page)
        images, milliseconds = zip(*frames(page), strict=True)
    palette = images[0].quantize(COLOURS)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    first.save(FILE, save_all=True, append_images=others, duration=list(milliseconds), loop=0, optimize=True)
    print(f"{FILE.relative_to(ROOT)}: {len(images)} frames, {sum(milliseconds) / 1000:.1f} s, {FILE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
