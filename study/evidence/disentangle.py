"""Which dimension of the latent tells of which factor? Every score stands beside the same score of shuffled factors."""

import math
import warnings
from itertools import product

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import RandomForestClassifier
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
    shape = (codes.shape[1], bins, int(factor.max()) + 1)
    cells = (torch.arange(shape[0]) * bins + levels) * shape[2] + factor[:, None]  # a number a dimension, bin and value
    joint = torch.bincount(cells.flatten(), minlength=math.prod(shape)).view(shape).double() / len(codes)
    apart = torch.special.entr(joint.sum(2)).sum(1) + torch.special.entr(joint.sum(1)).sum(1)  # [D]: bins' and values' entropies
    return (apart - torch.special.entr(joint).sum((1, 2))).float()


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


def information_table(
    draws: Float[Tensor, "N D"], factors: Factors, kl: Float[Tensor, "D"], active: Bool[Tensor, "D"],
    val_draws: Float[Tensor, "V D"], val_factors: Factors, times: int = 20,
) -> pd.DataFrame:  # fmt: skip
    """Mutual information of every dimension of sampled z with digit, speaker, slants and stroke widths, in nats, beside chance.
    null_mean, the bias of counting, and null_highest are of `times` permutations: what is above the highest, of any dimension in
    any of them, is above chance for all dimensions at once. kl bounds the information, less its bias: I(z; factor) <= I(z; x).
    chosen: the dimension that tells most on validation; null_chosen: what that choice tells here when both are permuted, on the
    mean. entropy is the factor's; active is the dimension's (`metrics.active_units`). A row a factor and dimension."""
    generator, frames = torch.Generator().manual_seed(0), {}
    for name, factor in factors.items():
        null = torch.stack([mutual_information(draws, shuffled(factor, generator)) for _ in range(times)])  # [times, D]
        picks = [mutual_information(val_draws, shuffled(val_factors[name], generator)).argmax() for _ in range(times)]
        columns = {"information": mutual_information(draws, factor), "null_mean": null.mean(0), "kl": kl, "active": active}
        best = int(mutual_information(val_draws, val_factors[name]).argmax())
        lucky = float(torch.stack([row[pick] for row, pick in zip(null, picks, strict=True)]).mean())
        whole = {"null_highest": float(null.max()), "null_chosen": lucky, "entropy": factor_entropy(factor)}
        frames[name] = pd.DataFrame(columns | whole).assign(chosen=lambda frame, best=best: frame.index == best)
    return pd.concat(frames, names=["factor", "index"]).swaplevel().reset_index()


def informed_table(told: pd.DataFrame) -> pd.DataFrame:
    """`information_table` counted: a row a factor. active, inactive: how many dimensions are; active_above, inactive_above: of
    these, how many are above the highest null; above_kl: how many estimates exceed their dimension's KL by more than the null's
    width; and of the dimension chosen on validation its number (best), what it tells, and what the choice tells when permuted."""
    rows = {}
    for factor, part in told.groupby("factor", sort=False):
        above, active, best = part["information"] > part["null_highest"], part["active"], part[part["chosen"]].iloc[0]
        over = part["information"] - part["kl"] > part["null_highest"]
        counts = {"active": active.sum(), "active_above": (above & active).sum(), "inactive": (~active).sum()}
        counts |= {"inactive_above": (above & ~active).sum(), "above_kl": over.sum(), "best": best["index"]}
        rows[factor] = counts | best[["information", "null_chosen", "entropy"]].to_dict()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("factor").reset_index()


def disentanglement_table(
    draws: Float[Tensor, "N D"], factors: Factors, active: Bool[Tensor, "D"], times: int = 20
) -> pd.DataFrame:
    """MIG and SAP of each factor, DCI of all, of the active dimensions of sampled z, beside two nulls (mean and highest of
    `times` each): all factors permuted, under which nothing is told; and the dimensions rotated at random, under which as much
    is told, but no axis is special, so that only what exceeds it speaks of the axes. ValueError: fewer than two are active."""
    codes, generator = draws[:, active], torch.Generator().manual_seed(0)
    if codes.shape[1] < 2:
        raise ValueError(f"{codes.shape[1]} of {draws.shape[1]} dimensions are active; a gap takes two.")
    true, (null, turned) = _scores(codes, factors), ([], [])
    for _ in range(times):
        null.append(_scores(codes, {name: shuffled(factor, generator) for name, factor in factors.items()}))
        normal = torch.randn(codes.shape[1], codes.shape[1], generator=generator)
        turned.append(_scores(codes @ torch.linalg.qr(normal)[0], factors))
    table = pd.Series(true).rename_axis(["score", "factor"]).to_frame("value")
    for name, scores in (("null", null), ("rotated", turned)):
        frame = pd.DataFrame(scores)
        table[[name, f"{name}_highest"]] = pd.DataFrame([frame.mean(), frame.max()]).T
    return table.assign(times=times).reset_index()


def _scores(codes: Float[Tensor, "N D"], factors: Factors) -> dict[tuple[str, str], float]:
    """By score and factor. DCI's importances, and its informativeness, are a random forest's, as Eastwood and Williams have it,
    learnt from a random three quarters and tested on the rest. SAP's single dimensions are read by the nearest class mean, in
    sample; its authors use a linear support vector machine on held-out samples."""
    scores, importance, most = {}, [], len(codes) * 3 // 4
    learnt, held = torch.randperm(len(codes), generator=torch.Generator().manual_seed(0)).tensor_split([most])
    for name, factor in factors.items():
        scores["MIG", name] = gap(mutual_information(codes, factor), factor_entropy(factor))
        scores["SAP", name] = gap(torch.tensor([centroid_accuracy(one, factor, one, factor) for one in codes.T[..., None]]))
        # every dimension is looked at for every split: otherwise noise is split on where a telling one was not drawn
        forest = RandomForestClassifier(10, max_depth=12, max_features=1.0, random_state=0, n_jobs=-1)  # type: ignore[arg-type]
        importance.append(torch.from_numpy(forest.fit(codes[learnt], factor[learnt]).feature_importances_))
        scores["DCI informativeness", name] = float(forest.score(codes[held], factor[held]))
    scores["DCI disentanglement", "all"], scores["DCI completeness", "all"] = dci(torch.stack(importance, dim=1))
    return scores
