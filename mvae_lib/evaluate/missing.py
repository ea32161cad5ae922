"""What a modality that was not given is rebuilt as: how near to the mean of its class, how wide its strokes."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.evaluate.strokes import stroke_width
from mvae_lib.evaluate.tables import check_match, combinations, members
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd


@torch.no_grad()
def missing_table(model: MVAE, triplets: Triplets, few: int = 1000) -> "pd.DataFrame":
    """Distances of each rebuilt image (by the posterior mean) to its original and to the class means of the training split.

    Args:
        few: the first so many triplets.
    Returns: a row a combination and script: given, target, held (was the script given?). Root mean square distances over pixels,
        means over triplets: to_class_mean, to_other_mean (the nearest of another digit), to_original, original_to_class_mean.
        Stroke widths in pixels: width, width_original, width_class_mean.
    """
    import pandas as pd

    check_match(model, triplets)
    x, y = triplets.gather(slice(0, few))
    rows = []
    for target in (m.name for m in model.spec.model.modalities if m.likelihood == "bernoulli"):
        means = torch.tensor(model.card["class_means"][target]).flatten(1).float()  # [C, *shape] -> [C, 784]
        original = x[target].flatten(1)
        fixed = {
            "original_to_class_mean": float(_rms(original, means[y]).mean()),
            "width_original": float(stroke_width(original).nanmean()),
            "width_class_mean": float(stroke_width(means)[y].nanmean()),
            "triplets": len(y),
        }
        for given in combinations(len(model.names)):
            held = members(model.names, given)
            rebuilt = model.reconstruct({name: x[name] for name in held})[target]
            apart = _rms(rebuilt[:, None], means)  # [N, 1, 784], [C, 784] -> [N, C]
            own = torch.nn.functional.one_hot(y, len(means)).bool()
            rows.append(
                {
                    "given": given,
                    "target": target,
                    "held": target in held,
                    "to_class_mean": float(apart[own].mean()),
                    "to_other_mean": float(apart.masked_fill(own, torch.inf).amin(1).mean()),
                    "to_original": float(_rms(rebuilt, original).mean()),
                    "width": float(stroke_width(rebuilt).nanmean()),
                    **fixed,
                }
            )
    return pd.DataFrame(rows)


@torch.no_grad()
def beside_class_means(model: MVAE, triplets: Triplets, places: list[int]) -> "tuple[dict[str, dict[str, Tensor]], pd.DataFrame]":
    """Some triplets' images: the original, each script as the others rebuild it (posterior mean), and its class mean.

    Returns: by target and row ("original", "from m2", ..., "class mean") the images ``[n, 784]``; and a row an image: split,
        target, row, place, label, metric (root mean square distance to the class mean).
    """
    import pandas as pd

    x, y = triplets.gather(places)
    images, rows = {}, []
    for target in (m.name for m in model.spec.model.modalities if m.likelihood == "bernoulli"):
        mean = torch.tensor(model.card["class_means"][target]).flatten(1).float()[y]  # [C, *shape] -> [n, 784]
        strips = {"original": x[target].flatten(1)}
        for given in combinations(len(model.names)):
            if target not in (held := members(model.names, given)):
                strips[f"from {given}"] = model.reconstruct({name: x[name] for name in held})[target]
        images[target] = strips | {"class mean": mean}
        for row, strip in images[target].items():
            own = {"split": triplets.split, "target": target, "row": row, "place": places, "label": y}
            rows.append(pd.DataFrame({**own, "metric": _rms(strip, mean)}))
    return images, pd.concat(rows, ignore_index=True)


def _rms(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square difference over pixels: ``[..., 784]`` -> ``[...]``."""
    return (a - b).square().mean(-1).sqrt()
