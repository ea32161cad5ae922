"""The one picture that explorer and studio show: a column a modality and one for the label, originals above, rebuilt below.

Painted by Pillow into palette indices and packed as PNG in a millisecond or two, where a matplotlib figure takes thirty or more.
In the same place, a film: one dimension moved step by step, a hundred tiles an image.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
from jaxtyping import Num
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from study.app.panel import sized
from study.app.sound import SPANS
from study.plots import style

GREYS = 240  # palette indices 0 (white paper) to GREYS - 1 (black ink); then the colours
FAINT, LINE, TEXT, BLACK = 40, 24, 170, GREYS - 1
SIDE, SLOT, STEP, WIDEST = 140, 18, 3, 360  # height of an area; room for a bar, for a step in time, at most; for all of them
LEFT, TICKS, GAP, HEAD, FOOT = 20, 30, 14, 8, 18  # row names, values beside bars, between columns, above and under a row
STRIP = HEAD + SIDE + FOOT  # height of a row: the originals, or what is rebuilt
HEIGHT, NARROWEST = 2 * STRIP, 780  # of the picture
LINES, TILE, FILM = 10, 29, (44, 20)  # a film's lines and tiles a line, the most that one is wide, where the first one stands

_font = cache(ImageFont.load_default)


class Area(NamedTuple):
    """Where a modality, or the label, is shown in a row, and how: as an "image", a "map" (coefficients over time) or "bars".

    From `low` to `high` is from white to black, or up the bars. What lies beyond is cut, and capped in black on bars.
    """

    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    x: int
    width: int
    height: int

    def part(self, values: Num[ndarray, "*F"]) -> Num[ndarray, "*F"]:
        return (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)

    def levels(self, values: Num[ndarray, "F"]) -> list[int]:
        """The line of pixels of each value, in a row."""
        return (HEAD + SIDE - 3 - np.rint(self.part(values) * (SIDE - 6))).astype(int).tolist()


class Picture:
    """The areas' places, and the picture with the upper row painted.

    Args:
        kinds: by modality, in the model's order, and "label" last, if there are labels: its kind and its shape.
        limits: of what is not within 0 and 1. `upper`: what the upper row is called.
    """

    def __init__(
        self, kinds: Mapping[str, tuple[str, tuple[int, ...]]], limits: Mapping[str, Sequence[float]], upper: str = "original"
    ) -> None:
        self.areas, x = dict[str, Area](), LEFT
        for name, (kind, shape) in kinds.items():
            n, height = shape[-1], SIDE
            if kind == "image":
                width = SIDE * n // shape[0]
            else:
                x, width = x + TICKS, max(1, min({"map": STEP, "bars": SLOT}[kind], WIDEST // n)) * n
            if kind == "map":
                height = SIDE // shape[0] * shape[0] or SIDE  # cells of one height
            low, high = limits.get(name, (0.0, 1.0))
            self.areas[name] = Area(kind, shape, low, high, x, width, height)
            x += width + GAP
        self.width = max(x, NARROWEST)
        self.edges = [area.x for area in self.areas.values()] + [self.width]
        names = [name for name in kinds if name != "label"]
        self.images, self.titles = [n for n in names if kinds[n][0] == "image"], {n: style.title(n, names) for n in kinds}
        colours = style.COLOUR | {name: style.colour(name, names) for name in names}
        self.ink = {name: GREYS + place for place, name in enumerate(colours)}
        palette = [[grey] * 3 for grey in np.linspace(255, 0, GREYS)] + [ImageColor.getrgb(colour) for colour in colours.values()]
        self.palette = np.array(palette, np.uint8)  # [colours, 3]
        self._papers = self._paper(upper), self._paper("rebuilt")  # what never changes
        self._upper, self._marks = self._papers[0], dict[str, ndarray]()  # and what changes with the tuple

    def originals(self, samples: Mapping[str, ndarray], given: Sequence[str], none: str) -> None:
        """Paint the upper row: samples ``[F]`` by name, pale where not given; `none` stands where one is missing."""
        self._upper, self._marks = self._papers[0].copy(), {name: samples[name] for name in samples if name != "label"}
        for name, area in self.areas.items():
            if name in samples:
                self._paint(self._upper, name, samples[name], pale=name not in (*given, "label"))
            else:
                _write(self._upper, (area.x + area.width // 2, HEAD + SIDE // 2), none, "mm")
            if name in given:
                _frame(self._upper, area, self.ink[name], 3)

    def rebuilt(self, means: Mapping[str, ndarray]) -> Image.Image:
        """The whole, with the lower row painted: what is rebuilt, name -> ``[F]``, and the originals' bars as marks on it."""
        lower = self._papers[1].copy()
        for name, values in means.items():
            self._paint(lower, name, values, self._marks.get(name))
        return Image.fromarray(np.vstack([np.asarray(self._upper), np.asarray(lower)]))

    def film(self, means: Mapping[str, ndarray], amounts: Num[ndarray, "100"], here: int, title: str) -> Image.Image:
        """One dimension moved step by step, read like a page: each image, and the label that is read, faint where it is unsure.

        `means`: what is rebuilt at each step, name -> ``[100, F]``. `here`: the step that gets a frame.
        """
        film, (left, top), (line, place), pages = Image.new("L", (self.width, HEIGHT)), FILM, divmod(here, LINES), {}
        room = self.width - left - GAP * len(self.images) - (LINES * 17 if "label" in means else 0)
        tile = min(TILE, room // (LINES * max(1, len(self.images))))
        for name in self.images:
            images, at = np.rint(means[name].reshape(-1, *self.areas[name].shape) * BLACK), np.arange(tile - 1)  # [100, h, w]
            y, x = (at * size // (tile - 1) for size in images.shape[1:])
            pages[name] = images[:, y[:, None], x]  # -> [100, tile - 1, tile - 1]: nearest neighbours
        if "label" in means:
            numerals = np.stack([np.asarray(_word(str(k), 16, 16)) for k in means["label"].argmax(-1)])  # [100, 16, 16]
            pages["label"] = np.rint(numerals * means["label"].max(-1)[:, None, None])
        for name, tiles in pages.items():
            side = tiles.shape[-1] + 1
            page = np.full((LINES, side, LINES, side), LINE, np.uint8)  # line, y, tile, x
            page[:, 1:, :, 1:] = tiles.reshape(LINES, LINES, side - 1, side - 1).swapaxes(1, 2)
            film.paste(Image.fromarray(page.reshape(LINES * side, -1)), (left, top))
            x, y = left + place * side, top + line * side
            ImageDraw.Draw(film).rectangle((x - 1, y - 1, x + side + 1, y + side + 1), outline=self.ink[name], width=2)
            _write(film, (left, top - 6), self.titles[name] + (" read" if name == "label" else ""), "ls")
            left += LINES * side + GAP
        for i in range(LINES):
            _write(film, (FILM[0] - 6, top + i * tile + tile // 2), f"{amounts[i * LINES]:+g}", "rm")
        _write(film, (FILM[0], HEIGHT - 6), title, "ls")
        return film

    def widget(self) -> widgets.Image:
        return sized(widgets.Image(format="png"), self.width, height=HEIGHT)

    def png(self, image: Image.Image) -> bytes:
        """Palette indices -> a small PNG, packed for speed."""
        image, file = image.copy(), io.BytesIO()
        image.putpalette(self.palette.tobytes())
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def figure(self, image: Image.Image, title: str, heads: bool = True) -> Figure:
        """The picture as a figure to save, with the names of its columns (a film has its own)."""
        (width, height), above, below = image.size, 44, 14  # pixels for titles, and for the caption
        total = above + height + below
        figure, ((axis,),) = style.new(size=(width / 100, total / 100))
        figure.set_layout_engine(None)
        axis.set_position((0, below / total, 1, height / total))
        fine = np.asarray(image).repeat(4, 0).repeat(4, 1)  # [H, W] -> [4 H, 4 W]: scaled down again, edges stay sharp
        axis.imshow(self.palette[fine], aspect="auto", extent=(0, width, height, 0))  # [4 H, 4 W] -> [4 H, 4 W, 3]
        axis.set_axis_off()
        for name, area in self.areas.items() if heads else ():
            axis.text(area.x, -8, self.titles[name], fontsize=9)
        figure.suptitle(title, y=1 - 4 / total, va="top", fontsize=9)
        return figure

    def _paint(self, strip: Image.Image, name: str, values: ndarray, marks: ndarray | None = None, pale: bool = False) -> None:
        area, draw = self.areas[name], ImageDraw.Draw(strip)
        if area.kind != "bars":
            part = area.part(values.reshape(area.shape))[:: -1 if area.kind == "map" else 1]  # coefficient 0: at the bottom
            ink = Image.fromarray(np.rint(part * (0.3 if pale else 1.0) * BLACK).astype(np.uint8))
            place = (area.x, HEAD + (SIDE - area.height) // 2)
            return strip.paste(ink.resize((area.width, area.height), Image.Resampling.NEAREST), place)
        slot, (zero,) = area.width // len(values), area.levels(np.zeros(1))
        for i, (y, value) in enumerate(zip(area.levels(values), values, strict=True)):
            left, right = area.x + i * slot + slot // 6, area.x + (i + 1) * slot - slot // 6 - 1
            draw.rectangle((left, min(y, zero), right, max(y, zero)), FAINT if pale else self.ink[name])
            if not area.low <= value <= area.high:
                draw.rectangle((left, y - 2, right, y + 2), BLACK)
        for i, y in enumerate(() if marks is None else area.levels(marks)):
            draw.rectangle((area.x + i * slot, y - 1, area.x + (i + 1) * slot - 1, y), BLACK)

    def _paper(self, title: str) -> Image.Image:
        """A row's name, frames, the bars' numbers and values, which coefficient and when on a map."""
        paper, under = Image.new("L", (self.width, STRIP)), HEAD + SIDE + 4
        paper.paste(_word(title, SIDE, LEFT - 4).transpose(Image.Transpose.ROTATE_90), (0, HEAD))
        for name, area in self.areas.items():
            _frame(paper, area, LINE, 1)
            n, left, right = area.shape[0], area.x, area.x + area.width
            if area.kind == "map":
                cell, bottom = area.height // n, HEAD + (SIDE + area.height) // 2
                for i in (0, n - 1):
                    _write(paper, (left - 6, bottom - i * cell - cell // 2), str(i), "rm")
                _write(paper, (left, under), "0", "lt")
                _write(paper, (right, under), SPANS.get(name, str(area.shape[1] - 1)), "rt")
            elif area.kind == "bars":
                values = [v for v in (0.0, 1.0) if area.low <= v <= area.high <= area.low + 12] + [area.low, area.high]
                for value, y in zip(values, area.levels(np.array(values)), strict=True):
                    ImageDraw.Draw(paper).line((left, y, right - 1, y), LINE)
                    _write(paper, (left - 6, y), f"{value:g}", "rm")
                for i in range(0, n, -(-SLOT * n // area.width)):  # those that have room
                    _write(paper, (left + i * area.width // n + area.width // n // 2, under), str(i), "mt")
        return paper


def _frame(strip: Image.Image, area: Area, ink: int, line: int) -> None:
    box = (area.x - line, HEAD - line, area.x + area.width + line - 1, HEAD + SIDE + line - 1)
    ImageDraw.Draw(strip).rectangle(box, outline=ink, width=line)


@cache
def _word(text: str, width: int, height: int) -> Image.Image:
    """Larger text, in the middle of an image of its own."""
    image = Image.new("L", (width, height))
    _write(image, (width // 2, height // 2), text, "mm", 12)
    return image


def _write(image: Image.Image, place: tuple[int, int], text: str, anchor: str, size: int = 11) -> None:
    """Text; the grey levels of the letters' edges are palette indices too."""
    ImageDraw.Draw(image).text(place, text, TEXT, _font(size), anchor, align="center")
