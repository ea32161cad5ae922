"""How well the label is known: calibration, confusions, and what plain classifiers reach on the same samples."""

from collections.abc import Iterable
from typing import Literal

import pandas as pd
import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from mvae_lib import MVAE, data, metrics, tables
from mvae_lib.fusion import noise_source
from mvae_lib.pairs import Pairs
from mvae_lib.spec import DataRecipe
from study.evidence.classifiers import labels_of, samples, train_classifier

Beliefs = dict[str, Float[Tensor, "N C"]]  # by combination, p(label | given) of every tuple


def places_of(labels: Int[Tensor, "N"], label: int | Int[Tensor, ""]) -> Int[Tensor, "n"]:
    """Where a label stands among others, in order."""
    return (labels == label).nonzero()[:, 0]


def one_more(combinations: Iterable[str]) -> list[tuple[str, str]]:
    """Each combination beside each that has one modality more: ("m1", "m1,m2"), ..."""
    sets = {each: frozenset(each.split(",")) for each in combinations}
    return [(a, b) for a in sets for b in sets if sets[a] < sets[b] and len(sets[b]) == len(sets[a]) + 1]


@torch.no_grad()
def label_beliefs(model: MVAE, pairs: Pairs, draws: int = 20) -> Beliefs:
    """p(label | given), averaged over draws from the posterior; of no draws, at its mean, as `MVAE.classify` has it."""
    tables.check_match(model, pairs)
    draw, beliefs = noise_source(0, model.device), {given: [] for given in tables.combinations(len(model.names))}
    for x, _ in pairs.batches(1000, order_seed=None):
        for given, parts in beliefs.items():
            q = model.posterior({name: x[name] for name in tables.members(model.names, given)})
            z = q.sample(draw(draws, *q.mean.shape)) if draws else q.mean[None]
            parts.append(model.logits(z).softmax(-1).mean(0))  # [draws, B, C] -> [B, C]
    return {given: torch.cat(parts) for given, parts in beliefs.items()}


def calibration_table(model: MVAE, pairs: Pairs, draws: int = 20) -> pd.DataFrame:
    """Accuracy, mean confidence and expected calibration error of the label: fractions, a row a combination and kind of z.
    z: "posterior mean", which `MVAE.classify` takes, and the average over so many draws. ValueError: no labels."""
    labels, rows = labels_of(pairs), []
    for z, number in (("posterior mean", 0), (f"{draws} draws", draws)):
        for given, p in label_beliefs(model, pairs, number).items():
            confidence, guess = p.max(-1)
            accuracy = float((guess == labels).float().mean())
            rows.append((z, pairs.split, given, accuracy, float(confidence.mean()), metrics.calibration_error(p, labels)))
    return pd.DataFrame(rows, columns=["z", "split", "given", "accuracy", "confidence", "calibration_error"])


def confusions(beliefs: Beliefs, labels: Int[Tensor, "N"]) -> pd.DataFrame:
    """How often each label (digit) is read as each: given, digit, read, count; zeros too."""
    frames = {}
    for given, p in beliefs.items():
        values = range(p.shape[1])
        frames[given] = pd.DataFrame(confusion_matrix(labels, p.argmax(-1), labels=values)).stack()
    return pd.concat(frames, names=["given", "digit", "read"]).rename("count").reset_index()


def gains(counts: pd.DataFrame) -> pd.DataFrame:
    """What one more modality (then: "m1,m2" after "m1") does to each label's accuracy, from `confusions`.
    before and after are fractions, the change is in points."""
    right, frames = counts[counts["digit"] == counts["read"]].set_index(["given", "digit"])["count"], {}
    accuracy = right / counts.groupby(["given", "digit"])["count"].sum()
    for given, then in one_more(counts["given"].unique()):
        added = (set(then.split(",")) - set(given.split(","))).pop()
        frames[given, added, then] = pd.DataFrame({"before": accuracy[given], "after": accuracy[then]})
    table = pd.concat(frames, names=["given", "added", "then", "digit"]).reset_index()
    return table.assign(change=100 * (table["after"] - table["before"]))


def label_baselines(split: Literal["as_run", "by_writer"] = "as_run", seeds: int = 5) -> pd.DataFrame:
    """Accuracy of logistic regression, nearest neighbours and a small network, on the samples of each combination end to end.
    They know nothing of latents. Alone, they learn from each training sample once; together, from the training triplets.
    The network is trained from each of so many seeds; the other two have none, and are trained once (seed 0)."""
    train, *tests = (data.load(part, DataRecipe(split=split)) for part in ("train", "val", "test", "test_dig"))
    rows = []
    for given in tables.combinations(len(train.names)):
        names = tables.members(train.names, given)
        x, y = samples(train, names[0]) if len(names) == 1 else (_joined(train, names), labels_of(train))
        fitted = [("MLP", seed, train_classifier(x, y, train.classes, seed=seed)) for seed in range(seeds)]
        fitted += [("logistic regression", 0, LogisticRegression(max_iter=300, tol=1e-3).fit(x, y).predict)]
        fitted += [("5 nearest neighbours", 0, KNeighborsClassifier(5).fit(x, y).predict)]
        for pairs in tests:
            x, y = _joined(pairs, names), labels_of(pairs).numpy()
            for kind, seed, classify in fitted:
                guess = classify(x).argmax(-1).numpy() if kind == "MLP" else classify(x)
                rows.append((kind, seed, given, pairs.split, float((guess == y).mean())))
    return pd.DataFrame(rows, columns=["classifier", "seed", "given", "split", "accuracy"])


def _joined(pairs: Pairs, names: tuple[str, ...]) -> Float[Tensor, "N F"]:
    """The samples of each tuple, end to end."""
    x, _ = pairs.gather(slice(None))
    return torch.cat([x[name].flatten(1) for name in names], dim=1)  # M of [N, F_m] -> [N, sum F_m]
