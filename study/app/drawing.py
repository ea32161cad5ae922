"""A digit drawn by hand -> an image in the form of its script's data."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from mvae_lib.data.digits import BOX, SIDE, stretch

Strokes = Sequence[Sequence[Sequence[float]]]  # what a pen did from down to up, each time: points [x, y], in parts of the side
WIDTH = 0.04  # of the line on the paper, in parts of its side
LINE = {"farsi": 0.12, "kannada": 0.0625}  # of the line, in parts of the ink's longer side: the median stroke width of the data
FINE = 32  # pixels of the canvas to one of the image, across


def drawn(strokes: Strokes, script: str, width: float = WIDTH) -> UInt8[ndarray, "28 28"]:
    """A digit drawn by hand, in the form of its script's data. `width`: of the line on the paper, in parts of its side.

    Farsi: a binary, tight crop, stretched. Kannada: grey edges, the longer side 20 pixels, aspect kept, the ink's centre of mass
    in the middle of pixel (14, 14), or as near as the border lets it. Where on the paper, and how large, does not count, but for
    this: the line is `LINE` wide, or as wide as it was on the paper if that is more. So a tap is a dot, and a small Farsi ring
    keeps the thick line by which the data's 0 differs from 5.

    Raises:
        ValueError: nothing is drawn, or there is no such script.
    """
    if script not in LINE:
        raise ValueError(f"Got the script {script!r}; it is one of {', '.join(LINE)}.")
    lines = [np.array(stroke, float) for stroke in strokes if len(stroke)]  # [p, 2] each
    if not lines:
        raise ValueError("Nothing is drawn: no stroke has a point. Draw a digit first.")
    points = np.concatenate(lines)
    size, side = np.ptp(points, axis=0).max(), FINE * BOX
    pen = int(side * max(LINE[script], width / (size + width))) | 1  # odd: Pillow's lines are then as wide as its discs
    scale = (side - pen) / size if size else 0
    canvas = Image.new("L", (side + 4, side + 4))
    draw = ImageDraw.Draw(canvas)
    for line in lines:
        line = ((line - points.min(0)) * scale + pen // 2 + 1).round()
        draw.line(line.ravel().tolist(), fill=255, width=pen)
        for disc in np.concatenate([line - pen // 2, line + pen // 2], axis=1):  # [p, 4]: round ends and joints
            draw.ellipse(disc.tolist(), fill=255)
    ink = canvas.crop(canvas.getbbox())
    if script == "farsi":
        return stretch(np.asarray(ink))
    image, places = np.zeros((SIDE, SIDE), np.uint8), []
    width, height = (max(1, round(BOX * length / max(ink.size))) for length in ink.size)
    small = np.asarray(ink.resize((width, height), Image.Resampling.BOX))
    for axis, length in enumerate(small.shape):
        centre = np.average(np.arange(length) + 0.5, weights=small.sum(1 - axis))
        start = min(max(0, round(SIDE / 2 + 0.5 - centre)), SIDE - length)
        places.append(slice(start, start + length))
    image[tuple(places)] = small
    return image
