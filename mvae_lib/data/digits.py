"""Files of handwritten digits -> images and labels. Ink is 255 on a ground of 0 everywhere.

HODA's crops are binary, tight and of any size: `stretch` and `pad` are the two ways to bring them to 28 x 28.
"""

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from mvae_lib.data.sources import SOURCES, DataError, problem

SIDE = 28
BOX = 20  # longer side of a padded crop, in pixels
Crop = Shaped[np.ndarray, "h w"]
Images = Sequence[np.ndarray] | np.ndarray  # uint8; of any size each, or one array [n, 28, 28]
Labels = UInt8[np.ndarray, "n"]


def read_cdb(path: Path) -> tuple[Images, Labels]:
    """HODA's own format -> crops (uint8, 0 or 255) and labels.

    A header of 1,024 bytes (count at byte 6, count of each label from byte 10, pixel type at byte 522), then per image: 0xFF,
    label, width, height, length, and runs of pixels, each row starting with a white run. DataError if it is anything else.
    """
    content = path.read_bytes()
    crops, labels, at = [], [], 1024
    try:
        height, width, count = struct.unpack_from("<BBI", content, 4)
        if height or width or content[522]:
            raise ValueError("it has a fixed size or grey pixels; only HODA's binary crops of varying size are read")
        if 6 * count > len(content):
            raise ValueError(f"the header announces {count:,} images, for which {len(content):,} bytes are too few")
        for _ in range(count):
            mark, label, width, height, length = struct.unpack_from("<BBBBH", content, at)
            if mark != 0xFF:
                raise ValueError(f"it starts with {mark:#x}, not 0xff")
            crops.append(_unroll(np.frombuffer(content, np.uint8, length, at + 6), height, width))
            labels.append(label)
            at += 6 + length
        of_each = np.bincount(np.array(labels, np.uint8), minlength=10).tolist()
        if at != len(content) or of_each != np.frombuffer(content, "<u4", 10, 10).tolist():
            raise ValueError("its images are not the ones that the header announces")
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(f"{path}: image {len(crops):,} of this .cdb is broken ({error}). Get a whole copy.") from None
    return crops, np.array(labels, np.uint8)


def _unroll(runs: UInt8[np.ndarray, "runs"], height: int, width: int) -> UInt8[np.ndarray, "h w"]:
    """Run lengths, white first in each row -> pixels, ink 255."""
    begins = runs.cumsum(dtype=np.int64) - runs
    row = begins // max(width, 1)
    place = np.arange(len(runs)) - np.searchsorted(row, row)  # 0 for the first run of a row
    if runs.sum() != height * width or (begins + runs > (row + 1) * width).any():
        raise ValueError(f"its runs do not fill rows of {width} pixels")
    return np.repeat(np.where(place % 2, 255, 0).astype(np.uint8), runs).reshape(height, width)  # [runs] -> [h, w]


def read_hoda_mat(path: Path) -> tuple[Images, Labels]:
    """The MATLAB copy of HODA's training set -> crops and labels, as `read_cdb` gives them. DataError for any other file.

    It is known by its digest before anything of it is parsed: scipy's reader can be made to crash by a file that lies.
    """
    from scipy.io import loadmat

    if fault := problem(path, SOURCES["farsi_train"]):
        raise DataError(f"{path}: it is {fault}. Only HODA's own file is read; get a whole copy.")
    content = loadmat(path)
    return list(content["Data"].ravel()), content["labels"].ravel().astype(np.uint8)


def read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """A gzipped idx file of unsigned bytes -> array of the shape that it states."""
    try:
        content = gzip.decompress(path.read_bytes())
        zeros, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
        if zeros or kind != 8:
            raise ValueError(f"begins with {content[:4].hex()}, not 000008")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (struct.error, ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole idx file of unsigned bytes ({error}). Get a whole copy.") from None


def resize(crop: Crop, height: int, width: int) -> Shaped[np.ndarray, "height width"]:
    """Pillow's nearest neighbour, ``[h, w]`` -> ``[height, width]``."""
    from PIL import Image

    return np.array(Image.fromarray(crop).resize((width, height), Image.Resampling.NEAREST))  # writable, as torch wants it


def stretch(crop: Crop) -> Shaped[np.ndarray, "28 28"]:
    """Aspect ignored: MNIST-MIX's form, and the report's."""
    return resize(crop, SIDE, SIDE)


def pad(crop: Crop) -> Shaped[np.ndarray, "28 28"]:
    """Aspect kept: the longer side becomes 20 pixels, centred on a ground of 0."""
    height, width = (max(1, round(BOX * side / max(crop.shape))) for side in crop.shape)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return np.pad(resize(crop, height, width), ((top, SIDE - height - top), (left, SIDE - width - left)))


FORMS = {"stretched": stretch, "padded": pad}  # DataRecipe.images -> the function that makes it
