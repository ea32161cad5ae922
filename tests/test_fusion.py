"""The product of experts against a float64 oracle that multiplies densities the plain way; the mixture against torch's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from mvae_lib.fusion import Gaussian, Mixture, Noise, mixture_of_experts, noise_source, product_of_experts
from mvae_lib.model import Plan
from mvae_lib.subsets import parse_subset, powerset, sampled, subset_name

TOLERANCE = dict(rtol=1e-5, atol=1e-5)


def table(subsets, n):
    return Plan.of(subsets, n).present.unsqueeze(-1)  # [S, M, 1]


def oracle(mu, logvar, present):
    """[M, D] float64 experts and bool [M] -> mu, logvar [D]: precisions add, with the prior's 1."""
    precision = np.exp(-logvar[present].astype(np.float64))
    total = 1.0 + precision.sum(0)
    return (precision * mu[present].astype(np.float64)).sum(0) / total, -np.log(total)


@st.composite
def experts(draw, max_experts=4, batch=5, latent=3):
    m = draw(st.integers(1, max_experts))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([1.0, 20.0, 100.0]))
    mu = rng.uniform(-10, 10, (m, batch, latent)).astype(np.float32)
    logvar = rng.uniform(-spread, spread, (m, batch, latent)).astype(np.float32)
    return torch.tensor(mu), torch.tensor(logvar), rng


def test_powerset():
    assert powerset(3) == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert [len(powerset(n)) for n in range(1, 7)] == [1, 3, 7, 15, 31, 63]
    assert [subset_name(s) for s in powerset(2)] == ["m1", "m2", "m1,m2"]
    assert [parse_subset(subset_name(s)) for s in powerset(4)] == list(powerset(4))


@settings(max_examples=200, deadline=None)
@given(experts())
def test_table_agrees_with_oracle(drawn):
    mu, logvar, _ = drawn
    present = table(((), *powerset(len(mu))), len(mu))
    got_mu, got_logvar = product_of_experts(Gaussian(mu, logvar), present)
    assert got_mu.shape == got_logvar.shape == (len(present), *mu.shape[1:])
    for s, row in enumerate(present.squeeze(-1).numpy()):
        for b in range(mu.shape[1]):
            want_mu, want_logvar = oracle(mu[:, b].numpy(), logvar[:, b].numpy(), row)
            np.testing.assert_allclose(got_mu[s, b], want_mu, **TOLERANCE)
            np.testing.assert_allclose(got_logvar[s, b], want_logvar, **TOLERANCE)


@settings(max_examples=100, deadline=None)
@given(experts())
def test_presence_may_differ_from_sample_to_sample(drawn):
    mu, logvar, rng = drawn
    present = torch.tensor(rng.random(mu.shape[:2]) < 0.5)  # [M, B]
    both = torch.stack([present, ~present])  # [S, M, B]
    both_mu, both_logvar = product_of_experts(Gaussian(mu, logvar), both)
    for b in range(mu.shape[1]):
        for row, (one_mu, one_logvar) in enumerate(zip(both_mu, both_logvar, strict=True)):
            want_mu, want_logvar = oracle(mu[:, b].numpy(), logvar[:, b].numpy(), both[row, :, b].numpy())
            np.testing.assert_allclose(one_mu[b], want_mu, **TOLERANCE)
            np.testing.assert_allclose(one_logvar[b], want_logvar, **TOLERANCE)


@settings(max_examples=100, deadline=None)
@given(experts())
def test_gradients_agree_with_oracle(drawn):
    """Against autograd through the plain formula in float64, where exp(100) is no trouble."""
    mu, logvar, rng = drawn
    present = torch.tensor(rng.random(mu.shape[:2]) < 0.7)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype, copy=True).requires_grad_() for t in (mu, logvar)]
        if dtype == torch.float32:
            joint_mu, joint_logvar = (part[0] for part in product_of_experts(Gaussian(*leaves), present[None]))
        else:
            precision = torch.exp(-leaves[1]) * present.unsqueeze(-1)
            total = 1 + precision.sum(0)
            joint_mu, joint_logvar = (precision * leaves[0]).sum(0) / total, -total.log()
        (joint_mu.sin().sum() + joint_logvar.sum()).backward()
        gradients.append([leaf.grad for leaf in leaves])
    for fast, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fast, plain, **TOLERANCE)


