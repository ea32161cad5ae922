"""Measures of a model's beliefs: pure functions on tensors. N samples, D latent dimensions, C classes, K draws.

Every one is tested on hand-made cases whose answer is known (tests/test_metrics.py) before it is believed of a model.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Normal

# ------------------------------------------------------------------ posteriors


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """Mean KL to the prior of each index, in nats: posteriors ``[N, D]`` -> ``[D]``. An index at 0 is unused."""
    return 0.5 * (mu.square() + logvar.expm1() - logvar).mean(0)


def entropy(logvar: Tensor) -> Tensor:
    r"""Differential entropy of a diagonal Gaussian, in nats: ``[..., D]`` -> ``[...]``.

    .. math:: \tfrac12 \sum_d (1 + \log 2\pi + \log \sigma_d^2)
    """
    return 0.5 * (1 + math.log(2 * math.pi) + logvar).sum(-1)


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


def log_overlap(p: Normal, q: Normal) -> Tensor:
    r"""Log Bhattacharyya coefficient of diagonal Gaussians, in nats: 0 where they are one, else below. ``[..., D]`` -> ``[...]``.

    .. math:: \log \int \sqrt{p q} = -\sum_d \Big[ \frac{(\mu_p - \mu_q)^2}{4 (\sigma_p^2 + \sigma_q^2)}
              + \tfrac12 \log \frac{\sigma_p^2 + \sigma_q^2}{2 \sigma_p \sigma_q} \Big]

    Source: Bhattacharyya, Bulletin of the Calcutta Mathematical Society 35, 1943.
    """
    total = p.variance + q.variance
    apart = (p.mean - q.mean).square() / (4 * total)
    return -(apart + 0.5 * (total / (2 * p.stddev * q.stddev)).log()).sum(-1)  # [..., D] -> [...]


def labels_seen(labels: Tensor) -> tuple[Tensor, Tensor]:
    """How many labels appear along each sweep, and how often the label changes: int ``[D, K]`` -> ``[D]``, ``[D]``."""
    kinds = torch.nn.functional.one_hot(labels).any(1).sum(-1)  # [D, K] -> [D, K, C] -> [D]
    return kinds, (labels[:, 1:] != labels[:, :-1]).sum(-1)


# ------------------------------------------------------------------ likelihood


@torch.no_grad()
def log_likelihood(
    log_p_of: Callable[[Tensor], Tensor], q: Normal, draws: int, generator: torch.Generator, chunk: int = 50
) -> Tensor:
    r"""Importance-weighted estimate of log p(x), in nats a sample: a lower bound in expectation, tighter with each draw.

    .. math:: \log \frac1K \sum_k \frac{p(x | z_k)\, p(z_k)}{q(z_k | x)}, \qquad z_k \sim q(z | x)

    Args:
        log_p_of: z ``[k, N, D]`` -> log p(x | z), ``[k, N]``.
        q: the proposal, batch shape ``[N, D]``.
        draws: K; `chunk` of them at a time.
    Returns: ``[N]``.
    Source: Burda, Grosse & Salakhutdinov, arXiv:1509.00519, equation 8.
    """
    prior, total = Normal(0.0, 1.0), torch.full(q.mean.shape[:1], -torch.inf, device=q.mean.device)
    for start in range(0, draws, chunk):
        k = min(chunk, draws - start)
        noise = torch.randn(k, *q.mean.shape, generator=generator, device=q.mean.device)
        z = q.mean + q.stddev * noise  # [k, N, D]
        weight = log_p_of(z) + (prior.log_prob(z) - q.log_prob(z)).sum(-1)  # -> [k, N]
        total = torch.logaddexp(total, weight.logsumexp(0))  # -> [N]
    return total - math.log(draws)


# ------------------------------------------------------------------ labels


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    r"""Expected calibration error of the likeliest label: how far, on average, confidence is from accuracy. 0 is perfect.

    .. math:: \sum_b \frac{n_b}{N} \, | \mathrm{accuracy}_b - \mathrm{confidence}_b |

    over bins b of equal width in confidence.

    Args:
        probabilities: ``[N, C]``.
        labels: ``[N]``.
    Source: Guo et al., arXiv:1706.04599, equation 3.
    """
    confidence, guess = probabilities.double().max(-1)
    right, place = (guess == labels).double(), (confidence * bins).ceil().clamp(1, bins).long() - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(
        0, place, right - confidence
    )  # [N] -> [bins]: sums of the differences
    return float(gaps.abs().sum() / len(labels))


def agreement(labels: Tensor) -> float:
    """Joint coherence: the share of samples on whose label all readers agree. int ``[R, N]`` -> a fraction."""
    return float((labels == labels[0]).all(0).float().mean())


# ------------------------------------------------------------------ disentanglement


def _bins(codes: Tensor, bins: int) -> Tensor:
    """Each column in bins of equal width between its least and largest value: ``[N, D]`` -> int ``[N, D]``."""
    low, high = codes.amin(0), codes.amax(0)
    return ((codes - low) / (high - low).clamp(min=1e-12) * bins).long().clamp(max=bins - 1)


def mutual_information(codes: Tensor, factor: Tensor, bins: int = 20) -> Tensor:
    """Mutual information of each index with a factor, in nats, from counts in bins: ``[N, D]``, int ``[N]`` -> ``[D]``.

    Counting has a bias upwards, about (bins - 1)(values - 1) / 2N: hold it against `permuted`.
    """
    levels, kinds = _bins(codes, bins), int(factor.max()) + 1
    cells = levels * kinds + factor[:, None]  # [N, D]
    counts = torch.stack([torch.bincount(column, minlength=bins * kinds) for column in cells.T]).double()  # -> [D, bins * kinds]
    joint = (counts / len(codes)).view(-1, bins, kinds)
    independent = joint.sum(2, keepdim=True) * joint.sum(1, keepdim=True)
    return torch.where(joint > 0, joint * (joint / independent).log(), 0.0).sum((1, 2)).float()


def factor_entropy(factor: Tensor) -> float:
    """Entropy of a factor's values, in nats: int ``[N]``."""
    share = torch.bincount(factor).double() / len(factor)
    return float(torch.special.entr(share).sum())


