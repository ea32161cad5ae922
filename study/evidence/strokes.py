"""How a digit is written, whatever digit it is: its slant, and how wide its strokes are."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize
from torch import Tensor


def slant(images: Float[Tensor, "N 784"]) -> Float[Tensor, "N"]:
    r"""How far each digit leans, in degrees: 0 is upright, positive leans to the right; NaN where there is no ink.

    .. math:: \arctan(\mu_{11} / \mu_{02})

    with the central moments of the ink, x to the right, y upwards: the shear that takes the lean away.
    """
    rows, columns = torch.meshgrid(-torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = images.view(-1, 28, 28)
    total = ink.sum((1, 2))  # [N, 28, 28] -> [N]
    y, x = (place - ((ink * place).sum((1, 2)) / total)[:, None, None] for place in (rows, columns))  # [N, 28, 28]
    return torch.rad2deg(torch.atan((ink * x * y).sum((1, 2)) / (ink * y * y).sum((1, 2))))


def stroke_width(images: Float[Tensor, "N 784"], finer: int = 4) -> Float[Tensor, "N"]:
    """Median width of each digit's strokes, in pixels; NaN where nothing is above one half.
    Along the skeleton of the ink above one half, twice the distance to the nearest paper; the median, as corners are no strokes.
    Kannada's strokes are a pixel wide, so the image is first made `finer` (bilinear: a grey counts for the part of a pixel that
    it is). The stairs of pixels make a slanted stroke up to a fifth thinner than it is."""
    widths = []
    for image in images.view(-1, 1, 1, 28, 28):
        padded = F.pad(image, (1, 1, 1, 1))  # a stroke that touches the edge ends there
        ink = F.interpolate(padded, scale_factor=finer, mode="bilinear")[0, 0].gt(0.5).numpy()
        skeleton = skeletonize(ink)
        half = np.asarray(distance_transform_edt(ink))[skeleton]
        widths.append(2 * float(np.median(half)) / finer if skeleton.any() else math.nan)
    return torch.tensor(widths, dtype=torch.float32)


def within_digit(values: Float[Tensor, "N"], labels: Int[Tensor, "N"], levels: int = 10) -> Int[Tensor, "N"]:
    """In which of `levels` equal shares of its own digit each value falls: independent of the digit."""
    groups = pd.Series(values.nan_to_num(-math.inf)).groupby(labels.numpy())
    return torch.tensor(((groups.rank("first") - 1) * levels // groups.transform("size")).to_numpy(dtype=int))


STYLE: dict[str, Callable[[Tensor], Tensor]] = {"slant": slant, "stroke width": stroke_width}
