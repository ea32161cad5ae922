"""Are the modalities aligned in the latent? Overlap of their posteriors, cross-modal probes, what removing modalities changes."""

from dataclasses import replace
from itertools import combinations_with_replacement

import pandas as pd
import torch
from jaxtyping import Int
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from mvae_lib import MVAE, Gaussian, metrics, tables
from mvae_lib.pairs import Pairs
from study.evidence.classifiers import labels_of
from study.evidence.labels import places_of
from study.evidence.latent import gaussian

Singles = dict[str, Gaussian]  # by modality, the posterior of every tuple given it alone, over [N, D]


def single_posteriors(model: MVAE, pairs: Pairs) -> Singles:
    """Each modality's own posteriors. ValueError: they are no Gaussians."""
    return {name: gaussian(tables.posteriors(model, pairs, (name,))) for name in model.names}


def stranger(labels: Int[Tensor, "N"], generator: torch.Generator) -> Int[Tensor, "N"]:
    """For every tuple another of the same label, each once: its place. (A few are their own.)"""
    partner = torch.arange(len(labels))
    for label in labels.unique():
        of = places_of(labels, label)
        partner[of] = of[torch.randperm(len(of), generator=generator)]
    return partner


def overlap_table(singles: Singles, labels: Int[Tensor, "N"]) -> pd.DataFrame:
    """How far posteriors of single modalities overlap: of one triplet, of two of one digit, of two digits.
    Mean and sd over tuples of the log Bhattacharyya coefficient, in nats; a row a pair of modalities and kind. Of a modality and
    itself: two samples that differ, which is the scale for the rest."""
    generator, everyone = torch.Generator().manual_seed(0), torch.arange(len(labels))
    shuffled, within = torch.randperm(len(labels), generator=generator), stranger(labels, generator)
    rows = []
    for one, other in combinations_with_replacement(singles, 2):
        for kind, partner in (("triplet", everyone), ("same digit", within), ("other digit", shuffled)):
            keep = everyone[(labels != labels[partner]) if kind == "other digit" else (partner != everyone) | (one != other)]
            p, q = (Gaussian(*(v[of] for v in singles[name])) for name, of in ((one, keep), (other, partner[keep])))
            overlap = metrics.log_overlap(p, q)
            rows += [(one, other, kind, float(overlap.mean()), float(overlap.std()), len(keep))] if len(keep) else []
    return pd.DataFrame(rows, columns=["one", "other", "kind", "mean", "sd", "n"])


PROBES = {
    "logistic regression": lambda: LogisticRegression(max_iter=500),
    "linear discriminant": LinearDiscriminantAnalysis,
    "nearest class mean": NearestCentroid,
}


def probe_table(few_singles: Singles, few_labels: Int[Tensor, "n"], singles: Singles, labels: Int[Tensor, "N"]) -> pd.DataFrame:
    """Accuracy of three probes of the label, fitted on one modality's posterior means (row), tested on another's (column)."""
    rows = {}
    for name, q in few_singles.items():
        for kind, make in PROBES.items():
            probe = make().fit(q.mean, few_labels)
            rows[kind, name] = {other: probe.score(of.mean, labels) for other, of in singles.items()}
    return pd.DataFrame(rows).T.rename_axis(["probe", "fitted on"]).reset_index()


def departure_table(model: MVAE, pairs: Pairs) -> pd.DataFrame:
    """How far the posterior goes from the full one as modalities are removed, and how wide it gets.
    Means over tuples, in nats but for the distance of the means; a row a combination. kl_exchanged is the scale: how far it goes
    when what is removed is exchanged for other samples of the same label. ValueError: posteriors are no Gaussians."""
    full, prior, rows = gaussian(tables.posteriors(model, pairs)), Normal(0.0, 1.0), {}
    other = stranger(labels_of(pairs), torch.Generator().manual_seed(0))
    for given in tables.combinations(len(model.names)):
        names = tables.members(model.names, given)
        kept = torch.tensor([name in names for name in pairs.names])
        swapped = pairs.rows.where(kept, pairs.rows[other])  # [N, M]
        q = gaussian(tables.posteriors(model, pairs, names))
        exchanged = gaussian(tables.posteriors(model, replace(pairs, rows=swapped)))
        whole, part, instead = (Normal(each.mean, each.stddev) for each in (full, q, exchanged))
        kls = [kl_divergence(a, b).sum(-1) for a, b in ((whole, part), (whole, instead), (part, prior))]
        away = (q.mean - full.mean).norm(dim=-1)
        rows[given] = [float(value.mean()) for value in (kls[0], kls[1], away, metrics.entropy(q.logvar), kls[2])]
    columns = ["kl_from_full", "kl_exchanged", "distance_of_means", "entropy", "kl_to_prior"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("given")