def mig(information: Tensor, entropy_of_factor: float) -> float:
    """Mutual information gap: how much more the best index tells of a factor than the second best, as a share of its entropy.

    Source: Chen et al., arXiv:1802.04942, equation 6.
    """
    best = information.topk(2).values
    return float((best[0] - best[1]) / entropy_of_factor)


def centroid_accuracy(codes: Tensor, factor: Tensor) -> Tensor:
    """How well each index alone names the factor's value, by the nearest class mean: ``[N, D]``, int ``[N]`` -> ``[D]``."""
    means = torch.stack([codes[factor == value].mean(0) for value in range(int(factor.max()) + 1)])  # -> [C, D]
    nearest = (codes[:, None] - means).abs().argmin(1)  # [N, 1, D] - [C, D] -> [N, D]
    return (nearest == factor[:, None]).float().mean(0)


def sap(scores: Tensor) -> float:
    """Separated attribute predictability: the gap between the two indices that predict a factor best. ``[D]`` scores.

    Source: Kumar, Sattigeri & Balakrishnan, arXiv:1711.00848, section 4.
    """
    best = scores.topk(2).values
    return float(best[0] - best[1])


def dci(importance: Tensor) -> tuple[float, float]:
    """Disentanglement (does an index serve one factor?) and completeness (is a factor served by one index?), each 0 to 1.

    Args:
        importance: of each index in predicting each factor, not negative, ``[D, F]``.
    Source: Eastwood & Williams, ICLR 2018, section 2.
    """
    share = importance / importance.sum().clamp(min=1e-12)

    def lone(table: Tensor) -> Tensor:
        """1 - normalised entropy of each row: ``[R, V]`` -> ``[R]``."""
        rows = table / table.sum(1, keepdim=True).clamp(min=1e-12)
        return 1 - torch.special.entr(rows).sum(1) / math.log(table.shape[1])

    return float((lone(share) * share.sum(1)).sum()), float((lone(share.T) * share.sum(0)).sum())


def permuted(measure: Callable[[Tensor], Tensor], factor: Tensor, times: int, generator: torch.Generator) -> Tensor:
    """The null: a measure of the factor, when its values are dealt out at random. ``[times, ...]``."""
    return torch.stack([measure(factor[torch.randperm(len(factor), generator=generator)]) for _ in range(times)])
