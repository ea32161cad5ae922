"""The terms of an objective, and the objective that sums them over subsets.

An objective is a plain function ``(pass, terms, beta) -> scalar``. Losses and divergences are in nats per sample, summed over
features or latent dimensions. S subsets, B samples, S_m the subsets that rebuild modality m.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mvae_lib.model import MVAE, Pass

UNLABELLED = -1  # The label of a sample that has none: it has no part in cross-entropy and accuracy


@dataclass(frozen=True)
class Terms:
    """Every term of an objective, for each subset and sample. What a sample lacks costs 0 and is not counted."""

    recon: dict[str, Tensor]  # By modality, without coefficient: ``[S_m, B]``
    ce: Tensor  # Cross-entropy of the label, ``[S, B]``
    kl: Tensor  # KL to the prior, ``[S, B]``
    correct: Tensor  # Is the likeliest label the right one? ``[S, B]``, float
    weights: dict[str, float]  # Coefficient of each modality's reconstruction
    label_weight: float
    counted: dict[str, Tensor]  # By term, which samples count, bool ``[S, B]`` (``[S_m, B]``)
    rows: dict[str, Tensor | slice]  # By modality, the rows that rebuild it

    def means(self) -> tuple[dict[str, Tensor], Tensor]:
        """Batch means by term, ``[S]``, NaN where a subset does not rebuild it; of how many samples each is, ``[T, S]``."""
        terms = {"accuracy": self.correct, "ce": self.ce, "kl": self.kl, **self.recon}
        counts = {name: self.counted[name].sum(-1).float() for name in terms}
        means = {name: self._in_rows(name, value.sum(-1) / counts[name].clamp(min=1)) for name, value in terms.items()}
        return means, torch.stack([self._in_rows(name, count) for name, count in counts.items()])

    def _in_rows(self, name: str, value: Tensor) -> Tensor:
        if name not in self.rows:
            return value
        whole = self.kl.new_full(self.kl.shape[:1], torch.nan)
        whole[self.rows[name]] = value  # [S_m], into [S]
        return whole


def terms(out: Pass, x: dict[str, Tensor], y: Int[Tensor, "B"], model: MVAE, seen: Bool[Tensor, "M B"] | None = None) -> Terms:
    """Compare what came out of a pass with what went in: the samples, and their labels, `UNLABELLED` where there is none.

    A subset counts where a sample has all of it (`seen`; None: everything), a target where the sample has that too.
    """
    rows = dict(zip(model.names, out.plan.rebuilds, strict=True))
    seen = torch.ones(len(rows), len(y), dtype=torch.bool, device=y.device) if seen is None else seen
    x = model.without_missing(x, seen)
    recon = {name: model.likelihoods[name].loss(output, x[name].flatten(1)) for name, output in out.outputs.items()}
    kl = out.posterior.kl_to_prior()
    ce = correct = torch.zeros_like(kl)
    if out.logits is not None:
        labels = y.expand(out.logits.shape[:2])
        ce = F.cross_entropy(out.logits.movedim(-1, 1), labels, reduction="none", ignore_index=UNLABELLED)  # -> [S, B]
        correct = (out.logits.argmax(-1) == y).float()
    there = (seen | ~out.plan.present[..., None]).all(1)  # [S, M, B] -> [S, B]
    labelled = there & (y != UNLABELLED)
    counted = {"accuracy": labelled, "ce": labelled, "kl": there}
    counted |= {name: there[rows[name]] & has for name, has in zip(model.names, seen, strict=True)}
    recon = {name: loss.where(counted[name], 0.0) for name, loss in recon.items()}
    ce, kl, correct = (v.where(counted[name], 0.0) for name, v in (("ce", ce), ("kl", kl), ("accuracy", correct)))
    weights = {name: model.likelihoods[name].weight for name in model.names}
    return Terms(recon, ce, kl, correct, weights, model.spec.train.label_weight, counted, rows)


Objective = Callable[[Pass, Terms, Tensor], Tensor]


def powerset_objective(out: Pass, t: Terms, beta: Float[Tensor, ""]) -> Float[Tensor, ""]:
    r"""The loss of one batch: mean over samples of the sum over subsets.

    .. math:: \sum_{X \in \mathcal P(x_1 \ldots x_N)} \Big[ \sum_{m \in T(X)} w_m \, \mathrm{recon}_m
              + \lambda \, \mathrm{CE}(y) + \beta \, KL(q(z|X) \,\|\, N(0, I)) \Big]

    T(X) is every modality (``rebuild="all"``) or X itself (``"given"``): the plan of the pass says which. The label's weight,
    lambda, is 1 in the report.
    Source: the report, section 4.2.1; Wu & Goodman, arXiv:1802.05335, equation 6; the whole powerset as in
    Sutter et al., arXiv:2105.02470.
    """
    total = (t.label_weight * t.ce + beta * t.kl).sum(0)  # [S, B] -> [B]
    for name, loss in t.recon.items():
        total = total + t.weights[name] * loss.sum(0)  # [S_m, B] -> [B]
    return total.mean()


OBJECTIVES: dict[str, Objective] = {"powerset": powerset_objective}  # What `TrainSpec.objective` names.


def columns(means: dict[str, Tensor], model: MVAE, beta: float) -> dict[str, Tensor]:
    """Means by term -> the results table's columns, each ``[S]``, in its order (see `tables.combination_table`).

    A modality that a subset does not rebuild (NaN) has no part in its sums. Both bounds are without the constants of a Gaussian
    likelihood, F/2 log(pi / w) nats for F features and coefficient w (-22.5 for 13 and 100): compare none across coefficients, or
    across views of speech.
    """
    recon = torch.stack([model.likelihoods[name].weight * means[name] for name in model.names]).nansum(0)  # [M, S] -> [S]
    losses = {f"{model.likelihoods[name].metric}_{name}": means[name] for name in model.names}
    kl, unlabelled = means["kl"], model.label_decoder is None
    accuracy, ce = (means[name] * torch.nan if unlabelled else means[name] for name in ("accuracy", "ce"))
    bounds = {"reported_bound": recon + ce.nan_to_num() + beta * kl, "neg_elbo": recon + kl}
    return {"accuracy": accuracy, **bounds, **losses, "ce": ce, "kl": kl}


class Averages:
    """Running means over batches of any size. Nothing here waits for a device until `value`."""

    names: tuple[str, ...] = ()
    sums: Sequence[Tensor | float] = (0.0, 0.0, 0.0, 0.0)  # Of objectives; samples; terms, ``[T, S]``; and how many, ``[T, S]``

    def add(self, objective: Tensor | float, means: dict[str, Tensor], count: Tensor, samples: int) -> None:
        """One batch of some samples: its objective, and what `Terms.means` gives."""
        self.names, stacked = tuple(means), torch.stack(tuple(means.values()))  # T of [S] -> [T, S]
        more = (objective * samples, samples, stacked * count, count)
        self.sums = [total + each for total, each in zip(self.sums, more, strict=True)]

    def value(self, reduce: Callable[[Tensor], Any] | None = None) -> tuple[float, dict[str, Tensor]]:
        """The objective; means by term, ``[S]``, NaN where nothing was counted. `reduce` adds up, in place, over processes."""
        objective, samples, total, count = sums = [torch.as_tensor(each).float() for each in self.sums]
        if reduce is not None:
            for each in sums:
                reduce(each)
        return float(objective / samples), dict(zip(self.names, total / count, strict=True))