@pytest.mark.parametrize("fusion", [product_of_experts, mixture_of_experts])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("form", ["table", "per sample"])
def test_a_missing_expert_leaks_nothing(poison, form, fusion):
    torch.manual_seed(0)
    mu, logvar = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    present = torch.tensor([True, False, True])[None, :, None].expand(1, 3, 1 if form == "table" else 4)
    clean = fusion(Gaussian(mu.clone(), logvar.clone()), present)
    mu[1], logvar[1] = poison, poison
    mu.requires_grad_(), logvar.requires_grad_()
    joint = fusion(Gaussian(mu, logvar), present)
    assert torch.equal(joint.mean, clean.mean) and torch.equal(joint.kl_to_prior(), clean.kl_to_prior())
    noise = noise_source(0)(1, 4, 2)
    assert torch.equal(joint.sample(noise), clean.sample(noise))
    (joint.mean.sum() + joint.kl_to_prior().sum() + joint.sample(noise).sum()).backward()
    for leaf in (mu, logvar):
        assert leaf.grad.isfinite().all() and (leaf.grad[1] == 0).all() and (leaf.grad[0] != 0).all()


@pytest.mark.parametrize("fusion", [product_of_experts, mixture_of_experts])
def test_no_expert_is_the_prior(fusion):
    nothing = Gaussian(torch.full((2, 3, 4), torch.nan), torch.full((2, 3, 4), torch.nan))
    for present in (torch.zeros(1, 2, 1, dtype=torch.bool), torch.zeros(1, 2, 3, dtype=torch.bool)):
        joint, noise = fusion(nothing, present), noise_source(0)(1, 3, 4)
        assert (joint.mean == 0).all() and (joint.kl_to_prior() == 0).all() and torch.equal(joint.sample(noise), noise.normal)


ALL = torch.ones(1, 2, 1, dtype=torch.bool)


def test_extremes_stay_finite():
    mu = torch.tensor([[[10.0]], [[-10.0]]])
    for extreme in (-100.0, 100.0):
        joint_mu, joint_logvar = product_of_experts(Gaussian(mu, torch.full((2, 1, 1), extreme)), ALL)
        assert joint_mu.abs() < 1e-5 and joint_logvar.isfinite()
    one = product_of_experts(Gaussian(mu, torch.tensor([[[-100.0]], [[100.0]]])), ALL)
    assert torch.allclose(one[0], torch.tensor(10.0)) and torch.allclose(one[1], torch.tensor(-100.0))


