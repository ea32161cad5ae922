"""Is what a model rebuilds classified as the right label, by classifiers that never saw the model?"""

from typing import Literal

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mvae_lib import MVAE, tables
from mvae_lib.objectives import UNLABELLED
from mvae_lib.pairs import Pairs
from mvae_lib.tables import Classifiers

UPDATES, BATCH = 2500, 256


def labels_of(pairs: Pairs) -> Int[Tensor, "N"]:
    """The labels, for what cannot do without. ValueError: there are none."""
    if pairs.labels is None:
        raise ValueError(f"These pairs ({pairs.split}, {pairs.source}) have no labels, which this asks for.")
    return pairs.labels


def samples(pairs: Pairs, name: str) -> tuple[Float[Tensor, "n F"], Int[Tensor, "n"]]:
    """All labelled samples of one modality that are there, each once, and their labels."""
    pool, rows, labels = pairs.pools[name], torch.arange(len(pairs.pools[name])), pairs.pool_labels.get(name)
    if labels is None:  # of one's own data: those of the tuples
        rows, labels = pairs.rows[:, pairs.names.index(name)], labels_of(pairs)
    there = (labels != UNLABELLED) & (pairs.present[name][rows] if name in pairs.present else True)
    x = pool[rows[there]].flatten(1)  # [n, *shape] -> [n, F]
    return (x.float() / 255 if x.dtype == torch.uint8 else x), labels[there]


def train_classifier(
    x: Float[Tensor, "n F"], y: Int[Tensor, "n"], classes: int, updates: int | None = None, seed: int = 0
) -> nn.Module:
    """Two hidden layers, dropout and weight decay: a module x ``[N, F]`` -> logits ``[N, classes]``."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, second = ([nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.3)] for width in (x.shape[1], 256))
        classifier = nn.Sequential(*first, *second, nn.Linear(256, classes))
        optimizer = torch.optim.AdamW(classifier.parameters(), 1e-3, weight_decay=1e-2, fused=True)
        for _ in range(updates or UPDATES):
            batch = torch.randint(len(x), (BATCH,))
            optimizer.zero_grad()
            F.cross_entropy(classifier(x[batch]), y[batch]).backward()
            optimizer.step()
    return classifier.eval()


def train_classifiers(train: Pairs, updates: int | None = None) -> Classifiers:
    """A classifier of each modality, trained on its samples and on nothing else."""
    return {name: train_classifier(*samples(train, name), train.classes, updates) for name in train.names}


@torch.no_grad()
def classifier_accuracy(classifiers: Classifiers, pairs: Pairs) -> dict[str, float]:
    """The share of real samples that each classifies right: what a perfect reconstruction could reach."""
    known = {name: samples(pairs, name) for name in classifiers}
    return {name: float((classifiers[name](x).argmax(-1) == y).float().mean()) for name, (x, y) in known.items()}


def coherence_table(model: MVAE, pairs: Pairs, classifiers: Classifiers, z: Literal["sample", "mean"] = "mean") -> pd.DataFrame:
    """The share of rebuilt samples that independent classifiers get right, and of real ones (given: "real samples").
    A row a combination; a column a modality rebuilt, and prior: the share of draws from the prior on whose label all agree.
    z: the posterior mean, or one draw from the posterior."""
    table = tables.cross_modal_coherence(model, pairs, classifiers, z)
    table.loc["real samples"] = classifier_accuracy(classifiers, pairs)
    return table.assign(z=z, split=pairs.split, prior=tables.prior_coherence(model, classifiers))
