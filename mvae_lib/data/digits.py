"""Files of handwritten digits -> uint8 images [n, 28, 28] and labels [n]; and one that is drawn by hand, in their form.

Ink is 255 on a ground of 0 everywhere. HODA's crops are binary, tight and of any size: `stretch` and `pad` are the two
ways to bring them to 28 x 28.
"""

import gzip
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mvae_lib.data.sources import DataError

SIDE = 28
BOX = 20
"""Longer side of a padded crop, in pixels."""


@dataclass(frozen=True)
class Digits:
    """Images of one script."""

    images: np.ndarray
    """uint8 ``[n, 28, 28]``."""
    labels: np.ndarray
    """uint8 ``[n]``, 0 to 9."""


def read_cdb(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """HODA's own format -> crops (uint8, 0 or 255, ``[height, width]``) and labels ``[n]``.

    A header of 1,024 bytes (count at byte 6, count of each label from byte 10, pixel type at byte 522), then per image: 0xFF,
    label, width, height, length, and runs of pixels, each row starting with a white run. DataError if it is anything else.
    """
    content = Path(path).read_bytes()
    if len(content) < 1024:
        raise DataError(f"{path}: {len(content):,} bytes; a .cdb file has a header of 1,024. Get a whole copy.")
    height, width, count = struct.unpack_from("<BBI", content, 4)
    of_each = np.frombuffer(content, "<u4", 10, 10)
    if height or width or content[522]:
        raise DataError(f"{path}: a .cdb of fixed size or of grey pixels; only HODA's binary crops of varying size are read.")
    crops, labels, at = [], np.empty(count, np.uint8), 1024
    try:
        for i in range(count):
            mark, labels[i], width, height, length = struct.unpack_from("<BBBBH", content, at)
            runs = np.frombuffer(content, np.uint8, length, at + 6)
            if mark != 0xFF:
                raise ValueError(f"it starts with {mark:#x}, not 0xff")
            crops.append(_unroll(runs, height, width))
            at += 6 + length
    except (struct.error, ValueError) as error:
        raise DataError(f"{path}: image {len(crops):,} of {count:,} is broken ({error}). Get a whole copy.") from None
    if at != len(content) or (np.bincount(labels, minlength=10) != of_each).any():
        raise DataError(f"{path}: its {count:,} images are not the ones that its header announces. Get a whole copy.")
    return crops, labels


def _unroll(runs: np.ndarray, height: int, width: int) -> np.ndarray:
    """Run lengths, white first in each row -> ``[height, width]``, ink 255."""
    begins = runs.cumsum(dtype=np.int64) - runs
    row = begins // max(width, 1)
    place = np.arange(len(runs)) - np.searchsorted(row, row)  # 0 for the first run of a row
    if runs.sum() != height * width or (begins + runs > (row + 1) * width).any():
        raise ValueError(f"its runs do not fill rows of {width} pixels")
    return np.repeat(np.where(place % 2, 255, 0).astype(np.uint8), runs).reshape(height, width)  # [runs] -> [height, width]


def read_hoda_mat(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The MATLAB copy of HODA's training set -> crops and labels, as `read_cdb` gives them."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        crops, labels = list(content["Data"].ravel()), content["labels"].ravel().astype(np.uint8)
        if len(crops) != len(labels) or any(crop.ndim != 2 for crop in crops):
            raise ValueError(f"{len(crops):,} cells, {len(labels):,} labels")
    except Exception as error:  # scipy has no common error for a file that it cannot read
        raise DataError(f"{path}: not a .mat file with cells `Data` and `labels` ({error}). Get a whole copy.") from None
    return crops, labels


def read_idx(path: Path) -> np.ndarray:
    """An idx file of unsigned bytes, gzipped or not -> uint8 array of the shape that it states."""
    raw = Path(path).read_bytes()
    try:
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        zeros, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
        if zeros or kind != 8:
            raise ValueError(f"begins with {content[:4].hex()}, not 000008")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (struct.error, ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole idx file of unsigned bytes ({error}). Get a whole copy.") from None


def read_mnist_mix(path: Path) -> tuple[Digits, Digits]:
    """`Farsi_train_test.npz` or `Kannada_train_test.npz` of MNIST-MIX -> train and test (Kannada's test holds Dig-MNIST too)."""
    try:
        with open(path, "rb") as file, np.load(file) as mix:
            parts = {key: mix[key] for key in ("X_train", "y_train", "X_test", "y_test")}
        sets = [
            Digits(parts[f"X_{p}"].reshape(-1, SIDE, SIDE).astype(np.uint8), parts[f"y_{p}"].ravel().astype(np.uint8))
            for p in ("train", "test")
        ]
    except (KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not an MNIST-MIX file with X_train, y_train, X_test, y_test ({error}).") from None
    return sets[0], sets[1]


def resize(crop: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest neighbour to each output pixel's centre, as Pillow has it: pixel i takes pixel floor((i + 1/2) * old / new)."""
    rows = (2 * np.arange(height) + 1) * crop.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * crop.shape[1] // (2 * width)
    return crop[rows[:, None], columns]  # [h, w] -> [height, width]


def stretch(crop: np.ndarray) -> np.ndarray:
    """Crop ``[h, w]`` -> ``[28, 28]``, aspect ignored: MNIST-MIX's form, and the report's."""
    return resize(crop, SIDE, SIDE)


def pad(crop: np.ndarray) -> np.ndarray:
    """Crop ``[h, w]`` -> ``[28, 28]``, aspect kept: the longer side becomes 20 pixels, centred on a ground of 0."""
    height, width = (max(1, round(BOX * side / max(crop.shape))) for side in crop.shape)
    image = np.zeros((SIDE, SIDE), crop.dtype)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    image[top : top + height, left : left + width] = resize(crop, height, width)
    return image


FORMS = {"stretched": stretch, "padded": pad}
"""`DataRecipe.images` -> the function that makes it."""


Strokes = Sequence[Sequence[Sequence[float]]]
"""What a pen did between down and up, each time: points ``[x, y]`` to the right and down, in parts of the paper's side."""
WIDTH = 0.04
"""Of the line on the paper, in parts of its side."""
LINE = {"farsi": 0.12, "kannada": 0.0625}
"""Of the line, in parts of the ink's longer side: with it, `drawn` gives the median stroke width of the data."""
FINE = 32
"""Pixels of the canvas to one of the image, across."""


def drawn(strokes: Strokes, script: str, width: float = WIDTH) -> np.ndarray:
    """A digit drawn by hand -> uint8 ``[28, 28]``, in the form of its script's data.

    Farsi: a binary, tight crop, and `stretch`. Kannada: grey edges, the longer side 20 pixels, aspect kept, the ink's centre of
    mass in the middle of pixel (14, 14), or as near as the border lets it. Where on the paper, and how large, does not count, but
    for this: the line is `LINE` wide, or as wide as it was on the paper if that is more. So a tap is a dot, and a small Farsi
    ring keeps the thick line by which the data's 0 differs from 5.

    Args:
        script: "farsi" or "kannada".
        width: of the line on the paper, in parts of its side.
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
    return stretch(np.asarray(ink)) if script == "farsi" else _centred(ink)


def _centred(ink: Image.Image) -> np.ndarray:
    """Ink on its own box -> ``[28, 28]``, as Kannada-MNIST's and MNIST's digits are: 20 pixels, around the centre of mass."""
    size = [max(1, round(BOX * length / max(ink.size))) for length in ink.size]
    small = np.asarray(ink.resize((size[0], size[1]), Image.Resampling.BOX))  # [h, w]
    starts = []
    for axis, length in enumerate(small.shape):
        centre = np.average(np.arange(length) + 0.5, weights=small.sum(1 - axis))
        starts.append(min(max(0, round(SIDE / 2 + 0.5 - centre)), SIDE - length))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[starts[0] : starts[0] + small.shape[0], starts[1] : starts[1] + small.shape[1]] = small
    return image
