"""What each combination of given modalities lets a model rebuild: tables, and the baselines under them.

Log-likelihoods are in nats per sample, summed over dimensions. Everything here asks a posterior for its mean, its samples and its
KL alone, so it is right for any fusion.
"""

from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mvae_lib import metrics
from mvae_lib.checks import check_match
from mvae_lib.fusion import noise_source
from mvae_lib.likelihoods import Bernoulli
from mvae_lib.model import MVAE, Plan
from mvae_lib.objectives import UNLABELLED, Averages, columns, terms
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import parse_subset, powerset, subset_name

REPORT_ORDER = ("m1", "m2", "m3", "m1,m2", "m2,m3", "m1,m3", "m1,m2,m3")
"""The order of combinations in the report's Table 2, and in everything here."""
CLASS_MEAN, GLOBAL_MEAN, FLOOR = "class mean (train)", "global mean (train)", "floor"


def combinations(n: int) -> list[str]:
    """Names of all combinations of `n` modalities, in the report's order where it has one."""
    return list(REPORT_ORDER) if n == 3 else [subset_name(subset) for subset in powerset(n)]


def members(names: tuple[str, ...], given: str) -> tuple[str, ...]:
    """The modalities of a combination: ``"m1,m3"`` of farsi, kannada, speech -> farsi, speech."""
    return tuple(names[i] for i in parse_subset(given))


@torch.no_grad()
def combination_table(
    model: MVAE, pairs: Pairs, z: Literal["sample", "mean"] = "sample", seed: int = 0, batch_size: int = 1000
) -> pd.DataFrame:
    """The report's Table 2: what each combination of given modalities lets the model rebuild.

    Args:
        z: one seeded draw from each posterior (what the report measured), or the posterior mean.
    Returns: a row a combination in the report's order, then baselines: ``class mean (train)`` (an oracle: told the label; not
        there without labels) and ``global mean (train)``. Columns: ``accuracy`` (a fraction), ``reported_bound`` (recon + CE +
        beta KL, at the beta reached: the report's "ELBO"), ``neg_elbo`` (recon + KL), the losses (``bce_*``, ``sse_*``),
        ``ce``, ``kl``; NaN where a baseline or unlabelled data have no such thing. ``.attrs`` says the data's source and split.
    Raises: ValueError for pairs of another recipe, or source, than the model's, or for none.
    """
    check_match(model, pairs)
    if z not in ("sample", "mean") or not len(pairs):
        raise ValueError(f"z is {z!r}, with {len(pairs)} tuples; it takes 'sample' or 'mean', and one tuple or more.")
    device, subsets, averages = model.device, powerset(len(model.names)), Averages()
    plan = Plan.of(subsets, len(model.names), "all", device)  # rebuild all, whatever the run trained for
    draw, latent, pairs = noise_source(seed, device), model.latent_size(pairs.gather([0])[0]), pairs.to(device)
    for index in pairs.order(batch_size, seed=None):
        (x, y), seen = pairs.gather(index), pairs.seen(index)
        out = model(x, draw(len(subsets), len(index), latent) if z == "sample" else None, plan, seen)
        averages.add(0.0, *terms(out, x, y, model, seen).means(), samples=len(y))
    rows = columns(averages.value()[1], model, model.beta)
    table = pd.DataFrame({name: value.tolist() for name, value in rows.items()}, index=[subset_name(each) for each in subsets])
    table = pd.concat([table.loc[combinations(len(model.names))], baselines(model, pairs, batch_size).drop(FLOOR)])
    table.attrs.update(source=pairs.source, split=pairs.split)
    return table.rename_axis("given")


