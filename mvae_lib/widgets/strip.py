"""The one picture that the explorer shows: panels at fixed places in a palette image, painted by numpy.

A column a modality and one for the label; the originals above, what is rebuilt below. Moving a slider repaints the lower row
and packs the whole as PNG, in a millisecond or two, where a matplotlib figure takes thirty or more. In the same place, a film:
one index moved step by step, a hundred tiles a script.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from mvae_lib.data.speech import FRAME, HOP, RATE
from mvae_lib.figures import style
from mvae_lib.figures.style import COLOUR
from mvae_lib.spec import Modality

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREYS = 240
"""Palette indices 0 (white paper) to GREYS - 1 (black ink); then `COLOUR`, in its order."""
_COLOURS = [list(bytes.fromhex(colour[1:])) for colour in COLOUR.values()]
PALETTE = np.array([[g, g, g] for g in np.linspace(255, 0, GREYS)] + _COLOURS, dtype=np.uint8)  # [colours, 3]
INK = {name: GREYS + i for i, name in enumerate(COLOUR)}
FAINT, LINE, TEXT, BLACK = 40, 24, 170, GREYS - 1

SIDE, SLOT, BAR = 140, 18, 12  # an image of 28 x 28 at 5 pixels a pixel; the room for a bar, and its width
CELL = 10, 3  # of a map of coefficients over time: height and width of a value
LEFT, TICKS, GAP, HEAD, FOOT = 20, 30, 14, 8, 18  # row names, values beside bars, between columns, above and under a row
ROWS = (HEAD, 2 * HEAD + SIDE + FOOT)
"""Top of the originals' panels, and of the rebuilt ones."""
HEIGHT = ROWS[1] + SIDE + FOOT
LINES, TILE, FILM = 10, 29, (44, 20)
"""A film's tiles in a line and its lines, a tile's side with its edge, and where the first one stands, across and down."""


