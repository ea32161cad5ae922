"""What each combination of given modalities lets a model rebuild: tables, and the baselines under them.

Log-likelihoods are in nats per sample, summed over dimensions.
"""

from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.loss import columns, terms
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name, subsets
from mvae_lib.spec import Modality

if TYPE_CHECKING:
    import pandas as pd

REPORT_ORDER = ("m1", "m2", "m3", "m1,m2", "m2,m3", "m1,m3", "m1,m2,m3")
"""The order of combinations in the report's Table 2, and in everything here."""
CLASS_MEAN, GLOBAL_MEAN, FLOOR = "class mean (train)", "global mean (train)", "floor"


def combinations(n: int) -> list[str]:
    """Names of all combinations of `n` modalities, in the report's order where it has one."""
    names = [subset_name(subset) for subset in subsets(n)]
    return list(REPORT_ORDER) if n == 3 else names


def members(names: tuple[str, ...], given: str) -> tuple[str, ...]:
    """The modalities of a combination: ``"m1,m3"`` of farsi, kannada, speech -> farsi, speech."""
    return tuple(names[int(part[1:]) - 1] for part in given.split(","))


def check_match(model: MVAE, triplets: Triplets) -> None:
    """ValueError unless the triplets are of the model's own recipe and source."""
    if triplets.recipe != model.spec.data:
        raise ValueError(
            f"These triplets are of {triplets.recipe}; this model takes {model.spec.data}. Load them with recipe=model.spec.data."
        )
    if triplets.source != model.card.get("source", triplets.source):
        raise ValueError(f"These triplets are {triplets.source}; this model was trained on {model.card['source']}.")


@torch.no_grad()
def combination_table(
    model: MVAE, triplets: Triplets, z: Literal["sample", "mean"] = "sample", seed: int = 0, batch_size: int = 1000
) -> "pd.DataFrame":
    """The report's Table 2: what each combination of given modalities lets the model rebuild.

    Args:
        z: one seeded draw from each posterior (what the report measured), or the posterior mean.
    Returns: a row a combination in the report's order, then baselines: ``class mean (train)`` (an oracle: it is told the label)
        and ``global mean (train)``. Columns: ``accuracy`` (a fraction), ``reported_bound`` (recon + CE + beta KL, at the
        beta reached), ``neg_elbo`` (recon + KL), ``bce_*``, ``sse_*``, ``ce``, ``kl``; NaN where a baseline has no such thing.
        ``.attrs`` says the data's source and split.
    Raises:
        ValueError: the triplets were made by another recipe, or from another source, than the model's.
    """
    import pandas as pd

    check_match(model, triplets)
    if z not in ("sample", "mean"):
        raise ValueError(f"z is {z!r}; it takes 'sample' or 'mean'.")
    spec, device = model.spec.model, model.device
    generator = torch.Generator(device).manual_seed(seed)
    stack = model.powerset("all")  # rebuild all, whatever the run trained for
    means = _Mean()
    for x, y in triplets.to(device).batches(batch_size, order_seed=None):
        noise = torch.zeros(len(stack.subsets), len(y), spec.latent, device=device)  # [S, B, D]
        out = model(x, noise.normal_(generator=generator) if z == "sample" else noise, stack)
        means.add(terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, stack).means(), len(y))
    rows = columns(means.value(), spec.modalities, model.beta)
    names = [subset_name(subset) for subset in subsets(len(spec.modalities))]
    table = pd.DataFrame({name: value.tolist() for name, value in rows.items()}, index=names).loc[
        combinations(len(spec.modalities))
    ]
    table = pd.concat([table, baselines(model, triplets, batch_size).drop(FLOOR)]).rename_axis("given")
    table.attrs.update(source=triplets.source, split=triplets.split)
    return table


def baselines(model: MVAE, triplets: Triplets, batch_size: int = 1000) -> "pd.DataFrame":
    """What a guess costs that looks at no modality at all, and what no guess can go below.

    Returns: ``class mean (train)``: the training mean of the digit, an oracle that is told the label; ``global mean (train)``;
        and the floor, each sample as its own guess: 0 where pixels are black or white, the pixels' entropy where they are grey.
        Columns of `combination_table`; NaN in those that are not reconstructions.
    """
    import pandas as pd

    means = _Mean()
    for x, y in triplets.to(model.device).batches(batch_size, order_seed=None):
        means.add({m.name: _guesses(m, model.card, x[m.name].flatten(1), y) for m in model.spec.model.modalities}, len(y))
    none = torch.full((3,), torch.nan)
    values = columns({"accuracy": none, "ce": none, "kl": none} | means.value(), model.spec.model.modalities, model.beta)
    return pd.DataFrame({name: value.tolist() for name, value in values.items()}, index=[CLASS_MEAN, GLOBAL_MEAN, FLOOR])


def _guesses(modality: Modality, card: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
    """Mean loss of the three baselines on one batch ``[B, F]``: ``[3]``."""
    by_class = torch.tensor(card["class_means"][modality.name], device=y.device).flatten(1)  # [classes, *shape] -> [classes, F]
    overall = torch.tensor(card["global_means"][modality.name], device=y.device).flatten()
    guess = torch.stack([by_class[y], overall.expand_as(x), x])  # -> [3, B, F]
    if modality.likelihood == "gaussian":
        return (guess - x).square().sum(-1).mean(-1)  # [3, B, F] -> [3]
    guess[:2].clamp_(1e-4, 1 - 1e-4)  # a pixel never seen in training is not impossible: half of one in 5,000
    return F.binary_cross_entropy(guess, x.expand_as(guess), reduction="none").sum(-1).mean(-1)  # [3, B, F] -> [3]


def running_means(history: "pd.DataFrame") -> "pd.DataFrame":
    """A run's training means over its last epoch, sampled z, weights still moving: what the report's Table 2 holds.

    Returns: a row a combination in the report's order, with the columns of `combination_table`.
    """
    last = history[(history["split"] == "train") & (history["epoch"] == history["epoch"].max())].set_index("subset")
    return (
        last.loc[combinations(int(len(last) + 1).bit_length() - 1)]
        .drop(columns=["epoch", "split", "beta", "seconds"])
        .rename_axis("given")
    )


class _Mean:
    """A running mean of tables of tensors."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.n = 0

    def add(self, batch: dict[str, Tensor], n: int) -> None:
        self.sums = {name: self.sums.get(name, 0) + value * n for name, value in batch.items()}
        self.n += n

    def value(self) -> dict[str, Tensor]:
        return {name: value / self.n for name, value in self.sums.items()}
