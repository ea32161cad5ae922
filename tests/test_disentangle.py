"""Scores of hand-made latents: one dimension a factor, noise, and a factor spread over all dimensions."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.metrics import mutual_info_score
from small import triplets

from mvae_lib import metrics
from mvae_lib.storage import ROOT
from study.evidence import disentangle
from study.evidence.missing import stroke_width

N = 1200
OF = {"digit": torch.arange(N) % 10, "speaker": torch.arange(N) // 10 % 6}
NOISE = torch.randn(N, 6, generator=torch.Generator().manual_seed(0))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def perfect() -> torch.Tensor:
    codes = NOISE.clone()
    codes[:, 1], codes[:, 4] = OF["digit"].float(), OF["speaker"].float()
    return codes


def spread_out() -> torch.Tensor:
    """Adversarial: all of the digit can be read off the code, and off no dimension of it."""
    centre = torch.randn(10, 6, generator=torch.Generator().manual_seed(1))
    return centre[OF["digit"]] + 0.05 * NOISE


# --- scores


def test_mutual_information_and_mig():
    factor = torch.arange(20_000) % 10
    told, useless = factor.float(), torch.randn(20_000, generator=seeded())
    parity = (factor % 2).float()  # adversarial: half of it
    information = disentangle.mutual_information(torch.stack([told, useless, parity], 1), factor)
    assert disentangle.factor_entropy(factor) == pytest.approx(math.log(10))
    torch.testing.assert_close(information, torch.tensor([math.log(10), 0.0, math.log(2)]), atol=0.01, rtol=0)
    mig = disentangle.gap(information, math.log(10))
    assert mig == pytest.approx((math.log(10) - math.log(2)) / math.log(10), abs=0.01)
    twice = disentangle.mutual_information(torch.stack([told, told], 1), factor)  # adversarial: known, but in two places
    assert disentangle.gap(twice) == 0
    assert disentangle.mutual_information(torch.ones(10, 1), torch.arange(10)).item() == 0  # a code that never moves


@pytest.mark.parametrize("n", [10, 500, 5000])
def test_mutual_information_is_the_sum_over_counts(n):
    """Scikit-learn's own, a dimension at a time."""
    codes, factor = torch.randn(n, 5, generator=seeded()), torch.randint(0, 7, (n,), generator=seeded())
    levels = ((codes - codes.amin(0)) / (codes.amax(0) - codes.amin(0)) * 20).long().clamp(max=19)
    want = torch.tensor([mutual_info_score(factor.numpy(), column) for column in levels.T.numpy()], dtype=torch.float32)
    torch.testing.assert_close(disentangle.mutual_information(codes, factor), want, atol=1e-6, rtol=0)
    share = torch.bincount(factor).double() / n
    assert disentangle.factor_entropy(factor) == pytest.approx(float(torch.special.entr(share).sum()), rel=1e-12)


def test_the_null_of_a_shuffled_factor_shows_the_bias_of_counting():
    factor, code = torch.arange(500) % 10, torch.randn(500, 1, generator=seeded())
    value, generator = disentangle.mutual_information(code, factor), seeded()
    null = torch.cat([disentangle.mutual_information(code, disentangle.shuffled(factor, generator)) for _ in range(100)])
    assert 0.05 < null.mean() < 0.25 and null.std() > 0
    assert null.quantile(0.01) < value < null.quantile(0.99), "noise is not above its null"
    assert disentangle.mutual_information(factor[:, None].float(), factor) > null.max()
    assert torch.equal(disentangle.shuffled(factor, seeded()).sort().values, factor.sort().values)


