"""The report moves one dimension by -1500 ... 1500 and takes the digits that appear as a sign of disentanglement. Here all are
moved, and beside them what no training can have disentangled: random directions, and a network that learnt nothing."""

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mvae_lib import MVAE, metrics, tables, train
from mvae_lib.pairs import Pairs
from mvae_lib.tables import Classifiers
from study.evidence.classifiers import labels_of
from study.evidence.labels import places_of
from study.evidence.latent import gaussian, images_of

STEPS = torch.arange(-50, 50) / 50  # the report's hundred, as shares of the reach: -1500, -1470, ..., 1470 of 1500


def untrained(model: MVAE) -> MVAE:
    """The same networks, as they were before any training."""
    fresh, _ = train.untrained(model.spec)
    fresh.card = model.card
    return fresh.eval()


def sweep_table(model: MVAE, pairs: Pairs, classifiers: Classifiers, digits: tuple[int, ...] = (1, 3, 5, 7, 9)) -> pd.DataFrame:
    """Every dimension and as many random directions swept, by the report's reach and by 4 sd, trained and untrained.
    From the joint posterior mean of the first triplet of each of `digits`; sd is of the aggregate posterior. Means over these
    starts: labels, read_farsi ...: how many the label decoder, and the classifiers of what is rebuilt, see along the sweep; ends,
    centre: the change of a pixel (0 to 1) over the outermost and the middle tenth of the sweep."""
    starts, frames = torch.cat([places_of(labels_of(pairs), digit)[:1] for digit in digits]), []
    for network, net in (("trained", model), ("untrained", untrained(model))):
        mu, logvar = gaussian(tables.posteriors(net, pairs))
        axes, random = torch.eye(mu.shape[1]), torch.randn(mu.shape[1], mu.shape[1], generator=torch.Generator().manual_seed(0))
        for direction, ways in {"index": axes, "random": nn.functional.normalize(random)}.items():  # [D, D], a row a way
            spread = ((mu @ ways.T).var(0, correction=0) + logvar.exp().mean(0) @ ways.T.square()).sqrt()  # [D]
            for reach, far in {"±1500": torch.full_like(spread, 1500.0), "±4 sd": 4 * spread}.items():
                rows = [_along(net, classifiers, mu[starts], way * size) for way, size in zip(ways, far, strict=True)]
                about = {"network": network, "direction": direction, "reach": reach, "number": range(len(rows))}
                frames.append(pd.DataFrame(about).join(pd.DataFrame(rows)))
    return pd.concat(frames, ignore_index=True)


@torch.no_grad()
def _along(net: MVAE, classifiers: Classifiers, starts: Float[Tensor, "P D"], reach: Float[Tensor, "D"]) -> dict[str, float]:
    """One sweep from every start; `reach`: where the sweep ends."""
    z = starts[:, None] + STEPS[:, None] * reach  # [P, 1, D] + [K, D] -> [P, K, D]
    rebuilt = net.rebuild(z)
    seen = {"labels": net.logits(z)} | {f"read_{name}": classifiers[name](x) for name, x in rebuilt.items()}
    counts = {name: float(metrics.labels_seen(logits.argmax(-1))[0].float().mean()) for name, logits in seen.items()}
    images = torch.cat([rebuilt[name] for name in images_of(net)], -1)  # [P, K, F]
    change = (images[:, 10:] - images[:, :-10]).abs().mean((0, 2))  # [P, K - 10, F] -> [K - 10], over a tenth of the sweep
    return counts | {"ends": float((change[0] + change[-1]) / 2), "centre": float(change[len(change) // 2])}
