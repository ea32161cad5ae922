"""Subsets of modalities, and the product of experts. Pure functions: no module, no state.

Letters in shapes: M modalities, S subsets, B samples, D latent dimensions.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor


def subsets(n: int) -> tuple[tuple[int, ...], ...]:
    """Every non-empty subset of ``n`` modalities, small ones first: 2^n - 1 tuples of indices.

    >>> subsets(2)
    ((0,), (1,), (0, 1))
    """
    return tuple(subset for size in range(1, n + 1) for subset in combinations(range(n), size))


def subset_name(subset: tuple[int, ...]) -> str:
    """The report's name of a combination: ``(0, 2)`` -> ``"m1,m3"``."""
    return ",".join(f"m{i + 1}" for i in subset)


def presence_table(rows: tuple[tuple[int, ...], ...], n: int) -> Tensor:
    """One row a subset, True where it holds the modality: bool ``[S, n]``."""
    return torch.tensor([[i in row for i in range(n)] for row in rows])


def sampled_subsets(n: int, k: int, generator: torch.Generator) -> tuple[tuple[int, ...], ...]:
    """Each modality alone, `k` different subsets at random of those between, and all modalities: n + k + 1 at most.

    Source: Wu & Goodman, arXiv:1802.05335, equation 5: what a step costs no longer doubles with every modality.
    """
    between = 2**n - n - 2
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < min(k, between):
        row = tuple(torch.rand(n, generator=generator).lt(0.5).nonzero()[:, 0].tolist())
        if 1 < len(row) < n:
            drawn.add(row)
    return (*((i,) for i in range(n)), *sorted(drawn), *([tuple(range(n))] if n > 1 else []))


@dataclass(frozen=True)
class Stack:
    """What one stacked pass does, a row a subset: which modalities the row is given, and which it rebuilds."""

    subsets: tuple[tuple[int, ...], ...]
    present: Tensor
    """Given: bool ``[S, M]``."""
    rebuilds: tuple[Tensor | slice, ...]
    """By modality, the rows that rebuild it: their numbers, int64 ``[S_m]``, or all of them (a slice, which copies nothing)."""


def stack(rows: tuple[tuple[int, ...], ...], n: int, rebuild: Literal["all", "given"], device: torch.device | str) -> Stack:
    """The pass over some subsets of `n` modalities; each rebuilds every modality, or the given ones."""
    present = presence_table(rows, n)
    given = (column.nonzero()[:, 0].to(device, non_blocking=True) for column in present.unbind(1))  # M of [S] -> M of [S_m]
    rebuilds = tuple(given) if rebuild == "given" else (slice(None),) * n
    return Stack(rows, present.to(device, non_blocking=True), rebuilds)


def product_of_experts(mu: Tensor, logvar: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    r"""Multiply the Gaussian experts that are present, and the prior expert N(0, I), into one Gaussian.

    .. math:: q(z|X) \propto \mathcal N(0, I) \prod_{i \in X} \mathcal N(\mu_i, \sigma_i^2), \qquad
              \mu = \sum_i w_i \mu_i, \quad w = \mathrm{softmax}_i(-\log\sigma_i^2), \quad
              \log\sigma^2 = -\mathrm{logsumexp}_i(-\log\sigma_i^2)

    with i over the experts present and the prior (mu 0, logvar 0). Precisions add; each is only ever formed as a share of the
    largest, so nothing overflows and no epsilon is needed. A missing expert has log-precision -inf: neither its values (NaN
    too) nor its gradient reach the product. No expert at all gives the prior.

    Args:
        mu, logvar: the experts, ``[M, B, D]``.
        present: bool. ``[S, M]``: a table, one product a row; ``[M]``: one product; ``[M, B]``: presence per sample;
            ``[S, M, B]``: both at once.
    Returns: mu and logvar, ``[S, B, D]`` for a table, else ``[B, D]``.
    Raises:
        ValueError: for a `present` of another type or shape; also for ``[M, M]`` when B = M, which could be read both ways.
    Source: Hinton, Neural Computation 14(8), 2002; Wu & Goodman, arXiv:1802.05335, section 2 (with the prior expert).
    """
    mask = _mask(present, mu).unsqueeze(-1)  # -> [S, M, B or 1, 1]
    log_precision = torch.where(mask, -logvar, -torch.inf)  # [M, B, D] -> [S, M, B, D]
    largest = log_precision.amax(dim=1).clamp(min=0).detach()  # -> [S, B, D]; the prior's is 0
    relative = (log_precision - largest.unsqueeze(1)).exp()  # precisions over the largest: 0 to 1
    total = relative.sum(dim=1) + (-largest).exp()  # [S, M, B, D] -> [S, B, D]; the prior's is the last
    joint_mu = (relative * torch.where(mask, mu, 0.0)).sum(dim=1) / total  # [S, M, B, D] -> [S, B, D]; the prior's mean is 0
    joint_logvar = -(largest + total.log())
    is_table = present.ndim == 3 or present.shape[1:] == mu.shape[:1]
    return (joint_mu, joint_logvar) if is_table else (joint_mu[0], joint_logvar[0])


def _mask(present: Tensor, mu: Tensor) -> Tensor:
    """The four forms of `present` -> ``[S, M, B or 1]``."""
    m, b = mu.shape[:2]
    form = tuple(present.shape) if present.dtype == torch.bool else None
    if form == (m, m) and m == b > 1:
        raise ValueError(
            f"present {list(present.shape)} with {m} experts and {b} samples could be a table or presence per sample; "
            f"say which: table.unsqueeze(-1) is [S, M, 1], per_sample.unsqueeze(0) is [1, M, B]."
        )
    if form == (m,):
        return present[None, :, None]  # [M] -> [1, M, 1]
    if form and form[1:] == (m,):
        return present.unsqueeze(-1)  # [S, M] -> [S, M, 1]
    if form == (m, b):
        return present.unsqueeze(0)  # [M, B] -> [1, M, B]
    if form and form[1:] in ((m, 1), (m, b)):
        return present
    raise ValueError(
        f"present is {present.dtype} {list(present.shape)}; with experts {list(mu.shape)} it takes bool "
        f"[{m}], [S, {m}], [{m}, {b}] or [S, {m}, {b}]."
    )
