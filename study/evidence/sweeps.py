"""The report moves one dimension by -1500 ... 1500 and takes the digits that appear as a sign of disentanglement. Here all are
moved, and beside them what no training can have disentangled: random directions, and a network that learnt nothing."""

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mvae_lib import MVAE, Gaussian, metrics, tables, train
from mvae_lib.pairs import Pairs
from mvae_lib.tables import Classifiers
from study.evidence.classifiers import labels_of
from study.evidence.labels import places_of
from study.evidence.latent import STEPS, gaussian, images_of

LARGEST = 8  # dimensions, by KL: as many as the explorer has sliders for


def untrained(model: MVAE) -> MVAE:
    """The same networks, as they were before any training."""
    fresh, _ = train.untrained(model.spec)
    fresh.card = model.card
    return fresh.eval()


def sweep_table(model: MVAE, pairs: Pairs, classifiers: Classifiers, digits: tuple[int, ...] = (1, 3, 5, 7, 9)) -> pd.DataFrame:
    """Every dimension and as many random directions swept, by the report's reach and by 4 sd, trained and untrained.
    From the joint posterior mean of the first triplet of each of `digits`; sd is of the aggregate posterior. Means over these
    starts: labels, read_farsi ...: how many the label decoder, and the classifiers of what is rebuilt, see along the sweep;
    together: the share of its points where the images are read as one digit, and independent: what it would be by chance, were
    they read as often but in any order; ends, centre: the change of a pixel (0 to 1) over the outermost and the middle tenth;
    changing: the share of starts from which the label decoder's digit changes. Of the posteriors along it: kl (nats), and active,
    does the mean vary (variance above .01)?"""
    starts, frames = torch.cat([places_of(labels_of(pairs), digit)[:1] for digit in digits]), []
    for network, net in (("trained", model), ("untrained", untrained(model))):
        mu, logvar = gaussian(tables.posteriors(net, pairs))
        axes, random = torch.eye(mu.shape[1]), torch.randn(mu.shape[1], mu.shape[1], generator=torch.Generator().manual_seed(0))
        for direction, ways in {"dimension": axes, "random": nn.functional.normalize(random)}.items():  # [D, D], a row a way
            along = Gaussian(mu @ ways.T, (logvar.exp() @ ways.T.square()).log())  # [N, D]: each posterior's margins
            use = {"kl": metrics.kl_per_dimension(*along), "active": metrics.active_units(along.mu)}
            spread = metrics.aggregate_sd(*along)  # [D]
            for reach, far in {"±1500": torch.full_like(spread, 1500.0), "±4 sd": 4 * spread}.items():
                rows = [_along(net, classifiers, mu[starts], way * size) for way, size in zip(ways, far, strict=True)]
                about = {"network": network, "direction": direction, "reach": reach, "number": range(len(rows))}
                frames.append(pd.DataFrame(about | use).join(pd.DataFrame(rows)))
    return pd.concat(frames, ignore_index=True)


def sweep_means(swept: pd.DataFrame) -> pd.DataFrame:
    """The means of `sweep_table`: a row a network, direction, reach, and group of sweeps, n of them. The groups: all; and along
    the dimensions, those of the active ones, and of the eight of largest KL. A group that is empty has no row."""
    by = ["network", "direction", "reach"]
    axes = swept[swept["direction"] == "dimension"]
    groups = {"all": swept, "active": axes[axes["active"]]}
    groups["largest KL"] = axes[axes.groupby(by)["kl"].rank(ascending=False, method="first") <= LARGEST]
    of = {name: rows.drop(columns=["number", "active"]).groupby(by, sort=False) for name, rows in groups.items()}
    return pd.concat({name: each.mean().assign(n=each.size()) for name, each in of.items()}, names=["group"]).reset_index()


@torch.no_grad()
def _along(net: MVAE, classifiers: Classifiers, starts: Float[Tensor, "P D"], reach: Float[Tensor, "D"]) -> dict[str, float]:
    """One sweep from every start; `reach`: where the sweep ends."""
    z = starts[:, None] + STEPS[:, None] * reach  # [P, 1, D] + [K, D] -> [P, K, D]
    rebuilt = net.rebuild(z)
    seen = {"labels": net.logits(z)} | {f"read_{name}": classifiers[name](x) for name, x in rebuilt.items()}
    labels = {name: logits.argmax(-1) for name, logits in seen.items()}  # [P, K] each
    counts = {name: float(metrics.labels_seen(each)[0].float().mean()) for name, each in labels.items()}
    read = torch.stack([labels[f"read_{name}"] for name in images_of(net)])  # [images, P, K]
    shares = nn.functional.one_hot(read).float().mean(2)  # [images, P, C]: how often each digit is read
    counts |= {"together": metrics.agreement(read.flatten(1)), "independent": float(shares.prod(0).sum(-1).mean())}
    counts["changing"] = float((metrics.labels_seen(labels["labels"])[0] > 1).float().mean())
    images = torch.cat([rebuilt[name] for name in images_of(net)], -1)  # [P, K, F]
    change = (images[:, 10:] - images[:, :-10]).abs().mean((0, 2))  # [P, K - 10, F] -> [K - 10], over a tenth of the sweep
    return counts | {"ends": float((change[0] + change[-1]) / 2), "centre": float(change[len(change) // 2])}