def test_sap_and_the_accuracy_of_one_dimension():
    factor = torch.arange(1000) % 5
    codes = torch.stack([factor.float(), torch.randn(1000, generator=seeded()), (factor == 0).float()], 1)
    accuracy = torch.tensor([disentangle.centroid_accuracy(one, factor, one, factor) for one in codes.T[..., None]])
    assert accuracy[0] == 1 and 0.15 < accuracy[1] < 0.3 and accuracy[2] == pytest.approx(0.4)  # zero, and the first of the rest
    assert disentangle.gap(accuracy) == pytest.approx(0.6) and disentangle.gap(accuracy[[0, 0]]) == 0


def test_the_nearest_class_mean_is_the_one_of_least_distance():
    """Against distances worked out by hand, on codes that others were never seen with."""
    known, truth = torch.randn(200, 4, generator=seeded()), torch.arange(200) % 5
    codes, factor = torch.randn(300, 4, generator=seeded()) + 0.1, torch.arange(300) % 5
    means = torch.stack([known[truth == label].mean(0) for label in range(5)])
    want = (torch.cdist(codes, means).argmin(1) == factor).float().mean()
    assert disentangle.centroid_accuracy(known, truth, codes, factor) == float(want)


def test_dci():
    """Perfect: a dimension a factor. Useless: all serve all. Adversarial: one serves all; and one factor is split over two."""
    assert disentangle.dci(torch.eye(4)) == pytest.approx((1, 1))
    assert disentangle.dci(torch.ones(4, 4)) == pytest.approx((0, 0), abs=1e-6)
    one_for_all = torch.zeros(4, 4)
    one_for_all[0] = 1
    assert disentangle.dci(one_for_all) == pytest.approx((0, 1), abs=1e-6)
    split = torch.tensor([[1.0, 0], [1.0, 0], [0, 2.0]])
    disentangled, complete = disentangle.dci(split)
    assert disentangled == pytest.approx(1) and complete == pytest.approx(0.5 * (1 - math.log(2) / math.log(3)) + 0.5)


# --- tables


def information(codes: torch.Tensor, times: int = 20, kl: float = 9.0) -> pd.DataFrame:
    """The table of codes that are their own validation."""
    active = metrics.active_units(codes)
    return disentangle.information_table(codes, OF, torch.full((codes.shape[1],), kl), active, codes, OF, times)


def test_information_is_above_chance_where_it_is_and_nowhere_else():
    table = information(perfect())
    above = table[table["information"] > table["null_highest"]]
    assert above[["factor", "index"]].to_numpy().tolist() == [["digit", 1], ["speaker", 4]]
    assert table[table["chosen"]][["factor", "index"]].to_numpy().tolist() == [["digit", 1], ["speaker", 4]]
    noise = information(NOISE)
    assert (noise["information"] <= noise["null_highest"] * 1.05).all() and (noise["null_mean"] > 0).all()
    picked = noise[noise["chosen"]]
    assert (picked["null_chosen"] < picked["null_highest"]).all() and len(picked) == 2, "a lucky choice, on others' samples"


def test_the_dimensions_that_tell_are_counted_by_factor():
    table = information(perfect())
    counts = disentangle.informed_table(table.assign(active=table["index"] != 4, kl=0.5)).set_index("factor")
    names = ["active", "active_above", "inactive", "inactive_above", "above_kl", "best"]
    assert counts.loc["digit", names].tolist() == [5, 1, 1, 0, 1, 1]
    assert counts.loc["speaker", names[1::2]].tolist() == [0, 1, 4]
    told = table.query("factor == 'speaker' and index == 4")["information"].item()
    assert counts.loc["speaker", "information"] == pytest.approx(told)


def test_draws_tell_no_more_than_their_kl_and_means_do():
    """A dimension with a posterior of N(.02 c, 1): its KL is .0002 c^2, and its mean names the class."""
    mean = 0.02 * (OF["digit"].float() - 4.5)[:, None]
    kl = float(metrics.kl_per_dimension(mean, torch.zeros(N, 1)))
    means = information(mean, kl=kl).query("factor == 'digit'").iloc[0]
    assert means["information"] - means["null_mean"] > 100 * kl, "noise-free means in bins without a scale: not what z tells"
    draws = information(mean + NOISE[:, :1], kl=kl).query("factor == 'digit'").iloc[0]
    assert draws["information"] - draws["null_mean"] <= kl + (draws["null_highest"] - draws["null_mean"])