@settings(max_examples=100, deadline=None)
@given(experts(), st.integers(2, 5))
def test_laws_of_the_product(drawn, copies):
    """Order and grouping do not matter, copies divide the variance, more is surer, the masked have no gradient; KL is torch's."""
    mu, logvar, rng = drawn
    m, order = len(mu), torch.tensor(rng.permutation(len(mu)))
    present = torch.tensor(rng.random((m, 1)) < 0.6)[None]
    mu, logvar = mu.requires_grad_(), logvar.requires_grad_()
    joint = product_of_experts(Gaussian(mu, logvar), present)
    mixed = product_of_experts(Gaussian(mu[order], logvar[order]), present[:, order])
    torch.testing.assert_close(tuple(mixed), tuple(joint), rtol=1e-4, atol=1e-4)
    (joint.mu.sum() + joint.logvar.sum()).backward()
    for leaf in (mu, logvar):
        assert leaf.grad.isfinite().all() and not leaf.grad[~present[0, :, 0]].any()
    mu, logvar = mu.detach(), logvar.detach()
    chain = [product_of_experts(Gaussian(mu, logvar), (torch.arange(m) < k)[None, :, None]) for k in range(m + 1)]
    for k, (fewer, more) in enumerate(zip(chain, chain[1:], strict=False)):
        assert (more.logvar <= fewer.logvar + 1e-5).all()
        told = fewer.mu * torch.exp(more.logvar - fewer.logvar) + mu[k] * torch.exp(more.logvar[0] - logvar[k])
        torch.testing.assert_close(more.mu, told, rtol=1e-4, atol=1e-3), "one more, to what was fused before"
    same = Gaussian(mu[:1].expand(copies, -1, -1), logvar[:1].expand(copies, -1, -1))
    precision = (-product_of_experts(same, torch.ones(1, copies, 1, dtype=torch.bool)).logvar).double().exp() - 1
    torch.testing.assert_close(precision[0], copies * (-logvar[0].double()).exp(), rtol=1e-3, atol=1e-5)
    assert (joint.kl_to_prior() >= 0).all()
    want = kl_divergence(Normal(joint.mu.double(), (joint.logvar.double() / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(joint.kl_to_prior().double(), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("present", "match"),
    [
        (torch.ones(1, 3, 1), "float32"),
        (torch.ones(1, 2, 1, dtype=torch.bool), r"takes bool \[S, 3, 1\]"),
        (torch.ones(3, 4, dtype=torch.bool), r"\[3, 4\]"),
        (torch.ones(3, 3, 3, dtype=torch.bool), r"\[S, 3, 4\]"),
    ],
)
@pytest.mark.parametrize("fusion", [product_of_experts, mixture_of_experts])
def test_refuses_other_presence(present, match, fusion):
    plain = getattr(fusion, "__wrapped__", fusion)  # as a user meets it: under pytest, beartype would be there first
    with pytest.raises(ValueError, match=match):
        plain(Gaussian(torch.zeros(3, 4, 2), torch.zeros(3, 4, 2)), present)


def test_a_gaussian_is_torch_s():
    torch.manual_seed(0)
    one, other = (Gaussian(torch.randn(50, 8), torch.randn(50, 8)) for _ in range(2))
    p, q = (Normal(g.mean, g.stddev) for g in (one, other))
    torch.testing.assert_close(one.kl_to_prior(), kl_divergence(p, Normal(0.0, 1.0)).sum(-1))
    torch.testing.assert_close(one.kl(other), kl_divergence(p, q).sum(-1))
    still = Gaussian(torch.zeros(1000, 512), torch.linspace(-1e-3, 1e-3, 1000)[:, None].expand(1000, 512))
    assert still.kl_to_prior().min() >= 0 and (one.kl(one) == 0).all()
    noise = noise_source(3)(50, 8)
    torch.testing.assert_close(one.sample(noise), p.mean + p.stddev * noise.normal)


def test_a_mixture_is_torch_s_in_mean_and_in_its_samples_and_its_kl_is_a_bound():
    torch.manual_seed(0)
    experts = Gaussian(3 * torch.randn(3, 1, 2), torch.randn(3, 1, 2))
    q = mixture_of_experts(experts, torch.tensor([True, False, True])[None, :, None])
    assert q.weight.tolist() == [[[0.5, 0.0, 0.5]]]
    parts = Independent(Normal(experts.mu[[0, 2], 0], (experts.logvar[[0, 2], 0] / 2).exp()), 1)
    want = MixtureSameFamily(Categorical(torch.ones(2)), parts)
    torch.testing.assert_close(q.mean[0, 0], want.mean)
    drawn = q.sample(noise_source(0)(100_000, 1, 1, 2))[:, 0, 0]  # [K, 2]
    torch.testing.assert_close(drawn.mean(0), want.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), want.variance, atol=0.06, rtol=0.02)
    estimate = (want.log_prob(drawn) - Normal(0.0, 1.0).log_prob(drawn).sum(-1)).mean()
    assert estimate < q.kl_to_prior().item() < estimate + np.log(2) + 0.05  # the label of the component is worth log 2 at most


def test_a_mixture_of_one_is_that_expert():
    mixture = Mixture(torch.randn(5, 1, 3), torch.randn(5, 1, 3), torch.ones(5, 1))
    one, noise = Gaussian(mixture.mu[:, 0], mixture.logvar[:, 0]), Noise(torch.randn(5, 3), torch.ones(5) - 1e-7)
    assert torch.equal(mixture.mean, one.mean) and torch.equal(mixture.sample(noise), one.sample(noise))
    assert torch.equal(mixture.kl_to_prior(), one.kl_to_prior())


def test_noise_is_a_function_of_the_seed_and_its_normals_are_torch_s():
    draw, generator = noise_source(7), torch.Generator().manual_seed(7)
    for shape in ((2, 3, 4), (5, 4)):
        noise = draw(*shape)
        assert torch.equal(noise.normal, torch.randn(*shape, generator=generator)) and noise.uniform.shape == shape[:-1]
    assert 0 <= noise.uniform.min() and noise.uniform.max() < 1
    assert not torch.equal(noise_source(8)(5, 4).uniform, noise_source(7)(5, 4).uniform)


def test_sampled_subsets_hold_each_alone_all_together_and_k_between():
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        rows = sampled(5, 3, generator)
        assert rows[:5] == powerset(5)[:5] and rows[-1] == (0, 1, 2, 3, 4)
        assert len(set(rows)) == 9 and all(1 < len(row) < 5 for row in rows[5:-1])
        seen |= set(rows[5:-1])
    assert seen == set(powerset(5)[5:-1]), "each of the 25 comes up"
    assert sampled(3, 7, generator) == powerset(3)
    assert sampled(2, 3, generator) == powerset(2) and sampled(1, 3, generator) == powerset(1)
    assert len(sampled(40, 3, generator)) == 44


def test_a_plan_says_which_rows_rebuild_what():
    every, given = (Plan.of(powerset(2), 2, rebuild) for rebuild in ("all", "given"))
    assert every.present.tolist() == given.present.tolist() == [[True, False], [False, True], [True, True]]
    assert every.rebuilds == (slice(None), slice(None))
    assert [rows.tolist() for rows in given.rebuilds] == [[0, 2], [1, 2]]