class Strip:
    """The panels' places, and the picture with the upper row painted.

    Args:
        modalities: in the model's order; 28 x 28 is shown as an image, coefficients over time as a map, 13 values as bars.
        classes: how many bars the label has.
        limits: values at the bottom and the top of a modality's bars, white and black on its map; what lies beyond is cut, and
            capped in black on the bars.
        upper: what the upper row is called.
    """

    def __init__(
        self, modalities: Sequence[Modality], classes: int, limits: tuple[float, float], upper: str = "original"
    ) -> None:
        self.panels: dict[str, tuple[int, int]] = {}
        """Left edge and width in pixels, by modality, and "label"."""
        self.limits = {m.name: limits for m in modalities} | {"label": (0.0, 1.0)}
        self.images = [m.name for m in modalities if m.shape == (28, 28)]
        self.maps = {m.name: m.shape for m in modalities if len(m.shape) == 2 and m.name not in self.images}
        widths = {name: SIDE for name in self.images} | {name: CELL[1] * frames for name, (_, frames) in self.maps.items()}
        x = LEFT
        for name, bars in [*((m.name, m.features) for m in modalities), ("label", classes)]:
            x += 0 if name in self.images else TICKS
            self.panels[name] = (x, widths.get(name, SLOT * bars))
            x += self.panels[name][1] + GAP
        self.width = x
        self.edges = [left for left, _ in self.panels.values()] + [x]
        self._paper = self._print((upper, "rebuilt"))  # what never changes
        self._upper = self._paper  # and what changes with the triplet
        self._digits = np.stack([self._digit(str(i)) for i in range(classes)])  # [classes, 16, 16]
        self._marks: dict[str, ndarray] = {}

    def originals(
        self, samples: Mapping[str, ndarray], given: Sequence[str], none: str = "the original\nneeds\nthe data"
    ) -> None:
        """Paint the upper row: samples ``[features]`` by name, pale where not given; `none` stands where one is missing."""
        canvas = self._paper.copy()
        for name, (x, width) in self.panels.items():
            if name not in samples:
                self._write(canvas, (x + width // 2, ROWS[0] + SIDE // 2), none, "mm")
            elif name in self.images:
                self._image(canvas, name, 0, samples[name] * (1.0 if name in given else 0.3))
            elif name in self.maps:
                self._map(canvas, name, 0, samples[name], 1.0 if name in given else 0.3)
            else:
                self._bars(canvas, name, 0, samples[name], INK[name] if name in (*given, "label") else FAINT)
            if name in given:
                self._frame(canvas, name, 0, INK[name], 3)
        bars = [name for name in samples if name not in (*self.images, *self.maps, "label")]
        self._upper, self._marks = canvas, {name: samples[name] for name in bars}

    def picture(self, means: Mapping[str, ndarray]) -> ndarray:
        """The whole, with the lower row painted: what is rebuilt, name -> ``[features]``, and the originals' bars as marks on it.

        Returns: uint8 ``[HEIGHT, width]``, indices of PALETTE.
        """
        canvas = self._upper.copy()
        for name, values in means.items():
            if name in self.images:
                self._image(canvas, name, 1, values)
            elif name in self.maps:
                self._map(canvas, name, 1, values)
            else:
                self._bars(canvas, name, 1, values, INK[name])
        for name, values in self._marks.items():
            x, _ = self.panels[name]
            for i, y in enumerate(self._height(name, 1, values)):
                canvas[y - 1 : y + 1, x + i * SLOT : x + (i + 1) * SLOT] = BLACK
        return canvas

    def film(self, means: Mapping[str, ndarray], amounts: ndarray, here: int, title: str) -> ndarray:
        """One index moved step by step, read like a page: each script, and the digit that is read off, faint where it is unsure.

        Args:
            means: what is rebuilt at each step, name -> ``[100, features]``.
            amounts: of each step, ``[100]``; each line's first stands beside it.
            here: the step that gets a frame.
        Returns: uint8 ``[HEIGHT, width]``, as `picture` does.
        """
        canvas, (left, top) = np.zeros((HEIGHT, self.width), np.uint8), FILM
        line, place = divmod(here, LINES)
        certainty = means["label"].max(-1, keepdims=True)[..., None]  # [100, classes] -> [100, 1, 1]
        read = np.rint(self._digits[means["label"].argmax(-1)] * certainty)  # [100, 16, 16]
        pages = {name: np.rint(means[name].reshape(-1, 28, 28) * BLACK) for name in self.images} | {"label": read}
        for name, tiles in pages.items():
            side = tiles.shape[-1] + 1
            page = np.full((LINES, side, LINES, side), LINE, np.uint8)  # line, y, tile, x
            page[:, 1:, :, 1:] = tiles.reshape(LINES, LINES, side - 1, side - 1).transpose(0, 2, 1, 3)
            canvas[top : top + LINES * side, left : left + LINES * side] = page.reshape(LINES * side, -1)
            x, y = left + place * side, top + line * side
            canvas[y - 1 : y + side + 2, x - 1 : x + side + 2][_edge(side + 3, side + 3, 2)] = INK[name]
            self._write(canvas, (left, top - 6), style.TITLE.get(name, name) + (" read" if name == "label" else ""), "ls")
            left += LINES * side + GAP
        for i in range(LINES):
            self._write(canvas, (FILM[0] - 6, top + i * TILE + TILE // 2), f"{amounts[i * LINES]:+g}", "rm")
        self._write(canvas, (FILM[0], HEIGHT - 6), title, "ls")
        return canvas

    def figure(self, picture: ndarray, title: str, heads: bool = True) -> "Figure":
        """A picture as a figure to save, with the names of its columns (a film has its own)."""
        figure, axes = style.new()
        (height, width), axis, above, below = picture.shape, axes[0, 0], 44, 14  # pixels for titles, and for the caption
        total = above + height + below
        figure.set_layout_engine(None)
        figure.set_size_inches(width / figure.dpi, total / figure.dpi)
        axis.set_position((0, below / total, 1, height / total))
        fine = picture.repeat(4, 0).repeat(4, 1)  # [H, W] -> [4 H, 4 W]: scaled down again, edges stay sharp at any resolution
        axis.imshow(PALETTE[fine], aspect="auto", extent=(0, width, height, 0))  # [4 H, 4 W] -> [4 H, 4 W, 3]
        axis.set_axis_off()
        for name, (x, _) in self.panels.items() if heads else ():
            axis.text(x, -8, style.TITLE.get(name, name))
        figure.suptitle(title, y=1 - 4 / total, va="top", fontsize=9)
        return figure

    def _image(self, canvas: ndarray, name: str, row: int, values: ndarray) -> None:
        x, y = self.panels[name][0], ROWS[row]
        ink = np.rint(values.reshape(28, 28) * BLACK).astype(np.uint8)  # [784] -> [28, 28]
        canvas[y : y + SIDE, x : x + SIDE] = ink.repeat(SIDE // 28, 0).repeat(SIDE // 28, 1)  # -> [140, 140]

    def _map(self, canvas: ndarray, name: str, row: int, values: ndarray, strength: float = 1.0) -> None:
        (low, high), (height, width) = self.limits[name], CELL
        part = (np.clip(values.reshape(self.maps[name]), low, high) - low) / (high - low)  # [832] -> [13, 64]
        ink = np.rint(part[::-1] * strength * BLACK).astype(np.uint8).repeat(height, 0).repeat(width, 1)  # -> [130, 192]
        (x, _), y = self.panels[name], ROWS[row] + (SIDE - len(ink)) // 2
        canvas[y : y + len(ink), x : x + ink.shape[1]] = ink

    def _bars(self, canvas: ndarray, name: str, row: int, values: ndarray, ink: int) -> None:
        x, _ = self.panels[name]
        low, high = self.limits[name]
        zero = self._height(name, row, np.zeros(1))[0]
        for i, (y, value) in enumerate(zip(self._height(name, row, values), values, strict=True)):
            left = x + i * SLOT + (SLOT - BAR) // 2
            canvas[min(y, zero) : max(y, zero) + 1, left : left + BAR] = ink
            if not low <= value <= high:
                canvas[y - 2 : y + 3, left : left + BAR] = BLACK

    def _height(self, name: str, row: int, values: ndarray) -> list[int]:
        """The line of pixels of each value, inside the panel."""
        low, high = self.limits[name]
        part = (np.clip(values, low, high) - low) / (high - low)
        return (ROWS[row] + SIDE - 3 - np.rint(part * (SIDE - 6))).astype(int).tolist()

    def _frame(self, canvas: ndarray, name: str, row: int, ink: int, line: int) -> None:
        (x, width), y = self.panels[name], ROWS[row]
        canvas[y - line : y + SIDE + line, x - line : x + width + line][_edge(SIDE + 2 * line, width + 2 * line, line)] = ink

    def _print(self, titles: tuple[str, str]) -> ndarray:
        """Row names, frames, the bars' numbers and values."""
        canvas = np.zeros((HEIGHT, self.width), np.uint8)
        for row, title in enumerate(titles):
            turned = np.zeros((LEFT - 4, SIDE), np.uint8)
            self._write(turned, (SIDE // 2, LEFT // 2 - 2), title, "mm", 12)
            canvas[ROWS[row] : ROWS[row] + SIDE, : LEFT - 4] = np.rot90(turned)
            for name, (x, width) in self.panels.items():
                self._frame(canvas, name, row, LINE, 1)
                if name in self.images:
                    continue
                if name in self.maps:
                    self._scales(canvas, name, row)
                    continue
                for value in (0.0, 1.0, *self.limits[name]):
                    y = self._height(name, row, np.array([value]))[0]
                    canvas[y, x : x + width] = LINE
                    self._write(canvas, (x - 6, y), f"{value:g}", "rm")
                for i in range(width // SLOT):
                    middle = (x + i * SLOT + SLOT // 2, ROWS[row] + SIDE + 4)
                    self._write(canvas, middle, str(i), "mt")
        return canvas

    def _scales(self, canvas: ndarray, name: str, row: int) -> None:
        """Which coefficient, and when: beside and under a map."""
        (x, width), (coefficients, frames) = self.panels[name], self.maps[name]
        for i in (0, coefficients - 1):
            y = ROWS[row] + SIDE - (SIDE - CELL[0] * coefficients) // 2 - i * CELL[0] - CELL[0] // 2
            self._write(canvas, (x - 6, y), str(i), "rm")
        seconds = ((frames - 1) * HOP + FRAME) / RATE
        for place, text, anchor in ((x, "0", "lt"), (x + width, f"{seconds:.2f} s", "rt")):
            self._write(canvas, (place, ROWS[row] + SIDE + 4), text, anchor)

    def _digit(self, text: str) -> ndarray:
        tile = np.zeros((16, 16), np.uint8)
        self._write(tile, (8, 8), text, "mm", 12)
        return tile

    @staticmethod
    def _write(canvas: ndarray, place: tuple[int, int], text: str, anchor: str, size: int = 11) -> None:
        image = Image.fromarray(canvas)  # grey levels of the letters' edges are palette indices too
        ImageDraw.Draw(image).text(
            place, text, fill=TEXT, font=ImageFont.load_default(size), anchor="mm" if "\n" in text else anchor, align="center"
        )
        canvas[:] = np.asarray(image)


def _edge(height: int, width: int, line: int) -> ndarray:
    """True on a frame of the given thickness: bool ``[height, width]``."""
    edge = np.ones((height, width), bool)
    edge[line:-line, line:-line] = False
    return edge


def png(picture: ndarray) -> bytes:
    """Palette indices -> a small PNG, packed for speed."""
    image = Image.fromarray(picture)
    image.putpalette(PALETTE.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
