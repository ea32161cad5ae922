"""Scores of hand-made latents: one index a factor, noise, and a factor spread over all indices."""

import pytest
import torch
from small import triplets

from mvae_lib.evaluate import disentangle
from mvae_lib.evaluate.strokes import stroke_width

N = 1200
OF = {"digit": torch.arange(N) % 10, "speaker": torch.arange(N) // 10 % 6}
NOISE = torch.randn(N, 6, generator=torch.Generator().manual_seed(0))


def perfect() -> torch.Tensor:
    codes = NOISE.clone()
    codes[:, 1], codes[:, 4] = OF["digit"].float(), OF["speaker"].float()
    return codes


def spread_out() -> torch.Tensor:
    """Adversarial: all of the digit can be read off the code, and off no index of it."""
    centre = torch.randn(10, 6, generator=torch.Generator().manual_seed(1))
    return centre[OF["digit"]] + 0.05 * NOISE


def test_information_is_above_chance_where_it_is_and_nowhere_else():
    table = disentangle.information_table(perfect(), OF)
    above = table[table["information"] > table["null_highest"]]
    assert above[["factor", "index"]].to_numpy().tolist() == [["digit", 1], ["speaker", 4]]
    noise = disentangle.information_table(NOISE, OF)
    assert (noise["information"] <= noise["null_highest"] * 1.05).all() and (noise["null_mean"] > 0).all()


def test_scores_of_perfect_useless_and_spread_codes():
    scores = {name: disentangle.disentanglement_table(codes, OF, times=3) for name, codes in
              {"perfect": perfect(), "useless": NOISE, "spread": spread_out()}.items()}  # fmt: skip
    value = {name: table.set_index(["score", "factor"])["value"] for name, table in scores.items()}
    assert value["perfect"]["MIG", "digit"] > 0.9 and value["perfect"]["SAP", "speaker"] > 0.6
    assert value["perfect"]["DCI disentanglement", "all"] > 0.8 and value["perfect"]["DCI completeness", "all"] > 0.8
    useless = scores["useless"].set_index(["score", "factor"])
    assert useless["value"].drop(index=[("DCI disentanglement", "all")]).max() < 0.1
    assert (useless["value"] <= 3 * useless["null_highest"] + 0.02).all(), "no better than chance"
    assert value["spread"]["MIG", "digit"] < 0.2, "it is all there, and in no one place"


def test_factors_are_the_triplets_own():
    few = triplets()
    named = [f"{digit}_{speaker}_{take}.wav" for take in range(2) for speaker in ("b", "a") for digit in range(10)]
    from dataclasses import replace

    found = disentangle.factors(replace(few, speech_names=named))
    assert torch.equal(found["digit"], few.labels)
    assert found["speaker"].tolist() == ([1] * 10 + [0] * 10) * 2
    x, _ = few.gather(slice(None))
    widths = stroke_width(x["kannada"])
    for digit in range(10):  # four a digit: four of the ten levels, in the order of the measure
        of = few.labels == digit
        assert sorted(found["kannada stroke width"][of].tolist()) == [0, 2, 5, 7]
        assert (found["kannada stroke width"][of][widths[of].argsort(stable=True)].diff() > 0).all()
    assert found.keys() == {"digit", "speaker", *(f"{s} {w}" for s in ("farsi", "kannada") for w in ("slant", "stroke width"))}


@pytest.mark.parametrize("times", [1, 4])
def test_the_null_is_of_as_many_permutations_as_asked(times):
    table = disentangle.information_table(NOISE[:, :2], OF, times=times)
    assert (table["null_highest"] >= table["null_mean"]).all()
