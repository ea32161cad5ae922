"""Measures of a latent space: pure functions on tensors. N samples, D latent dimensions."""

import torch
from torch import Tensor


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """Mean KL to the prior of each index, in nats: posteriors ``[N, D]`` -> ``[D]``. An index at 0 is unused."""
    return 0.5 * (mu.square() + logvar.expm1() - logvar).mean(0)


def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Which indices move with the input: variance of the posterior mean above `threshold`. ``[N, D]`` -> bool ``[D]``.

    Source: Burda, Grosse & Salakhutdinov, arXiv:1509.00519, section 5.2.
    """
    return mu.var(0) > threshold


def aggregate_sd(mu: Tensor, logvar: Tensor) -> Tensor:
    """Standard deviation of each index under the aggregate posterior, the mixture of all q(z|x): ``[N, D]`` -> ``[D]``.

    The law of total variance: the mean of the variances plus the variance of the means.
    """
    return (logvar.exp().mean(0) + mu.var(0, correction=0)).sqrt()


def labels_seen(labels: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels appear along each sweep, and how often the label changes: int ``[D, K]`` -> ``[D]``, ``[D]``."""
    kinds = torch.nn.functional.one_hot(labels).any(1).sum(-1)  # [D, K] -> [D, K, C] -> [D]
    return kinds, (labels[:, 1:] != labels[:, :-1]).sum(-1)
