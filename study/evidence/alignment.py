"""Are the modalities aligned in the latent? Overlap of their posteriors, cross-modal probes, what removing modalities changes."""

from itertools import combinations

import pandas as pd
import torch
from jaxtyping import Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mvae_lib import MVAE, Gaussian, metrics, tables
from mvae_lib.pairs import Pairs
from study.evidence.labels import places_of
from study.evidence.latent import gaussian

Singles = dict[str, Gaussian]  # by modality, the posterior of every tuple given it alone, over [N, D]


def single_posteriors(model: MVAE, pairs: Pairs) -> Singles:
    """Each modality's own posteriors. ValueError: they are no Gaussians."""
    return {name: gaussian(tables.posteriors(model, pairs, (name,))) for name in model.names}


def overlap_table(singles: Singles, labels: Int[Tensor, "N"]) -> pd.DataFrame:
    """How far two modalities' posteriors overlap: of one triplet, of two of one digit, of two digits.
    Mean and sd over tuples of the log Bhattacharyya coefficient, in nats; a row a pair of modalities and kind."""
    generator, everyone = torch.Generator().manual_seed(0), torch.arange(len(labels))
    shuffled, within = torch.randperm(len(labels), generator=generator), everyone.clone()
    for label in labels.unique():
        of = places_of(labels, label)
        within[of] = of[torch.randperm(len(of), generator=generator)]
    rows = []
    for one, other in combinations(singles, 2):
        for kind, partner in (("triplet", everyone), ("same digit", within), ("other digit", shuffled)):
            keep = everyone[labels != labels[partner]] if kind == "other digit" else everyone
            p, q = (Gaussian(*(v[of] for v in singles[name])) for name, of in ((one, keep), (other, partner[keep])))
            overlap = metrics.log_overlap(p, q)
            rows.append((one, other, kind, float(overlap.mean()), float(overlap.std())))
    return pd.DataFrame(rows, columns=["one", "other", "kind", "mean", "sd"])


def probe_table(few_singles: Singles, few_labels: Int[Tensor, "n"], singles: Singles, labels: Int[Tensor, "N"]) -> pd.DataFrame:
    """Accuracy of a linear probe of the label, fitted on one modality's posterior means (row), tested on another's (column)."""
    probes = {name: LogisticRegression(max_iter=500).fit(q.mean, few_labels) for name, q in few_singles.items()}
    table = {name: {other: probe.score(q.mean, labels) for other, q in singles.items()} for name, probe in probes.items()}
    return pd.DataFrame(table).T.rename_axis("fitted on")


def departure_table(model: MVAE, pairs: Pairs) -> pd.DataFrame:
    """How far the posterior goes from the full one as modalities are removed, and how wide it gets.
    Means over tuples, in nats but for the distance of the means; a row a combination. ValueError: posteriors are no Gaussians."""
    full, prior, rows = gaussian(tables.posteriors(model, pairs)), Normal(0.0, 1.0), {}
    for given in tables.combinations(len(model.names)):
        q = gaussian(tables.posteriors(model, pairs, tables.members(model.names, given)))
        whole, part = (Normal(each.mean, each.stddev) for each in (full, q))
        away, kls = (q.mean - full.mean).norm(dim=-1), (kl_divergence(whole, part).sum(-1), kl_divergence(part, prior).sum(-1))
        rows[given] = [float(value.mean()) for value in (kls[0], away, metrics.entropy(q.logvar), kls[1])]
    columns = ["kl_from_full", "distance_of_means", "entropy", "kl_to_prior"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("given")
