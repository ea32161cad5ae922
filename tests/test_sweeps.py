"""Sweeps of decoders made by hand: one label, one for each tenth, noise at the ends or nothing."""

import pandas as pd
import pytest
import torch
from small import run, triplets
from torch import nn

from mvae_lib import build, metrics, tables
from mvae_lib.storage import ROOT
from study.evidence import latent, sweeps


class Reads(nn.Module):
    """A label decoder, or a classifier: which of ten intervals of width `step` the first number lies in; 0 below, 9 above."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        place = (x[..., 0] / self.step + 5).floor().clamp(0, 9).long()
        return nn.functional.one_hot(place, 10).float()


def test_the_steps_are_the_report_s():
    assert (1500 * latent.STEPS).round().tolist() == [*range(-1500, 0, 30), *range(30, 1501, 30)], (
        "without 0, as its authors' code"
    )


def test_one_dimension_that_leads_through_all_labels_and_others_that_lead_nowhere():
    model, few = build(run()).eval(), triplets("test")
    model.label_decoder = Reads(300.0)  # dimension 0 alone is read, and goes through all ten within the report's reach
    classifiers = {name: Reads(0.05) for name in model.names}
    frame = sweeps.sweep_table(model, few, classifiers, digits=(3, 7))
    own = frame.query("network == 'trained' and direction == 'dimension' and reach == '±1500'").set_index("number")["labels"]
    assert own[0] == 10 and (own.drop(0) == 1).all()
    near = frame.query("network == 'trained' and direction == 'dimension' and reach == '±4 sd'").set_index("number")["labels"]
    assert near[0] <= 2, "within 4 sd, about 1, the first number stays in one interval or the next"
    assert len(frame) == 2 * 2 * 2 * 8 and frame["labels"].between(1, 10).all()
    assert list(frame.columns)[:6] == ["network", "direction", "reach", "number", "kl", "active"]
    read = ["labels", "read_farsi", "read_kannada", "read_speech"]
    assert list(frame.columns)[6:] == [*read, "together", "independent", "changing", "ends", "centre"]
    assert (frame["changing"] > 0).equals(frame["labels"] > 1)
    mu, logvar = tables.posteriors(model, few)
    one = frame.query("network == 'trained' and direction == 'dimension' and reach == '±1500'")
    torch.testing.assert_close(torch.tensor(one["kl"].to_numpy()), metrics.kl_per_dimension(mu, logvar), rtol=1e-4, atol=1e-6)


def test_a_mean_says_of_which_dimensions_it_is():
    """Ten dimensions, of which two are active: the label changes along one of the two, and along none of the others."""
    about = {"network": "trained", "reach": "±4 sd"}
    axes = pd.DataFrame(
        {"direction": "dimension", "number": range(10), "kl": range(10, 0, -1), "active": [True] * 2 + [False] * 8}
    )
    random = axes.assign(direction="random", active=True)
    swept = pd.concat([axes, random], ignore_index=True).assign(**about, changing=[1.0] + [0.0] * 19)
    means = sweeps.sweep_means(swept).set_index(["direction", "group"])
    n, share = means["n"], means["changing"]["dimension"]
    assert n["dimension"].to_dict() == {"all": 10, "active": 2, "largest KL": 8} and n["random"].to_dict() == {"all": 10}
    assert share.to_dict() == {"all": 0.1, "active": 0.5, "largest KL": 1 / 8}
    asleep = sweeps.sweep_means(swept.assign(active=False))
    assert set(asleep["group"]) == {"all", "largest KL"}, "of no dimension there is no mean"


@pytest.mark.parametrize("name", ["fig5_farsi", "fig5_kannada", "fig5_best_farsi", "fig5_best_kannada"])
def test_the_committed_walks_are_of_the_report_s_steps(name):
    amounts = pd.read_csv(ROOT / "figures" / f"{name}.csv")["amount"]
    assert amounts.tolist() == (1500 * latent.STEPS).round().tolist()


def test_ends_and_centre_of_a_decoder_that_saturates_and_of_one_that_does_not_move():
    model, few = build(run()).eval(), triplets("test")
    classifiers = {name: Reads(0.1) for name in model.names}
    for name in ("farsi", "kannada"):
        decoder = model.decoders[name]
        decoder.trunk, decoder.out = nn.Identity(), nn.Linear(8, 784)
        nn.init.zeros_(decoder.out.weight), nn.init.zeros_(decoder.out.bias)
        decoder.out.weight.data[:, 0] = 0.05  # a sigmoid of dimension 0: a step at the centre, flat at the ends
    frame = sweeps.sweep_table(model, few, classifiers, digits=(3,))
    row = frame.query("network == 'trained' and direction == 'dimension' and reach == '±1500'").set_index("number")
    assert row.loc[0, "centre"] > 0.9 and row.loc[0, "ends"] < 1e-6
    assert (row.drop(0)[["ends", "centre"]] == 0).all(axis=None)


def test_pictures_that_turn_together_agree_and_by_chance_they_would_not():
    """Ten intervals of the first pixel, each as long: two readers alike agree everywhere, by chance in one point of ten."""
    model, few = build(run()).eval(), triplets("test")
    for name in ("farsi", "kannada"):
        decoder = model.decoders[name]
        decoder.trunk, decoder.out = nn.Identity(), nn.Linear(8, 784)
        nn.init.zeros_(decoder.out.bias), nn.init.zeros_(decoder.out.weight)
        decoder.out.weight.data[:, 0] = 1 / 1500  # sigmoid of -1 to 1 over the report's reach: .27 to .73
    one, turned = Reads(0.0463), Reads(0.0463)
    turned.forward = lambda x: one(x).roll(3, -1)
    one.forward, plain = lambda x: plain(x - 0.5), one.forward  # centred on the sigmoid's middle
    for other, agree in ((one, 1.0), (turned, 0.0)):
        classifiers = {"farsi": one, "kannada": other, "speech": one}
        frame = sweeps.sweep_table(model, few, classifiers, digits=(3,))
        row = frame.query("network == 'trained' and direction == 'dimension' and reach == '±1500' and number == 0").iloc[0]
        assert row["together"] == agree and 0.08 < row["independent"] < 0.13


def test_an_untrained_network_is_another_one_of_the_same_making():
    model = build(run())
    fresh, again = sweeps.untrained(model), sweeps.untrained(model)
    one, two, own = (list(net.parameters()) for net in (fresh, again, model))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one, own, strict=True)) and fresh.spec == model.spec
