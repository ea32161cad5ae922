"""What a model's latent holds: its dimensions, walks along them, and what is rebuilt from each combination."""

from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mvae_lib import MVAE, Gaussian, metrics, tables
from mvae_lib.fusion import noise_source
from mvae_lib.pairs import Pairs

STEPS = torch.cat([torch.arange(-50, 0), torch.arange(1, 51)]) / 50
"""The report's hundred, as shares of the reach: -1500, -1470, ..., -30, 30, ..., 1500 of 1500."""
Images = dict[str, Float[Tensor, "_ _"]]  # by modality, or by what one modality was rebuilt from


def gaussian(posterior: Any) -> Gaussian:
    """The posterior, where its variances are asked for. ValueError: it is no Gaussian."""
    if not isinstance(posterior, Gaussian):
        raise ValueError(f"This takes a Gaussian posterior, with a variance a dimension; it is a {type(posterior).__name__}.")
    return Gaussian(posterior.mu, 2 * posterior.stddev.log())  # by way of the sd: the committed tables' last digits


def drawn(model: MVAE, pairs: Pairs) -> Float[Tensor, "N D"]:
    """One seeded draw from every tuple's posterior."""
    q = tables.posteriors(model, pairs)
    return (gaussian(q) if isinstance(q, Gaussian) else q).sample(noise_source(0)(*q.mean.shape))


def latent_table(posterior: Any) -> pd.DataFrame:
    """A row a latent dimension: KL (nats), mean and sd of the aggregate posterior, variance of the posterior mean, active or not.
    `posterior`: over ``[N, D]``, as `tables.posteriors` gives it. ValueError: it is no Gaussian."""
    mu, logvar = gaussian(posterior)
    columns = {"kl": metrics.kl_per_dimension(mu, logvar), "mean": mu.mean(0), "sd": metrics.aggregate_sd(mu, logvar)}
    return pd.DataFrame(columns | {"variance_of_mean": mu.var(0), "active": metrics.active_units(mu)}).rename_axis("index")


def perturb(z: Float[Tensor, "D"], dimension: int, amounts: Float[Tensor, "K"]) -> Float[Tensor, "K D"]:
    """Copies of one latent with `amounts` added to one dimension."""
    moved = z.repeat(len(amounts), 1)  # [D] -> [K, D]
    moved[:, dimension] += amounts
    return moved


@torch.no_grad()
def walk(model: MVAE, pairs: Pairs, place: int, dimension: int, amounts: Float[Tensor, "K"]) -> tuple[Images, pd.DataFrame]:
    """Perturb one dimension of one tuple's joint posterior mean, step by step.
    The rebuilt modalities, each ``[K, F]``, and a row a step: split, place, index (of the dimension), amount, label read."""
    moved = perturb(model.posterior(pairs.gather([place])[0]).mean[0], dimension, amounts)
    rows = {"split": pairs.split, "place": place, "index": dimension, "amount": amounts, "label": model.logits(moved).argmax(-1)}
    return model.rebuild(moved), pd.DataFrame(rows)


def walks(model: MVAE, pairs: Pairs, place: int, dimensions: dict[str, int]) -> tuple[Images, pd.DataFrame]:
    """`walk` along several dimensions (what each is shown for -> which), seven steps of ± 4 sd of its aggregate posterior each.
    One after the other, with the columns factor and sd besides."""
    sd, at = metrics.aggregate_sd(*gaussian(tables.posteriors(model, pairs))), torch.linspace(-4, 4, 7)
    images, frames = zip(*(walk(model, pairs, place, which, at * sd[which]) for which in dimensions.values()), strict=True)
    frames = [frame.assign(factor=factor, sd=at.tolist()) for factor, frame in zip(dimensions, frames, strict=True)]
    return {name: torch.cat([each[name] for each in images]) for name in model.names}, pd.concat(frames, ignore_index=True)


@torch.no_grad()
def label_sweep(model: MVAE, z: Float[Tensor, "D"], amounts: Float[Tensor, "*D K"]) -> pd.DataFrame:
    """Perturb every dimension of one latent in turn, each by the same `amounts` or by its own, and read off the label.
    A row a dimension, most labels first: how many appear along the sweep, how often the label changes, the first, the last."""
    each = enumerate(amounts.expand(len(z), -1))  # [K] -> [D, K]
    labels = torch.stack([model.logits(perturb(z, i, row)).argmax(-1) for i, row in each])  # -> [D, K]
    kinds, changes = metrics.labels_seen(labels)
    table = pd.DataFrame({"labels": kinds, "changes": changes, "first": labels[:, 0], "last": labels[:, -1]}).rename_axis("index")
    return table.sort_values(["labels", "changes"], ascending=False, kind="stable")


def images_of(model: MVAE) -> list[str]:
    """The modalities that are images: those whose loss is a cross-entropy of pixels."""
    return [name for name in model.names if model.likelihoods[name].metric == "bce"]


@torch.no_grad()
def rebuilt_images(model: MVAE, x: dict[str, Tensor], y: Int[Tensor, "B"], target: str) -> Images:
    """One modality of some tuples, each ``[B, F]``: "original"; from every combination, by the posterior mean; "class mean"."""
    images = {"original": x[target].flatten(1)}
    for given in tables.combinations(len(model.names)):
        images[given] = model.reconstruct({name: x[name] for name in tables.members(model.names, given)})[target]
    return images | {"class mean": torch.tensor(model.card["class_means"][target], dtype=torch.float32).flatten(1)[y]}


def reconstruction_grid(model: MVAE, pairs: Pairs, places: list[int], modality: str) -> tuple[Images, pd.DataFrame]:
    """`rebuilt_images` of some tuples, and a row an image: split, given (what from), place, label, metric.
    The metric is its loss against the original, in nats; of the original, for an image, the pixels' entropy."""
    x, y = pairs.gather(places)
    images, frames, likelihood = rebuilt_images(model, x, y, modality), [], model.likelihoods[modality]
    for given, image in images.items():
        sure = given == "class mean" and likelihood.metric == "bce"  # of pixels that are always paper
        cost = likelihood.cost(image.clamp(1e-4, 1 - 1e-4) if sure else image, images["original"])
        frames.append(pd.DataFrame({"split": pairs.split, "given": given, "place": places, "label": y, "metric": cost}))
    return images, pd.concat(frames, ignore_index=True)
