"""Readers, on digits that can be told apart; coherence, of models that are perfect, useless, and wrong on purpose."""

import pytest
import torch
from small import run, triplets
from torch import nn

from mvae_lib import checkpoint
from mvae_lib.evaluate import coherence
from mvae_lib.evaluate.tables import REPORT_ORDER
from mvae_lib.model import MVAE


class Oracle(nn.Module):
    """A decoder's stand-in: reads the digit off the latent, and draws it, shifted."""

    def __init__(self, pictures: torch.Tensor, shift: int = 0) -> None:
        super().__init__()
        self.pictures, self.shift = pictures, shift

    def forward(self, z):
        chosen = self.pictures.roll(-self.shift, 0)[z[..., 0].round().long().clamp(0, 9)]
        return torch.distributions.Normal(chosen, 1e-3)


@pytest.fixture(scope="module")
def readers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coherence, "UPDATES", 150)
        return coherence.train_readers(triplets())


def pictures(name: str) -> torch.Tensor:
    """The first sample of each digit."""
    x, y = coherence.samples(triplets("test"), name)
    assert y[:10].tolist() == list(range(10))
    return x[:10]


def model_that_draws(**shifts: int) -> MVAE:
    """Its posterior mean's first index is the digit itself, whatever is given; what it draws is off by `shifts`."""
    model = MVAE(run()).eval()
    model.card = checkpoint.card(triplets())
    digits = {name: pictures(name) for name in model.names}
    for name in model.names:
        model.decoders[name] = Oracle(digits[name], shifts.get(name, 0))

    def posterior(x):
        name, sample = next(iter(x.items()))
        nearest = torch.cdist(sample.flatten(1), digits[name]).argmin(-1)
        mean = torch.zeros(len(sample), 8)
        mean[:, 0] = nearest.float()
        return torch.distributions.Normal(mean, 1e-4)

    model.posterior = posterior
    return model


def test_readers_read(readers):
    accuracy = coherence.reader_accuracy(readers, triplets("test"))
    assert set(accuracy) == {"farsi", "kannada", "speech"} and all(value == 1 for value in accuracy.values())


@pytest.mark.parametrize("z", ["mean", "sample"])
def test_a_model_that_draws_the_digit_is_coherent(readers, z):
    table = coherence.cross_modal_coherence(model_that_draws(), triplets("test"), readers, z=z)
    assert list(table.index) == list(REPORT_ORDER) and list(table.columns) == ["farsi", "kannada", "speech"]
    assert (table == 1).all(axis=None)


def test_a_model_that_draws_another_digit_in_one_modality_is_not_coherent_there(readers):
    table = coherence.cross_modal_coherence(model_that_draws(kannada=1), triplets("test"), readers)
    assert (table["kannada"] == 0).all() and (table[["farsi", "speech"]] == 1).all(axis=None)


def test_a_model_that_always_draws_the_same_is_right_one_time_in_ten(readers):
    model = model_that_draws()
    for decoder in model.decoders.values():
        decoder.pictures = decoder.pictures[:1].expand(10, -1)
    table = coherence.cross_modal_coherence(model, triplets("test"), readers)
    assert ((table - 0.1).abs() < 1e-6).all(axis=None)


def test_prior_coherence(readers):
    assert coherence.prior_coherence(model_that_draws(), readers, n=200) == 1
    assert coherence.prior_coherence(model_that_draws(speech=3), readers, n=200) == 0  # two of three agree: not enough
