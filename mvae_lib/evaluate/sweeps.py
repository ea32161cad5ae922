"""What a sweep through the latent shows: along every index, along random directions, and in a network that learnt nothing.

The report moves one index by -1500 ... 1500 and reads the digits that appear as a sign of disentanglement. Here all indices are
moved, and beside them what no training can have disentangled.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.latent import posteriors
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd

STEPS = torch.arange(-50, 50) / 50
"""The report's hundred steps, as shares of the reach: -1500, -1470, ..., 1470 of 1500."""


def untrained(model: MVAE, seed: int = 0) -> MVAE:
    """The same networks, as they are before any training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = MVAE(model.spec)
    fresh.card = model.card
    return fresh.eval()


def sweep_table(
    model: MVAE, triplets: Triplets, readers: dict[str, nn.Module], digits: tuple[int, ...] = (1, 3, 5, 7, 9), seed: int = 0
) -> "pd.DataFrame":
    """Along how many labels does each sweep lead, and do its ends still change?

    Swept from the joint posterior mean of the first triplet of each of `digits`: every index, and as many random directions; by
    the report's ±1500, and by ±4 standard deviations of the aggregate posterior; in `model`, and in the same networks untrained.

    Args:
        readers: a classifier of each modality (`train_readers`).
    Returns: tidy: network, direction ("index", "random"), reach, number; means over the starts: labels (how many, by the label
        decoder), read_farsi ... (how many, by the readers of what is rebuilt); ends, centre: mean change of a pixel (0 to 1) over
        the outermost and the middle tenth of the sweep.
    """
    import pandas as pd

    starts = [int((triplets.labels == digit).nonzero()[0]) for digit in digits]
    tables = []
    for network, net in (("trained", model), ("untrained", untrained(model, seed))):
        mu, logvar = posteriors(net, triplets)
        for direction, ways in _directions(mu.shape[1], seed).items():
            spread = ((mu @ ways.T).var(0, correction=0) + logvar.exp().mean(0) @ ways.T.square()).sqrt()  # [D]
            for reach, far in (("±1500", torch.full_like(spread, 1500.0)), ("±4 sd", 4 * spread)):
                rows = [_along(net, readers, mu[starts], way * size) for way, size in zip(ways, far, strict=True)]
                own = {"network": network, "direction": direction, "reach": reach, "number": range(len(rows))}
                tables.append(pd.DataFrame(rows).assign(**own))
    frame = pd.concat(tables, ignore_index=True)
    return frame.set_index(["network", "direction", "reach", "number"]).reset_index()


def _directions(latent: int, seed: int) -> dict[str, Tensor]:
    """Unit vectors ``[D, D]``: the indices, and as many at random."""
    random = torch.randn(latent, latent, generator=torch.Generator().manual_seed(seed))
    return {"index": torch.eye(latent), "random": nn.functional.normalize(random)}


@torch.no_grad()
def _along(net: MVAE, readers: dict[str, nn.Module], starts: Tensor, reach: Tensor) -> dict[str, float]:
    """One sweep from every start: `starts` ``[P, D]``, `reach` ``[D]``, where the sweep ends."""
    z = starts[:, None] + STEPS[:, None] * reach  # [P, 1, D] + [K, D] -> [P, K, D]
    rebuilt = net.rebuild(z)
    seen = {"labels": net.label_decoder(z)} | {f"read_{name}": readers[name](x) for name, x in rebuilt.items()}
    found = {name: float(metrics.labels_seen(logits.argmax(-1))[0].float().mean()) for name, logits in seen.items()}
    images = torch.cat([rebuilt[name] for name in net.names if rebuilt[name].shape[-1] == 784], -1)  # [P, K, 2 * 784]
    change = (images[:, 10:] - images[:, :-10]).abs().mean((0, 2))  # [P, K - 10, F] -> [K - 10], over a tenth of the sweep
    return {**found, "ends": float((change[0] + change[-1]) / 2), "centre": float(change[len(change) // 2])}
