"""Measures of a latent on hand-made codes with known answers."""

import math

import torch

from mvae_lib import metrics
from mvae_lib.loss import kl_to_prior


def test_kl_per_dimension_sums_to_the_kl():
    mu, logvar = torch.randn(30, 5), torch.randn(30, 5)
    torch.testing.assert_close(metrics.kl_per_dimension(mu, logvar).sum(), kl_to_prior(mu, logvar).mean())
    unused = metrics.kl_per_dimension(torch.zeros(4, 2), torch.zeros(4, 2))
    assert (unused == 0).all()
    moved = metrics.kl_per_dimension(torch.full((4, 1), 3.0), torch.zeros(4, 1))
    assert moved.item() == 4.5


def test_active_units():
    useless, perfect = torch.zeros(100), torch.linspace(-1, 1, 100)
    wide_but_still = torch.full((100,), 5.0)  # adversarial: far from the prior, and says nothing of the input
    mu = torch.stack([useless, perfect, wide_but_still], dim=1)
    assert metrics.active_units(mu).tolist() == [False, True, False]


def test_aggregate_sd_is_that_of_the_mixture():
    torch.manual_seed(0)
    mu, logvar = torch.tensor([[-2.0], [2.0]]), torch.tensor([[math.log(0.25)], [math.log(4.0)]])
    draws = mu + (logvar / 2).exp() * torch.randn(2, 200_000)
    torch.testing.assert_close(metrics.aggregate_sd(mu, logvar)[0], draws.std(), rtol=1e-2, atol=0)
    torch.testing.assert_close(metrics.aggregate_sd(torch.zeros(9, 1), torch.zeros(9, 1)), torch.ones(1))


def test_labels_seen():
    kinds, changes = metrics.labels_seen(torch.tensor([[5, 5, 5, 5], [5, 3, 7, 0], [1, 2, 1, 2]]))
    assert kinds.tolist() == [1, 4, 2] and changes.tolist() == [0, 3, 3]
