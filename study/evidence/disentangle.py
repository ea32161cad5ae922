"""Which dimension of the latent tells of which factor? Every score stands beside the same score of shuffled factors."""

import math
import warnings
from itertools import product

import pandas as pd
import torch
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import NearestCentroid
from torch import Tensor
from torch.distributions import Categorical

from mvae_lib.data import Triplets
from study.evidence.missing import stroke_width

Factors = dict[str, Int[Tensor, "N"]]


def slant(images: Float[Tensor, "N 784"]) -> Float[Tensor, "N"]:
    """How far each digit leans, in degrees: 0 is upright, positive leans to the right; NaN where there is no ink.
    arctan(mu_11 / mu_02) of the ink's central moments, x to the right, y upwards: the shear that takes the lean away."""
    rows, columns = torch.meshgrid(-torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = images.view(-1, 28, 28)
    total = ink.sum((1, 2))  # [N, 28, 28] -> [N]
    y, x = (place - ((ink * place).sum((1, 2)) / total)[:, None, None] for place in (rows, columns))  # [N, 28, 28]
    return torch.rad2deg(torch.atan((ink * x * y).sum((1, 2)) / (ink * y * y).sum((1, 2))))


def within_digit(values: Float[Tensor, "N"], labels: Int[Tensor, "N"], levels: int = 10) -> Int[Tensor, "N"]:
    """In which of `levels` equal shares of its own digit each value falls: independent of the digit."""
    groups = pd.Series(values.nan_to_num(-math.inf)).groupby(labels.numpy())
    return torch.tensor(((groups.rank("first") - 1) * levels // groups.transform("size")).to_numpy(dtype=int))


def factors(pairs: Triplets) -> Factors:
    """What varies from triplet to triplet and can be known: the digit, who spoke it, each script's slant and stroke width (in ten
    levels within its digit: they say nothing of which digit it is)."""
    speakers = pd.Series(name.split("_")[1] for name in pairs.speech_names).astype("category")  # "7_jackson_32.wav"
    spoken = torch.tensor(speakers.cat.codes.to_numpy(dtype=int))[pairs.rows[:, pairs.names.index("speech")]]
    x, y = pairs.gather(slice(None))
    styles = product(("farsi", "kannada"), {"slant": slant, "stroke width": stroke_width}.items())
    known = {f"{script} {style}": within_digit(measure(x[script]), y) for script, (style, measure) in styles}
    return {"digit": y, "speaker": spoken, **known}


def shuffled(factor: Int[Tensor, "N"], generator: torch.Generator) -> Int[Tensor, "N"]:
    """The factor under a random permutation: what scores of it are by chance."""
    return factor[torch.randperm(len(factor), generator=generator)]


def mutual_information(codes: Float[Tensor, "N D"], factor: Int[Tensor, "N"], bins: int = 20) -> Float[Tensor, "D"]:
    """Mutual information of each dimension with a factor, in nats, from counts in bins of equal width.
    Counting has a bias upwards, about (bins - 1)(values - 1) / 2N: hold it against `shuffled` factors."""
    low, high = codes.amin(0), codes.amax(0)
    levels = ((codes - low) / (high - low).clamp(min=1e-12) * bins).long().clamp(max=bins - 1)  # [N, D]
    return torch.tensor([mutual_info_score(factor.numpy(), column) for column in levels.T.numpy()], dtype=torch.float32)


def factor_entropy(factor: Int[Tensor, "N"]) -> float:
    """Entropy of a factor's values, in nats."""
    return float(Categorical(torch.bincount(factor).double()).entropy())


def centroid_accuracy(known: Float[Tensor, "n D"], truth: Tensor, codes: Float[Tensor, "N D"], factor: Int[Tensor, "N"]) -> float:
    """How often the nearest class mean, of known codes and their `truth`, is the factor's."""
    if bool((known == known[0]).all()):  # no mean is nearer than another: the first of them
        return float((factor == truth.min()).float().mean())
    with warnings.catch_warnings(action="ignore"):  # of codes that do not vary within a class, which is no fault
        guess = torch.from_numpy(NearestCentroid().fit(known, truth).predict(codes))
    return float((guess == factor).float().mean())


def gap(scores: Float[Tensor, "D"], whole: float = 1.0) -> float:
    """Between the two best dimensions' scores, as a share of `whole`.
    Of mutual information, and the factor's entropy: MIG (Chen et al., arXiv:1802.04942, equation 6); of accuracies: SAP (Kumar,
    Sattigeri & Balakrishnan, arXiv:1711.00848, section 4)."""
    best = scores.topk(2).values
    return float((best[0] - best[1]) / whole)


def dci(importance: Float[Tensor, "D F"]) -> tuple[float, float]:
    """Disentanglement (does a dimension serve one factor?) and completeness (is a factor served by one dimension?), 0 to 1 each,
    from how much each dimension serves to predict each factor. Source: Eastwood & Williams, ICLR 2018, section 2."""
    share, scores = importance / importance.sum().clamp(min=1e-12), []
    for table in (share, share.T):
        rows = table / table.sum(1, keepdim=True).clamp(min=1e-12)
        lone = 1 - torch.special.entr(rows).sum(1) / math.log(table.shape[1])  # 1 - normalised entropy of each row
        scores.append(float((lone * table.sum(1)).sum()))
    return scores[0], scores[1]


def information_table(codes: Float[Tensor, "N D"], factors: Factors, times: int = 20) -> pd.DataFrame:
    """Mutual information of every dimension with digit, speaker, slants and stroke widths, in nats, beside chance.
    null_mean and null_highest are of `times` permutations: what is above the highest, of any dimension in any of them, is above
    chance for all dimensions at once. entropy is the factor's."""
    generator, frames = torch.Generator().manual_seed(0), {}
    for name, factor in factors.items():
        null = torch.stack([mutual_information(codes, shuffled(factor, generator)) for _ in range(times)])  # [times, D]
        chance = {"null_mean": null.mean(0), "null_highest": float(null.max()), "entropy": factor_entropy(factor)}
        frames[name] = pd.DataFrame({"information": mutual_information(codes, factor)} | chance)
    return pd.concat(frames, names=["factor", "index"]).swaplevel().reset_index()


def disentanglement_table(codes: Float[Tensor, "N D"], factors: Factors, times: int = 5) -> pd.DataFrame:
    """MIG and SAP of each factor, DCI of all, beside chance (mean and highest of `times` permutations of all factors)."""
    generator, true = torch.Generator().manual_seed(0), _scores(codes, factors)
    null = [_scores(codes, {name: shuffled(factor, generator) for name, factor in factors.items()}) for _ in range(times)]
    rows = [(*key, value, sum(s[key] for s in null) / times, max(s[key] for s in null)) for key, value in true.items()]
    return pd.DataFrame(rows, columns=["score", "factor", "value", "null", "null_highest"])


def _scores(codes: Float[Tensor, "N D"], factors: Factors) -> dict[tuple[str, str], float]:
    """By score and factor. DCI's importances are a random forest's, as Eastwood and Williams have it."""
    scores, importance = {}, []
    for name, factor in factors.items():
        scores["MIG", name] = gap(mutual_information(codes, factor), factor_entropy(factor))
        scores["SAP", name] = gap(torch.tensor([centroid_accuracy(one, factor, one, factor) for one in codes.T[..., None]]))
        # every dimension is looked at for every split: otherwise noise is split on where a telling one was not drawn
        forest = RandomForestClassifier(10, max_depth=12, max_features=1.0, random_state=0, n_jobs=-1)  # type: ignore[arg-type]
        importance.append(torch.from_numpy(forest.fit(codes, factor).feature_importances_))
    scores["DCI disentanglement", "all"], scores["DCI completeness", "all"] = dci(torch.stack(importance, dim=1))
    return scores
