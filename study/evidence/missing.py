"""A modality that was not given: how near to its class mean it is rebuilt, how wide its strokes."""

import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize
from torch import Tensor

from mvae_lib import MVAE, tables
from mvae_lib.pairs import Pairs
from study.evidence.latent import Images, images_of, rebuilt_images


def stroke_width(images: Float[Tensor, "N 784"]) -> Float[Tensor, "N"]:
    """Median width of each digit's strokes, in pixels; NaN where nothing is above one half.
    Along the skeleton of the ink above one half, twice the distance to the nearest paper; the median, as corners are no strokes.
    Kannada's strokes are a pixel wide, so the image is first made four times finer (bilinear: a grey counts for the part of a
    pixel that it is). The stairs of pixels make a slanted stroke up to a fifth thinner than it is."""
    widths = []
    for image in images.view(-1, 1, 1, 28, 28):
        padded = F.pad(image, (1, 1, 1, 1))  # a stroke that touches the edge ends there
        ink = F.interpolate(padded, scale_factor=4, mode="bilinear")[0, 0].gt(0.5).numpy()
        half = np.asarray(distance_transform_edt(ink))[skeletonize(ink)]
        widths.append(2 * float(np.median(half)) / 4 if len(half) else math.nan)
    return torch.tensor(widths, dtype=torch.float32)


def _rms(a: Float[Tensor, "..."], b: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Root mean square difference over pixels."""
    return (a - b).square().mean(-1).sqrt()


def missing_table(model: MVAE, pairs: Pairs, few: int = 1000) -> pd.DataFrame:
    """How near a missing script is rebuilt to its class mean, and how wide its strokes are, of the first `few` triplets.
    A row a combination and script (held: was it given?). Root mean square distances over pixels, and widths in pixels, means over
    triplets; to_other_mean: to the nearest class mean of another digit."""
    tables.check_match(model, pairs)
    (x, y), rows = pairs.gather(slice(few)), []
    for target in images_of(model):
        images = rebuilt_images(model, x, y, target)
        means = torch.tensor(model.card["class_means"][target], dtype=torch.float32).flatten(1)  # [C, *shape] -> [C, F]
        right, original = F.one_hot(y, len(means)).bool(), images["original"]
        fixed = {
            "original_to_class_mean": float(_rms(original, images["class mean"]).mean()),
            "width_original": float(stroke_width(original).nanmean()),
            "width_class_mean": float(stroke_width(means)[y].nanmean()),
            "triplets": len(y),
        }
        for given in tables.combinations(len(model.names)):
            apart = _rms(images[given][:, None], means)  # [B, 1, F], [C, F] -> [B, C]
            distances = {
                "to_class_mean": float(apart[right].mean()),
                "to_other_mean": float(apart.masked_fill(right, torch.inf).amin(1).mean()),
                "to_original": float(_rms(images[given], original).mean()),
                "width": float(stroke_width(images[given]).nanmean()),
            }
            about = {"given": given, "target": target, "held": target in tables.members(model.names, given)}
            rows.append(about | distances | fixed)
    return pd.DataFrame(rows)


def beside_class_means(model: MVAE, pairs: Pairs, places: list[int]) -> tuple[dict[str, Images], pd.DataFrame]:
    """Some triplets' images, by target and row: "original", as the others rebuild it ("from m2", ...), "class mean".
    And a row an image: split, target, row, place, label, metric (root mean square distance to the class mean)."""
    (x, y), images, frames = pairs.gather(places), {}, []
    for target in images_of(model):
        every = rebuilt_images(model, x, y, target)
        blind = [given for given in tables.combinations(len(model.names)) if target not in tables.members(model.names, given)]
        names = {"original": "original"} | {given: f"from {given}" for given in blind} | {"class mean": "class mean"}
        images[target] = {name: every[key] for key, name in names.items()}
        for row, image in images[target].items():
            about = {"split": pairs.split, "target": target, "row": row, "place": places, "label": y}
            frames.append(pd.DataFrame(about | {"metric": _rms(image, every["class mean"])}))
    return images, pd.concat(frames, ignore_index=True)
