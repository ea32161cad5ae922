"""Subsets of modalities, as tuples of indices. "m1,m3", the report's name of one, exists in tables alone."""

from itertools import combinations

import torch

Subset = tuple[int, ...]


def powerset(n: int) -> tuple[Subset, ...]:
    """Every non-empty subset of ``n`` modalities, small ones first: 2^n - 1 tuples of indices.

    >>> powerset(2)
    ((0,), (1,), (0, 1))
    """
    return tuple(subset for size in range(1, n + 1) for subset in combinations(range(n), size))


def sampled(n: int, k: int, generator: torch.Generator) -> tuple[Subset, ...]:
    """Each modality alone, `k` different subsets at random of those between, and all modalities: n + k + 1 at most.

    Source: Wu & Goodman, arXiv:1802.05335, equation 5: what a step costs no longer doubles with every modality.
    """
    between = 2**n - n - 2
    drawn: set[Subset] = set()
    while len(drawn) < min(k, between):
        row = tuple(torch.rand(n, generator=generator).lt(0.5).nonzero()[:, 0].tolist())
        if 1 < len(row) < n:
            drawn.add(row)
    return (*((i,) for i in range(n)), *sorted(drawn), *([tuple(range(n))] if n > 1 else []))


def subset_name(subset: Subset) -> str:
    """The report's name of a combination: ``(0, 2)`` -> ``"m1,m3"``."""
    return ",".join(f"m{i + 1}" for i in subset)


def parse_subset(name: str) -> Subset:
    """Inverse of `subset_name`: ``"m1,m3"`` -> ``(0, 2)``."""
    return tuple(int(part[1:]) - 1 for part in name.split(","))