def baselines(model: MVAE, pairs: Pairs, batch_size: int = 1000) -> pd.DataFrame:
    """What a guess costs that looks at no modality at all, and what no guess can go below.

    Returns: ``class mean (train)``: the training mean of the label, an oracle that is told it; ``global mean (train)``;
        and the floor, each sample as its own guess: 0 where pixels are black or white, the pixels' entropy where they are grey.
        Columns of `combination_table`; NaN in those that are not reconstructions. No class mean without labels.
    """
    averages, pairs = Averages(), pairs.to(model.device)
    for index in pairs.order(batch_size, seed=None):
        (x, y), seen = pairs.gather(index), pairs.seen(index)
        counted = [torch.stack([there & (y != UNLABELLED), there, there]) for there in seen]  # M of [3, B]
        counts, means = [each.sum(-1) for each in counted], {}
        for (name, value), each, count in zip(model.without_missing(x, seen).items(), counted, counts, strict=True):
            means[name] = _guesses(model, name, value, y).where(each, 0.0).sum(-1) / count.clamp(min=1)  # [3, B] -> [3]
        averages.add(0.0, means, torch.stack(counts), samples=len(y))
    none = torch.full((3,), torch.nan)
    values = columns({"accuracy": none, "ce": none, "kl": none} | averages.value()[1], model, model.beta)
    table = pd.DataFrame({name: value.tolist() for name, value in values.items()}, index=[CLASS_MEAN, GLOBAL_MEAN, FLOOR])
    return table if model.card["class_means"] else table.drop(CLASS_MEAN)


def _guesses(model: MVAE, name: str, x: Tensor, y: Tensor) -> Tensor:
    """Loss of the three baselines, of each sample of one modality: ``[3, B]``."""
    x, card, likelihood = x.flatten(1), model.card, model.likelihoods[name]
    overall = torch.tensor(card["global_means"][name], device=y.device).flatten().expand_as(x)  # [F] -> [B, F]
    known = bool(card["class_means"])
    by_class = torch.tensor(card["class_means"][name], device=y.device).flatten(1)[y] if known else overall  # [C, F] -> [B, F]
    guess = torch.stack([by_class, overall, x])
    if isinstance(likelihood, Bernoulli):
        guess[:2].clamp_(1e-4, 1 - 1e-4)  # a pixel never seen in training is not impossible: half of one in 5,000
    return likelihood.cost(guess, x)  # [3, B, F] -> [3, B]


def running_means(history: pd.DataFrame) -> pd.DataFrame:
    """A run's training means over its last epoch, sampled z, weights still moving: what the report's Table 2 holds.

    Returns: a row a combination in the report's order, with the columns of `combination_table`.
    """
    last = history[(history["split"] == "train") & (history["epoch"] == history["epoch"].max())].set_index("subset")
    rows = last.loc[combinations(int(len(last) + 1).bit_length() - 1)]
    return rows.drop(columns=["epoch", "split", "beta", "seconds", "objective"]).rename_axis("given")


@torch.no_grad()
def posteriors(model: MVAE, pairs: Pairs, given: tuple[str, ...] | None = None, batch_size: int = 1000) -> Any:
    """q(z | given) of every tuple, in order: a posterior over ``[N, D]``. By default all modalities are given."""
    batches = pairs.batches(batch_size, order_seed=None)
    found = [model.posterior({name: x[name] for name in given or model.names}) for x, _ in batches]
    return pytree.tree_map(lambda *parts: torch.cat(parts), *found)


Classifiers = dict[str, torch.nn.Module]  # By modality, x ``[N, F]`` -> logits; they never saw the model


@torch.no_grad()
def cross_modal_coherence(
    model: MVAE, pairs: Pairs, classifiers: Classifiers, z: Literal["sample", "mean"] = "mean", seed: int = 0
) -> pd.DataFrame:
    """The share of rebuilt samples that an independent classifier reads as the true label: given by rebuilt."""
    check_match(model, pairs)
    draw = noise_source(seed, pairs.rows.device)
    right = pd.DataFrame(0.0, index=pd.Index(combinations(len(model.names)), name="given"), columns=list(model.names))
    for x, y in pairs.batches(1000, order_seed=None):
        for given in right.index:
            q = model.posterior({name: x[name] for name in members(model.names, given)})
            latent = q.mean if z == "mean" else q.sample(draw(*q.mean.shape))
            for name, rebuilt in model.rebuild(latent).items():
                right.loc[given, name] += float((classifiers[name](rebuilt).argmax(-1) == y).sum())
    return right / len(pairs)


@torch.no_grad()
def prior_coherence(model: MVAE, classifiers: Classifiers, n: int = 10_000, seed: int = 0) -> float:
    """Joint coherence: the share of draws from the prior whose rebuilt views are all read as one label."""
    z = torch.randn(n, model.spec.model.latent, generator=torch.Generator().manual_seed(seed))
    read = [classifiers[name](rebuilt).argmax(-1) for name, rebuilt in model.rebuild(z).items()]
    return metrics.agreement(torch.stack(read))  # M of [n] -> [M, n]
