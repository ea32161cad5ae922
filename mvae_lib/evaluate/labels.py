"""How well the label is known: calibration, confusions, and what plain classifiers reach on the same samples."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.coherence import samples, train_reader
from mvae_lib.evaluate.tables import check_match, combinations, members
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd


@torch.no_grad()
def label_beliefs(model: MVAE, triplets: Triplets, draws: int = 20, seed: int = 0, batch_size: int = 1000) -> dict[str, Tensor]:
    """p(label | given) of every triplet, averaged over draws from the posterior: combination -> ``[N, classes]``."""
    check_match(model, triplets)
    generator = torch.Generator(triplets.labels.device).manual_seed(seed)
    beliefs: dict[str, list[Tensor]] = {given: [] for given in combinations(len(model.names))}
    for x, _ in triplets.batches(batch_size, order_seed=None):
        for given, parts in beliefs.items():
            q = model.posterior({name: x[name] for name in members(model.names, given)})
            noise = torch.randn(draws, *q.mean.shape, generator=generator, device=q.mean.device)
            parts.append(model.label_decoder(q.mean + q.stddev * noise).softmax(-1).mean(0))  # [draws, B, C] -> [B, C]
    return {given: torch.cat(parts) for given, parts in beliefs.items()}


def calibration_table(beliefs: dict[str, Tensor], labels: Tensor) -> "pd.DataFrame":
    """Accuracy, mean confidence and expected calibration error of each combination."""
    import pandas as pd

    rows = [
        {
            "given": given,
            "accuracy": float((p.argmax(-1) == labels).float().mean()),
            "confidence": float(p.max(-1).values.mean()),
            "calibration_error": metrics.calibration_error(p, labels),
        }
        for given, p in beliefs.items()
    ]
    return pd.DataFrame(rows).set_index("given")


def confusions(beliefs: dict[str, Tensor], labels: Tensor) -> "pd.DataFrame":
    """How often each digit is read as each: a row a combination, digit and label read, with its count; zeros too."""
    import pandas as pd

    tables = []
    for given, p in beliefs.items():
        classes = p.shape[1]
        counts = torch.bincount(labels * classes + p.argmax(-1), minlength=classes**2)  # [N] -> [classes^2]
        digit, read = (part.ravel() for part in torch.meshgrid(torch.arange(classes), torch.arange(classes), indexing="ij"))
        tables.append(pd.DataFrame({"given": given, "digit": digit, "read": read, "count": counts.cpu()}))
    return pd.concat(tables, ignore_index=True)


def gains(counts: "pd.DataFrame") -> "pd.DataFrame":
    """What one more modality does to each digit's accuracy: a row a combination, modality added and digit.

    Args:
        counts: what `confusions` gives.
    Returns: given, added, then ("m1,m2" after "m1"), digit, before, after (fractions), change (points).
    """
    import pandas as pd

    right = counts[counts["digit"] == counts["read"]].set_index(["given", "digit"])["count"]
    accuracy = right / counts.pivot_table(index=["given", "digit"], values="count", aggfunc="sum")["count"]
    rows = []
    held = {given: frozenset(given.split(",")) for given in dict.fromkeys(counts["given"])}
    for given, has in held.items():
        for then, more in held.items():
            if has < more and len(more) == len(has) + 1:
                for digit in sorted(set(counts["digit"])):
                    before, after = accuracy[given, digit], accuracy[then, digit]
                    own = {"given": given, "added": next(iter(more - has)), "then": then, "digit": digit}
                    rows.append({**own, "before": before, "after": after, "change": 100 * (after - before)})
    return pd.DataFrame(rows)


def label_baselines(train: Triplets, tests: dict[str, Triplets], seed: int = 0) -> "pd.DataFrame":
    """Accuracy of classifiers that know nothing of latents: on each modality alone, and on all three set end to end.

    Alone, they learn from each training sample once; together, from the training triplets.

    Returns: tidy: classifier, given (a combination), split, accuracy.
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    names, rows = list(train.pools), []
    views = {f"m{i + 1}": [name] for i, name in enumerate(names)} | {",".join(f"m{i + 1}" for i in range(len(names))): names}
    for given, held in views.items():
        x, y = samples(train, held[0]) if len(held) == 1 else (_joined(train, held), train.labels)
        mlp = train_reader(x, y, seed=seed)
        linear = LogisticRegression(max_iter=300, tol=1e-3).fit(x, y)
        neighbours = KNeighborsClassifier(5).fit(x, y)
        for split, triplets in tests.items():
            sample, truth = _joined(triplets, held), triplets.labels
            with torch.no_grad():
                guesses = {"MLP": mlp(sample).argmax(-1).numpy()}
            guesses |= {"logistic regression": linear.predict(sample), "5 nearest neighbours": neighbours.predict(sample)}
            rows += [
                {"classifier": kind, "given": given, "split": split, "accuracy": float((guess == truth.numpy()).mean())}
                for kind, guess in guesses.items()
            ]
    return pd.DataFrame(rows)


def _joined(triplets: Triplets, names: list[str]) -> Tensor:
    """The samples of each triplet, end to end: ``[N, features of all]``."""
    x, _ = triplets.gather(slice(None))
    return torch.cat([x[name].flatten(1) for name in names], dim=1)  # M of [N, F] -> [N, sum F]
