"""How a digit is written, whatever digit it is: its slant, and how wide its strokes are."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def slant(images: Tensor) -> Tensor:
    r"""How far each digit leans, in degrees: 0 is upright, positive leans to the right. ``[N, 784]`` in [0, 1] -> ``[N]``.

    .. math:: \arctan(\mu_{11} / \mu_{02})

    with the central moments of the ink, x to the right, y upwards: the shear that takes the lean away. NaN where there is no ink.
    """
    rows, columns = torch.meshgrid(-torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = images.view(-1, 28, 28)
    total = ink.sum((1, 2))  # [N, 28, 28] -> [N]
    y, x = (place - ((ink * place).sum((1, 2)) / total)[:, None, None] for place in (rows, columns))  # [N, 28, 28]
    return torch.rad2deg(torch.atan((ink * x * y).sum((1, 2)) / (ink * y * y).sum((1, 2))))


def stroke_width(images: Tensor) -> Tensor:
    """Mean width of each digit's strokes, in pixels. ``[N, 784]`` in [0, 1] -> ``[N]``; NaN where no pixel is above one half.

    Along the skeleton of the ink above one half: twice the distance to the nearest paper, less one (the pixel itself).
    """
    import numpy as np
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    widths = []
    for ink in images.reshape(-1, 28, 28).gt(0.5).numpy():
        padded = np.pad(ink, 1)  # a stroke that touches the edge ends there
        skeleton = skeletonize(padded)
        widths.append((2 * np.asarray(distance_transform_edt(padded))[skeleton] - 1).mean() if skeleton.any() else math.nan)
    return torch.tensor(widths)


def within_digit(values: Tensor, labels: Tensor, levels: int = 10) -> Tensor:
    """In which of `levels` equal shares of its own digit each value falls: int ``[N]``, independent of the digit."""
    placed = torch.empty(len(values), dtype=torch.int64)
    for digit in labels.unique():
        of = (labels == digit).nonzero()[:, 0]
        rank = values[of].nan_to_num(-math.inf).argsort(stable=True).argsort()  # [n]
        placed[of] = rank * levels // len(of)
    return placed


STYLE: "dict[str, Callable[[Tensor], Tensor]]" = {"slant": slant, "stroke width": stroke_width}
