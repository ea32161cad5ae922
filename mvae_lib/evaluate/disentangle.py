"""Which index of the latent tells of which factor? Every score stands beside the same score of factors dealt out at random."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.strokes import STYLE, within_digit

if TYPE_CHECKING:
    import pandas as pd


def factors(triplets: Triplets) -> dict[str, Tensor]:
    """What varies from triplet to triplet and can be known, each int ``[N]``: the digit, who spoke it, how it is written.

    Slant and stroke width are of each script's image, in ten levels within its digit: they say nothing of which digit it is.
    """
    names = [name.split("_")[1] for name in triplets.speech_names]  # "7_jackson_32.wav"
    order = {speaker: i for i, speaker in enumerate(sorted(set(names)))}
    spoken = triplets.pairs[:, list(triplets.pools).index("speech")]
    known = {"digit": triplets.labels, "speaker": torch.tensor([order[name] for name in names])[spoken]}
    x, _ = triplets.gather(slice(None))
    for script in ("farsi", "kannada"):
        for style, measure in STYLE.items():
            known[f"{script} {style}"] = within_digit(measure(x[script]), triplets.labels)
    return known


def information_table(codes: Tensor, of: dict[str, Tensor], times: int = 20, seed: int = 0) -> "pd.DataFrame":
    """Mutual information of every index with every factor, in nats, and what chance gives.

    Args:
        codes: ``[N, D]``, posterior means.
        of: factors, int ``[N]``.
        times: permutations of each factor behind its null.
    Returns: a row an index and factor: information; null_mean and null_highest (the largest of any index in any permutation, so
        that what is above it is above chance for all indices at once); entropy of the factor.
    """
    import pandas as pd

    generator, tables = torch.Generator().manual_seed(seed), []
    for name, factor in of.items():
        null = metrics.permuted(lambda dealt: metrics.mutual_information(codes, dealt), factor, times, generator)  # [times, D]
        columns = {
            "index": range(codes.shape[1]),
            "factor": name,
            "information": metrics.mutual_information(codes, factor),
            "null_mean": null.mean(0),
            "null_highest": float(null.max()),
            "entropy": metrics.factor_entropy(factor),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def disentanglement_table(codes: Tensor, of: dict[str, Tensor], times: int = 5, seed: int = 0) -> "pd.DataFrame":
    """MIG and SAP of each factor, DCI of all, and each of them for dealt-out factors.

    DCI's importances are a random forest's (scikit-learn), as Eastwood and Williams have it.

    Returns: tidy: score, factor ("all" for DCI's), value, null (mean over permutations), null_highest.
    """
    import pandas as pd

    generator = torch.Generator().manual_seed(seed)
    true = _scores(codes, of, seed)
    dealt = [_scores(codes, {name: _dealt(factor, generator) for name, factor in of.items()}, seed) for _ in range(times)]
    rows = []
    for (score, factor), value in true.items():
        null = [scores[score, factor] for scores in dealt]
        rows.append({"score": score, "factor": factor, "value": value, "null": sum(null) / times, "null_highest": max(null)})
    return pd.DataFrame(rows)


def _dealt(factor: Tensor, generator: torch.Generator) -> Tensor:
    return factor[torch.randperm(len(factor), generator=generator)]


def _scores(codes: Tensor, of: dict[str, Tensor], seed: int) -> dict[tuple[str, str], float]:
    from sklearn.ensemble import RandomForestClassifier

    found, importance = {}, []
    for name, factor in of.items():
        information = metrics.mutual_information(codes, factor)
        found["MIG", name] = metrics.mig(information, metrics.factor_entropy(factor))
        found["SAP", name] = metrics.sap(metrics.centroid_accuracy(codes, factor))
        # every index is looked at for every split: otherwise noise is split on where a telling index was not drawn
        forest = RandomForestClassifier(10, max_depth=12, max_features=1.0, random_state=seed, n_jobs=-1)  # type: ignore[arg-type]
        importance.append(torch.from_numpy(forest.fit(codes, factor).feature_importances_))
    found["DCI disentanglement", "all"], found["DCI completeness", "all"] = metrics.dci(torch.stack(importance, dim=1))
    return found
