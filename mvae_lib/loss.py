"""The terms of the objective, and the objective that sums them over subsets.

Log-likelihoods and divergences are in nats per sample, summed over dimensions. S subsets, B samples, D latent dimensions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli, Distribution

from mvae_lib.poe import Stack
from mvae_lib.spec import Modality


def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""KL divergence from the posterior to the prior, in nats per sample.

    .. math:: KL[N(\mu, \sigma^2) \,\|\, N(0, I)] = \tfrac12 \sum_d (\mu_d^2 + \sigma_d^2 - \log \sigma_d^2 - 1)

    Args:
        mu, logvar: posterior parameters, ``[..., D]``.
    Returns: ``[...]``, never negative (``expm1``: ``exp(v) - v - 1`` dips below zero in float32 near ``v = 0``).
    Source: Kingma & Welling, arXiv:1312.6114, appendix B.
    """
    return 0.5 * (mu.square() + logvar.expm1() - logvar).sum(-1)  # [..., D] -> [...]


def reconstruction_loss(rebuilt: Distribution, x: Tensor) -> Tensor:
    r"""How far a rebuilt modality is from the sample, without its coefficient.

    Bernoulli: the binary cross-entropy :math:`-\sum_j x_j \log p_j + (1 - x_j) \log(1 - p_j)`, in nats; in the logits
    :math:`l_j` that is :math:`\sum_j \mathrm{softplus}(l_j) - x_j l_j`. Pixels stay grey, so its floor is not 0 but the pixels'
    own entropy. Gaussian: the **sum** of squared errors (the report's "MSE" column).

    Args:
        rebuilt: batch shape ``[..., B, F]``.
        x: the sample, ``[B, F]``; a Bernoulli's in [0, 1].
    Returns: ``[..., B]``.
    """
    if isinstance(rebuilt, Bernoulli):
        return (F.softplus(rebuilt.logits) - x * rebuilt.logits).sum(-1)  # [..., B, F] -> [..., B]
    return (x - rebuilt.mean).square().sum(-1)  # [..., B, F] -> [..., B]


@dataclass(frozen=True)
class Terms:
    """Every term of the objective, for each subset and sample."""

    recon: dict[str, Tensor]
    """By modality, without coefficient: ``[S_m, B]``, S_m the subsets that must rebuild it."""
    ce: Tensor
    """Cross-entropy of the label, ``[S, B]``."""
    kl: Tensor
    """KL to the prior, ``[S, B]``."""
    correct: Tensor
    """Is the likeliest label the right one? ``[S, B]``, float."""
    stack: Stack

    def means(self) -> dict[str, Tensor]:
        """Batch means by table column, each ``[S]``; NaN where a subset does not rebuild a modality."""
        columns = {"accuracy": self.correct.mean(-1), "ce": self.ce.mean(-1), "kl": self.kl.mean(-1)}
        for (name, loss), rows in zip(self.recon.items(), self.stack.rebuilds, strict=True):
            columns[name] = torch.full_like(columns["kl"], torch.nan)
            columns[name][rows] = loss.mean(-1)  # [S_m, B] -> [S_m], into [S]
        return columns


def columns(means: dict[str, Tensor], modalities: tuple[Modality, ...], beta: float) -> dict[str, Tensor]:
    """Means by term -> the results table's columns, each ``[S]``, in its order.

    ``reported_bound`` is the report's "ELBO" column: reconstruction with coefficients + CE + beta KL. ``neg_elbo`` is
    reconstruction + KL: beta 1, no label term. A modality that a subset does not rebuild (NaN) has no part in its sums.
    """
    recon = torch.stack([m.weight * means[m.name] for m in modalities]).nansum(0)  # [M, S] -> [S]
    names = {("bce_" if m.likelihood == "bernoulli" else "sse_") + m.name: means[m.name] for m in modalities}
    bound, neg_elbo = recon + means["ce"] + beta * means["kl"], recon + means["kl"]
    return {
        "accuracy": means["accuracy"],
        "reported_bound": bound,
        "neg_elbo": neg_elbo,
        **names,
        "ce": means["ce"],
        "kl": means["kl"],
    }


def terms(
    mu: Tensor, logvar: Tensor, rebuilt: dict[str, Distribution], logits: Tensor, x: dict[str, Tensor], y: Tensor, stack: Stack
) -> Terms:
    """Compare what came out with what went in.

    Args:
        mu, logvar: the products, ``[S, B, D]``.
        rebuilt: by modality, batch shape ``[S_m, B, F]``.
        logits: of the label, ``[S, B, classes]``.
        x, y: the samples ``[B, *shape]`` and the labels ``[B]``.
        stack: the pass that they came from.
    """
    return Terms(
        recon={name: reconstruction_loss(p, x[name].flatten(1)) for name, p in rebuilt.items()},
        ce=F.cross_entropy(logits.movedim(-1, 1), y.expand(logits.shape[:2]), reduction="none"),  # -> [S, B]
        kl=kl_to_prior(mu, logvar),
        correct=(logits.argmax(-1) == y).float(),
        stack=stack,
    )


def objective(t: Terms, modalities: tuple[Modality, ...], beta: float | Tensor, label_weight: float = 1.0) -> Tensor:
    r"""The loss of one batch: mean over samples of the sum over subsets.

    .. math:: \sum_{X \in \mathcal P(x_1 \ldots x_N)} \Big[ \sum_{m \in T(X)} w_m \, \mathrm{recon}_m
              + \lambda \, \mathrm{CE}(y) + \beta \, KL(q(z|X) \,\|\, N(0, I)) \Big]

    T(X) is every modality (``rebuild="all"``) or X itself (``"given"``): `Terms.stack` says which. The label's weight,
    lambda, is 1 in the report.
    Source: the report, section 4.2.1; Wu & Goodman, arXiv:1802.05335, equation 6; the whole powerset as in
    Sutter et al., arXiv:2105.02470.
    """
    total = (label_weight * t.ce + beta * t.kl).sum(0)  # [S, B] -> [B]
    for modality in modalities:
        total = total + modality.weight * t.recon[modality.name].sum(0)  # [S_m, B] -> [B]
    return total.mean()
