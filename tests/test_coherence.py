"""Classifiers, on digits that can be told apart; coherence, of models that are perfect, useless, and wrong on purpose."""

from dataclasses import replace

import pytest
import torch
from small import MODEL, run, triplets
from torch import nn

from mvae_lib import MVAE, Gaussian, build, checkpoint, tables
from mvae_lib.likelihoods import Normal
from study.evidence import classifiers


class Oracle(nn.Module):
    """A decoder's stand-in: reads the digit off the latent, and draws it, shifted."""

    def __init__(self, pictures: torch.Tensor, shift: int = 0) -> None:
        super().__init__()
        self.pictures, self.shift = pictures, shift

    def forward(self, z):
        return self.pictures.roll(-self.shift, 0)[z[..., 0].round().long().clamp(0, 9)]


@pytest.fixture(scope="module")
def trained():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "UPDATES", 150)
        return classifiers.train_classifiers(triplets())


def pictures(name: str) -> torch.Tensor:
    """The first sample of each digit."""
    x, y = classifiers.samples(triplets("test"), name)
    assert y[:10].tolist() == list(range(10))
    return x[:10]


def model_that_draws(**shifts: int) -> MVAE:
    """Its posterior mean's first dimension is the digit itself, whatever is given; what it draws is off by `shifts`."""
    model = build(run()).eval()
    model.card = checkpoint.describe_data(triplets())
    digits = {name: pictures(name) for name in model.names}
    for name in model.names:
        model.decoders[name] = Oracle(digits[name], shifts.get(name, 0))
    model.likelihoods = dict.fromkeys(model.names, Normal())

    def posterior(x):
        name, sample = next(iter(x.items()))
        nearest = torch.cdist(sample.flatten(1), digits[name]).argmin(-1)
        mean = torch.zeros(len(sample), 8)
        mean[:, 0] = nearest.float()
        return Gaussian(mean, torch.full_like(mean, -18.0))

    model.posterior = posterior
    return model


def test_classifiers_classify(trained):
    accuracy = classifiers.classifier_accuracy(trained, triplets("test"))
    assert set(accuracy) == {"farsi", "kannada", "speech"} and all(value == 1 for value in accuracy.values())


@pytest.mark.parametrize("z", ["mean", "sample"])
def test_a_model_that_draws_the_digit_is_coherent(trained, z):
    table = tables.cross_modal_coherence(model_that_draws(), triplets("test"), trained, z=z)
    assert list(table.index) == list(tables.REPORT_ORDER) and list(table.columns) == ["farsi", "kannada", "speech"]
    assert (table == 1).all(axis=None)


def test_a_model_that_draws_another_digit_in_one_modality_is_not_coherent_there(trained):
    table = classifiers.coherence_table(model_that_draws(kannada=1), triplets("test"), trained)
    assert table.loc["real samples", "kannada"] == 1 and set(table["z"]) == {"mean"} and set(table["split"]) == {"test"}
    table = table.drop("real samples")
    assert (table["kannada"] == 0).all() and (table[["farsi", "speech"]] == 1).all(axis=None)


def test_a_model_that_always_draws_the_same_is_right_one_time_in_ten(trained):
    model = model_that_draws()
    for decoder in model.decoders.values():
        decoder.pictures = decoder.pictures[:1].expand(10, -1)
    table = tables.cross_modal_coherence(model, triplets("test"), trained)
    assert ((table - 0.1).abs() < 1e-6).all(axis=None)


def test_prior_coherence(trained):
    assert tables.prior_coherence(model_that_draws(), trained, n=200) == 1
    assert tables.prior_coherence(model_that_draws(speech=3), trained, n=200) == 0  # two of three agree: not enough


def test_a_mixture_has_coherence_too(trained):
    model = build(run(replace(MODEL, fusion="mixture"))).eval()
    model.card = checkpoint.describe_data(triplets())
    table = classifiers.coherence_table(model, triplets("test"), trained, z="sample")
    assert list(table.index) == [*tables.REPORT_ORDER, "real samples"] and table[list(model.names)].notna().all(axis=None)


def test_samples_are_those_that_are_there_and_have_a_label():
    """Own data: what is missing is NaN, the labels are the tuples', and one is unknown."""
    few = triplets(n=20)
    there = torch.arange(20) != 3
    speech = few.pools["speech"].clone()
    speech[3] = torch.nan
    labels = few.labels.clone()
    labels[5] = -1
    own = replace(few, pools={**few.pools, "speech": speech}, present={"speech": there}, pool_labels={}, labels=labels)
    x, y = classifiers.samples(own, "speech")
    assert len(x) == len(y) == 18 and x.isfinite().all() and y.min() >= 0
    assert torch.equal(x[:3], few.pools["speech"][:3]) and len(classifiers.samples(own, "farsi")[0]) == 19
