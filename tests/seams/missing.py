"""Data: half of the modalities missing at random, NaN where they are, and the same ones in every epoch."""

from dataclasses import replace

import torch

from mvae_lib.pairs import Pairs


def at_random(pairs: Pairs, share: float, seed: int = 0) -> Pairs:
    """The pairs without `share` of each pool; float pools hold NaN there, grey ones noise."""
    generator = torch.Generator().manual_seed(seed)
    present = {name: torch.rand(len(pool), generator=generator) >= share for name, pool in pairs.pools.items()}
    pools = {}
    for name, pool in pairs.pools.items():
        junk = torch.full_like(pool, torch.nan) if pool.is_floating_point() else torch.randint_like(pool, 256)
        pools[name] = torch.where(present[name].view(-1, *[1] * (pool.ndim - 1)), pool, junk)
    return replace(pairs, pools=pools, present=present)
