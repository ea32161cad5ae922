"""What a model's latent holds: posteriors, walks along an index, pictures rebuilt, and what a shipped model keeps of them."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.tables import check_match, combinations, members
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name, subsets

if TYPE_CHECKING:
    import pandas as pd


@torch.no_grad()
def posteriors(
    model: MVAE, triplets: Triplets, given: tuple[str, ...] | None = None, batch_size: int = 1000
) -> tuple[Tensor, Tensor]:
    """mu and logvar of q(z | given) for every triplet, in order: each ``[N, D]``. By default all modalities are given."""
    parts = []
    for x, _ in triplets.batches(batch_size, order_seed=None):
        q = model.posterior({name: x[name] for name in given or model.names})
        parts.append((q.mean, 2 * q.stddev.log()))
    mu, logvar = (torch.cat(part) for part in zip(*parts, strict=True))
    return mu, logvar


def latent_table(mu: Tensor, logvar: Tensor) -> "pd.DataFrame":
    """A row a latent index: KL (nats), aggregate posterior's mean and sd, variance of the posterior mean, active or not."""
    import pandas as pd

    return pd.DataFrame(
        {
            "kl": metrics.kl_per_dimension(mu, logvar),
            "mean": mu.mean(0),
            "sd": metrics.aggregate_sd(mu, logvar),
            "variance_of_mean": mu.var(0),
            "active": metrics.active_units(mu),
        }
    ).rename_axis("index")


def perturb(z: Tensor, index: int, amounts: Tensor) -> Tensor:
    """Copies of one latent with `amounts` added to one index: ``[D]``, ``[K]`` -> ``[K, D]``."""
    moved = z.repeat(len(amounts), 1)  # [D] -> [K, D]
    moved[:, index] += amounts
    return moved


@torch.no_grad()
def walk(model: MVAE, triplets: Triplets, place: int, index: int, amounts: Tensor) -> tuple[dict[str, Tensor], "pd.DataFrame"]:
    """Perturb one index of one triplet's joint posterior mean, step by step.

    Returns: the rebuilt modalities, each ``[K, features]``, and a row a step: split, place, index, amount, label read.
    """
    import pandas as pd

    moved = perturb(model.posterior(triplets.gather([place])[0]).mean[0], index, amounts)
    labels = model.label_decoder(moved).argmax(-1)
    rows = {"split": triplets.split, "place": place, "index": index, "amount": amounts, "label": labels}
    return model.rebuild(moved), pd.DataFrame(rows)


def walks(
    model: MVAE, triplets: Triplets, place: int, indices: dict[str, int], reach: float = 4.0, steps: int = 7
) -> tuple[dict[str, Tensor], "pd.DataFrame"]:
    """Several indices of one triplet, each by ±`reach` standard deviations of its own aggregate posterior.

    Args:
        indices: what each index is shown for -> the index.
    Returns: what `walk` does, index after index, with the columns factor and sd besides.
    """
    import pandas as pd

    sd, at = metrics.aggregate_sd(*posteriors(model, triplets)), torch.linspace(-reach, reach, steps)
    images, frames = [], []
    for factor, index in indices.items():
        rebuilt, frame = walk(model, triplets, place, index, at * sd[index])
        images.append(rebuilt)
        frames.append(frame.assign(factor=factor, sd=at.tolist()))
    together = {name: torch.cat([rebuilt[name] for rebuilt in images]) for name in model.names}  # [I * steps, features]
    return together, pd.concat(frames, ignore_index=True)


@torch.no_grad()
def label_sweep(model: MVAE, z: Tensor, amounts: Tensor) -> "pd.DataFrame":
    """Perturb every index of one latent in turn, and read the label off the label decoder.

    Args:
        z: ``[D]``.
        amounts: ``[K]``, or ``[D, K]``, each index its own.
    Returns: a row an index, most labels first: ``labels`` (how many appear along the sweep), ``changes``, ``first``, ``last``.
    """
    import pandas as pd

    own = amounts.expand(len(z), -1)  # [K] -> [D, K]
    labels = torch.stack([model.label_decoder(perturb(z, i, row)).argmax(-1) for i, row in enumerate(own)])  # -> [D, K]
    kinds, changes = metrics.labels_seen(labels)
    table = pd.DataFrame({"labels": kinds, "changes": changes, "first": labels[:, 0], "last": labels[:, -1]}).rename_axis("index")
    return table.sort_values(["labels", "changes"], ascending=False, kind="stable")


@torch.no_grad()
def strips(model: MVAE, triplets: Triplets, places: list[int], modality: str) -> tuple[dict[str, Tensor], "pd.DataFrame"]:
    """Some triplets' image of one script, rebuilt from every combination by the posterior mean, beside original and class mean.

    Returns: by row ("original", each combination, "class mean") the images ``[n, 784]``, and a row an image: split, given,
        place, label, metric (its BCE against the original in nats; for the original, the pixels' entropy).
    """
    import pandas as pd

    x, y = triplets.gather(places)
    images = {"original": x[modality]}
    for given in combinations(len(model.names)):
        images[given] = model.reconstruct({name: x[name] for name in members(model.names, given)})[modality]
    images["class mean"] = torch.tensor(model.card["class_means"][modality])[y].flatten(1)  # [n, *shape] -> [n, F]
    rows = []
    for given, strip in images.items():
        guess = strip.clamp(1e-4, 1 - 1e-4) if given == "class mean" else strip
        cost = F.binary_cross_entropy(guess, x[modality], reduction="none").sum(-1)  # [n, F] -> [n]
        rows.append(pd.DataFrame({"split": triplets.split, "given": given, "place": places, "label": y, "metric": cost}))
    return images, pd.concat(rows, ignore_index=True)


def information(model: MVAE, train: Triplets, seed: int = 0) -> Tensor:
    """Mutual information of each index with the digit, in nats, from one draw of every triplet's posterior: ``[D]``.

    Of draws, as the gap in Chen et al., arXiv:1802.04942, not of means: the mean of an index that the model does not use is near
    zero and still tells the digit apart, but no decoder hears it through the posterior's noise.
    """
    mu, logvar = posteriors(model, train)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed))
    return metrics.mutual_information(mu + (0.5 * logvar).exp() * noise, train.labels)


def describe(model: MVAE, triplets: Triplets, train: Triplets, per_digit: int = 4) -> dict[str, Any]:
    """What lets a shipped model be explored where there are no data: JSON values, no pixel and no sample among them.

    Args:
        triplets: what is described, and where the examples are from.
        train: what the mutual information is counted on: its labels choose what is shown of the others.
    Returns: ``latent``, columns of `latent_table`, and ``mi``, `information`; ``examples``: the first `per_digit` triplets of
        each digit, their place in the split, their labels, and the posterior mean of every combination, each ``[n, D]``.
    """
    check_match(model, triplets)
    check_match(model, train)
    table = latent_table(*posteriors(model, triplets)).assign(mi=information(model, train).numpy())
    place = torch.cat([(triplets.labels == digit).nonzero()[:per_digit, 0] for digit in range(model.spec.model.classes)])
    x, y = triplets.gather(place)
    means = {}
    for subset in subsets(len(model.names)):
        with torch.no_grad():
            q = model.posterior({model.names[i]: x[model.names[i]] for i in subset})
        means[subset_name(subset)] = [[round(v, 4) for v in row] for row in q.mean.tolist()]
    latent = {name: column.round(5).tolist() for name, column in table.items()}
    examples = {"split": triplets.split, "place": place.tolist(), "label": y.tolist(), "posterior_mean": means}
    return {"latent": latent, "examples": examples}
