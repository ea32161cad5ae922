"""Measures of a latent on hand-made codes with known answers."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from mvae_lib import metrics
from mvae_lib.fusion import Gaussian


def test_kl_per_dimension_sums_to_the_kl():
    mu, logvar = torch.randn(30, 5), torch.randn(30, 5)
    torch.testing.assert_close(metrics.kl_per_dimension(mu, logvar).sum(), Gaussian(mu, logvar).kl_to_prior().mean())
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


def gaussian(mean, sd):
    return Gaussian(mean, 2 * sd.log())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_entropy_is_torchs():
    logvar = torch.randn(4, 6)
    torch.testing.assert_close(metrics.entropy(logvar), Normal(0.0, (0.5 * logvar).exp()).entropy().sum(-1))


def test_log_overlap():
    """Perfect: one and the same. Useless: far apart. Adversarial: same means, other widths. Against the integral, on a grid."""
    same = gaussian(torch.randn(3, 5), torch.rand(3, 5) + 0.1)
    torch.testing.assert_close(metrics.log_overlap(same, same), torch.zeros(3), atol=1e-6, rtol=0)
    grid = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    for left, right in (((0, 1), (3, 1)), ((0, 1), (0, 9)), ((-1, 0.5), (4, 2))):
        p, q = (Normal(torch.tensor([float(m)]).double(), torch.tensor([float(s)]).double()) for m, s in (left, right))
        want = torch.trapezoid((0.5 * (p.log_prob(grid) + q.log_prob(grid))).exp(), grid).log()
        p, q = (gaussian(each.mean, each.stddev) for each in (p, q))
        torch.testing.assert_close(metrics.log_overlap(p, q), want, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(metrics.log_overlap(q, p), want, rtol=1e-5, atol=1e-6)
    two = gaussian(torch.zeros(1, 2), torch.ones(1, 2))
    assert metrics.log_overlap(two, gaussian(two.mean + 2, two.stddev)).item() == pytest.approx(-2 * 4 / 8)


def test_log_likelihood_on_a_linear_gaussian_model():
    """x = W z + noise: log p(x) is known. The exact posterior needs one draw, the prior many; a wrong, narrow one stays below."""
    torch.manual_seed(0)
    w, sd, x = torch.randn(3, 2), 0.5, torch.randn(40, 3)
    exact = MultivariateNormal(torch.zeros(3), w @ w.T + sd**2 * torch.eye(3)).log_prob(x)
    covariance = torch.linalg.inv(torch.eye(2) + w.T @ w / sd**2)
    mean, root = x @ w @ covariance / sd**2, torch.linalg.cholesky(covariance).expand(40, 2, 2)
    prior = torch.zeros(40, 2), torch.eye(2).expand(40, 2, 2)

    def log_p_of(z):
        return Normal(z @ w.T, sd).log_prob(x).sum(-1)

    def estimate(q, draws, chunk=50):
        return metrics.log_likelihood(log_p_of, *q, draws, seeded(), chunk)

    log_p, size = estimate((mean, root), 7)
    torch.testing.assert_close(log_p, exact, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(size, torch.full((40,), 7.0), atol=1e-3, rtol=0), "every draw counts"
    few, (many, size) = estimate(prior, 1)[0].mean(), estimate(prior, 1000)
    assert few < many.mean() < exact.mean() + 0.05 and exact.mean() - many.mean() < 0.2
    assert (size >= 1).all() and size.median() < 200, "of the prior's draws few count"
    log_p, size = estimate((mean + 1, 0.1 * root), 100)
    assert (log_p < exact).all() and size.median() < 15
    for halves in zip(estimate(prior, 60, 7), estimate(prior, 60, 60), strict=True):
        torch.testing.assert_close(*halves), "the chunk does not matter"


def test_calibration_error():
    labels = torch.arange(1000) % 10
    sure_and_right = torch.nn.functional.one_hot(labels, 10).float()
    sure_and_wrong = sure_and_right.roll(1, dims=1)
    ignorant = torch.full((1000, 10), 0.1)  # right one time in ten, and says so
    assert metrics.calibration_error(sure_and_right, labels) == 0
    assert metrics.calibration_error(sure_and_wrong, labels) == 1
    assert metrics.calibration_error(ignorant, labels) == pytest.approx(0, abs=1e-6)
    timid = 0.4 * sure_and_right + 0.06  # adversarial: always right at a confidence of .46
    assert metrics.calibration_error(timid, labels) == pytest.approx(0.54)
    mixed = torch.cat([0.775 * sure_and_right[:500] + 0.0225, 0.775 * sure_and_wrong[:100] + 0.0225])  # .7975, right in 5 of 6
    assert metrics.calibration_error(mixed, labels[:600]) != metrics.calibration_error(timid, labels)
    assert metrics.calibration_error(mixed, torch.cat([labels[:500], labels[:100]])) == pytest.approx(5 / 6 - 0.7975, abs=1e-6)


def test_agreement():
    same = torch.tensor([[1, 2, 3, 4]] * 3)
    assert metrics.agreement(same) == 1
    assert metrics.agreement(torch.tensor([[1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 5]])) == 0  # two of three do not count
    assert metrics.agreement(torch.tensor([[1, 2], [1, 9], [1, 2]])) == 0.5
