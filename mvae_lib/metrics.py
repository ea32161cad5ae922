"""Measures of a model's posteriors and beliefs: pure functions on tensors. N samples, D latent dimensions, C classes, K draws.

Every one is tested on hand-made cases whose answer is known (tests/test_metrics.py) before it is believed of a model.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mvae_lib.fusion import Gaussian


def kl_per_dimension(mu: Float[Tensor, "N D"], logvar: Float[Tensor, "N D"]) -> Float[Tensor, "D"]:
    """Mean KL to the prior of each latent dimension, in nats. A dimension at 0 is unused."""
    return 0.5 * (mu.square() + logvar.expm1() - logvar).mean(0)


def entropy(logvar: Float[Tensor, "*N D"]) -> Float[Tensor, "*N"]:
    r"""Differential entropy of a diagonal Gaussian, in nats: :math:`\tfrac12 \sum_d (1 + \log 2\pi + \log \sigma_d^2)`."""
    return 0.5 * (1 + math.log(2 * math.pi) + logvar).sum(-1)


def active_units(mu: Float[Tensor, "N D"], threshold: float = 0.01) -> Bool[Tensor, "D"]:
    """Which dimensions move with the input: variance of the posterior mean above `threshold`.

    Source: Burda, Grosse & Salakhutdinov, arXiv:1509.00519, section 5.2.
    """
    return mu.var(0) > threshold


def aggregate_sd(mu: Float[Tensor, "N D"], logvar: Float[Tensor, "N D"]) -> Float[Tensor, "D"]:
    """Standard deviation of each dimension under the aggregate posterior, the mixture of all q(z|x).

    The law of total variance: the mean of the variances plus the variance of the means.
    """
    return (logvar.exp().mean(0) + mu.var(0, correction=0)).sqrt()


def log_overlap(p: Gaussian, q: Gaussian) -> Tensor:
    r"""Log Bhattacharyya coefficient of diagonal Gaussians, in nats: 0 where they are one, else below. ``[..., D]`` -> ``[...]``.

    .. math:: \log \int \sqrt{p q} = -\sum_d \Big[ \frac{(\mu_p - \mu_q)^2}{4 (\sigma_p^2 + \sigma_q^2)}
              + \tfrac12 \log \frac{\sigma_p^2 + \sigma_q^2}{2 \sigma_p \sigma_q} \Big]

    Source: Bhattacharyya, Bulletin of the Calcutta Mathematical Society 35, 1943.
    """
    total = p.stddev.square() + q.stddev.square()
    apart = (p.mean - q.mean).square() / (4 * total)
    return -(apart + 0.5 * (total / (2 * p.stddev * q.stddev)).log()).sum(-1)  # [..., D] -> [...]


def labels_seen(labels: Int[Tensor, "D K"]) -> tuple[Int[Tensor, "D"], Int[Tensor, "D"]]:
    """How many labels appear along each sweep of K steps, and how often the label changes."""
    kinds = torch.nn.functional.one_hot(labels).any(1).sum(-1)  # [D, K] -> [D, K, C] -> [D]
    return kinds, (labels[:, 1:] != labels[:, :-1]).sum(-1)


@torch.no_grad()
def log_likelihood(
    log_p_of: Callable[[Tensor], Tensor],
    mean: Float[Tensor, "N D"],
    root: Float[Tensor, "N D D"],
    draws: int,
    generator: torch.Generator,
    chunk: int = 50,
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
    r"""Importance-weighted estimate of log p(x), in nats a sample, and the effective sample size of its draws, 1 to K.
    A lower bound in expectation, tighter with each draw; by the delta method about 1 / (2 ESS) too low, of sd 1 / sqrt(ESS).

    .. math:: \log \frac1K \sum_k w_k, \quad w_k = \frac{p(x | z_k)\, p(z_k)}{q(z_k | x)}, \quad z_k \sim q(z | x);
              \qquad \mathrm{ESS} = \frac{(\sum_k w_k)^2}{\sum_k w_k^2}

    Args:
        log_p_of: z ``[k, N, D]`` -> log p(x | z), ``[k, N]``.
        mean, root: of the proposal, a Gaussian of covariance root root^T.
        draws: K; `chunk` of them at a time.
    Sources: Burda, Grosse & Salakhutdinov, arXiv:1509.00519, equation 8; Kong, Technical Report 348, University of Chicago, 1992.
    """
    volume, weights = torch.linalg.slogdet(root).logabsdet, []
    for start in range(0, draws, chunk):
        noise = torch.randn(min(chunk, draws - start), *mean.shape, generator=generator)  # [k, N, D]
        z = mean + torch.einsum("nij,knj->kni", root, noise)
        weights.append(log_p_of(z) + 0.5 * (noise.square() - z.square()).sum(-1) + volume)  # -> [k, N]
    weight = torch.cat(weights)
    total = weight.logsumexp(0)  # -> [N]
    return total - math.log(draws), (2 * total - (2 * weight).logsumexp(0)).exp()


def calibration_error(probabilities: Float[Tensor, "N C"], labels: Int[Tensor, "N"], bins: int = 15) -> float:
    r"""Expected calibration error of the likeliest label: how far, on average, confidence is from accuracy. 0 is perfect.

    .. math:: \sum_b \frac{n_b}{N} \, | \mathrm{accuracy}_b - \mathrm{confidence}_b |

    over bins b of equal width in confidence. Source: Guo et al., arXiv:1706.04599, equation 3.
    """
    confidence, guess = probabilities.double().max(-1)
    right, place = (guess == labels).double(), (confidence * bins).ceil().clamp(1, bins).long() - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, place, right - confidence)  # [N] -> [bins]: sums of differences
    return float(gaps.abs().sum() / len(labels))


def agreement(labels: Int[Tensor, "R N"]) -> float:
    """Joint coherence: the share of samples on whose label all R classifiers agree."""
    return float((labels == labels[0]).all(0).float().mean())