def test_no_committed_information_exceeds_its_kl():
    table = pd.read_csv(ROOT / "figures" / "information.csv")
    over = table["information"] - table["null_mean"] > table["kl"] + (table["null_highest"] - table["null_mean"])
    assert not over.any(), table[over]
    assert (pd.read_csv(ROOT / "figures" / "informed.csv")["above_kl"] == 0).all()
    assert (table[table["chosen"]]["factor"].value_counts() == 1).all(), "one dimension a factor is chosen, and on validation"


def test_scores_of_perfect_useless_and_spread_codes():
    scores = {name: disentangle.disentanglement_table(codes, OF, torch.ones(6, dtype=torch.bool), times=3) for name, codes in
              {"perfect": perfect(), "useless": NOISE, "spread": spread_out()}.items()}  # fmt: skip
    value = {name: table.set_index(["score", "factor"])["value"] for name, table in scores.items()}
    assert value["perfect"]["MIG", "digit"] > 0.9 and value["perfect"]["SAP", "speaker"] > 0.6
    assert value["perfect"]["DCI disentanglement", "all"] > 0.8 and value["perfect"]["DCI completeness", "all"] > 0.8
    useless = scores["useless"].set_index(["score", "factor"])
    told = useless.drop(index=["DCI disentanglement", "DCI informativeness"], level=0)
    assert told["value"].max() < 0.1
    assert (told["value"] <= 3 * told["null_highest"] + 0.02).all(), "no better than chance"
    assert value["spread"]["MIG", "digit"] < 0.2, "it is all there, and in no one place"
    assert value["spread"]["DCI informativeness", "digit"] > 0.95 > 0.2 > useless.loc[("DCI informativeness", "digit"), "value"]
    for name, special in (("perfect", True), ("spread", False)):
        row = scores[name].set_index(["score", "factor"]).loc[("MIG", "digit")]
        assert (row["value"] > row["rotated_highest"] + 0.3) == special, "a rotation takes away what the axes had, and no more"


def test_factors_are_the_triplets_own():
    few = triplets()
    named = [f"{digit}_{speaker}_{take}.wav" for take in range(2) for speaker in ("b", "a") for digit in range(10)]
    known = disentangle.factors(replace(few, speech_names=named))
    assert torch.equal(known["digit"], few.labels)
    assert known["speaker"].tolist() == ([1] * 10 + [0] * 10) * 2
    x, _ = few.gather(slice(None))
    widths = stroke_width(x["kannada"])
    for digit in range(10):  # four a digit: four of the ten levels, in the order of the measure
        of = few.labels == digit
        assert sorted(known["kannada stroke width"][of].tolist()) == [0, 2, 5, 7]
        assert (known["kannada stroke width"][of][widths[of].argsort(stable=True)].diff() > 0).all()
    assert known.keys() == {"digit", "speaker", *(f"{s} {w}" for s in ("farsi", "kannada") for w in ("slant", "stroke width"))}


@pytest.mark.parametrize("times", [1, 4])
def test_the_null_is_of_as_many_permutations_as_asked(times):
    table = information(NOISE[:, :2], times)
    assert (table["null_highest"] >= table["null_mean"]).all()


def test_the_scores_are_of_active_dimensions_and_a_gap_takes_two():
    active = torch.tensor([True, True, False, False, True, False])
    one, other = (disentangle.disentanglement_table(codes, OF, active, times=1) for codes in (perfect(), perfect() * active))
    pd.testing.assert_frame_equal(one, other)
    with pytest.raises(ValueError, match="1 of 6 dimensions are active"):
        disentangle.disentanglement_table(NOISE, OF, torch.arange(6) == 2)
