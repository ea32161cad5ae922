"""Do the modalities put a triplet in one place? Overlap of their posteriors, probes across them, and what goes as they go."""

from itertools import combinations as pairs_of
from typing import TYPE_CHECKING

import torch
from torch.distributions import Normal, kl_divergence

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.latent import posteriors
from mvae_lib.evaluate.tables import combinations, members
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd


def single_posteriors(model: MVAE, triplets: Triplets) -> dict[str, Normal]:
    """Each modality's own posterior of every triplet: name -> batch shape ``[N, D]``."""
    found = {}
    for name in model.names:
        mu, logvar = posteriors(model, triplets, (name,))
        found[name] = Normal(mu, (0.5 * logvar).exp())
    return found


def overlap_table(singles: dict[str, Normal], labels: torch.Tensor, seed: int = 0) -> "pd.DataFrame":
    """Log Bhattacharyya coefficient of two modalities' posteriors: of one triplet, of two of one digit, of two digits.

    Returns: a row a pair and kind ("triplet", "same digit", "other digit"): mean and standard deviation over triplets, in nats.
    """
    import pandas as pd

    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    within = torch.arange(len(labels))
    for digit in labels.unique():
        of = (labels == digit).nonzero()[:, 0]
        within[of] = of[torch.randperm(len(of), generator=generator)]
    rows = []
    for one, other in pairs_of(singles, 2):
        for kind, partner in (("triplet", torch.arange(len(labels))), ("same digit", within), ("other digit", shuffled)):
            keep = labels != labels[partner] if kind == "other digit" else torch.ones_like(labels, dtype=torch.bool)
            p = Normal(singles[one].mean[keep], singles[one].stddev[keep])
            q = Normal(singles[other].mean[partner][keep], singles[other].stddev[partner][keep])
            overlap = metrics.log_overlap(p, q)
            rows.append({"one": one, "other": other, "kind": kind, "mean": float(overlap.mean()), "sd": float(overlap.std())})
    return pd.DataFrame(rows)


def probe_table(
    train: dict[str, Normal], train_labels: torch.Tensor, test: dict[str, Normal], test_labels: torch.Tensor
) -> "pd.DataFrame":
    """A linear probe of the digit, fitted on one modality's posterior means and tested on another's: accuracy, row on column."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    probes = {name: LogisticRegression(max_iter=500).fit(q.mean, train_labels) for name, q in train.items()}
    table = {name: {other: probe.score(q.mean, test_labels) for other, q in test.items()} for name, probe in probes.items()}
    return pd.DataFrame(table).T.rename_axis("fitted on")


def departure_table(model: MVAE, triplets: Triplets) -> "pd.DataFrame":
    """How far the posterior goes from the full one, and how wide it gets, as modalities go.

    Returns: a row a combination, means over triplets: KL from the full posterior to it, distance of the two means, entropy, KL to
        the prior (all but the distance in nats).
    """
    import pandas as pd

    full_mu, full_logvar = posteriors(model, triplets)
    full, prior = Normal(full_mu, (0.5 * full_logvar).exp()), Normal(0.0, 1.0)
    rows = []
    for given in combinations(len(model.names)):
        mu, logvar = posteriors(model, triplets, members(model.names, given))
        q = Normal(mu, (0.5 * logvar).exp())
        rows.append(
            {
                "given": given,
                "kl_from_full": float(kl_divergence(full, q).sum(-1).mean()),
                "distance_of_means": float((mu - full_mu).norm(dim=-1).mean()),
                "entropy": float(metrics.entropy(logvar).mean()),
                "kl_to_prior": float(kl_divergence(q, prior).sum(-1).mean()),
            }
        )
    return pd.DataFrame(rows).set_index("given")
