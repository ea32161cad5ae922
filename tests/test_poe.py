"""The product of experts against a float64 oracle that multiplies densities the plain way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvae_lib.poe import presence_table, product_of_experts, sampled_subsets, stack, subset_name, subsets

TOLERANCE = dict(rtol=1e-5, atol=1e-5)


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


def test_subsets():
    assert subsets(3) == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert [len(subsets(n)) for n in range(1, 7)] == [1, 3, 7, 15, 31, 63]
    assert [subset_name(s) for s in subsets(2)] == ["m1", "m2", "m1,m2"]
    assert presence_table(((0,), (0, 2)), 3).tolist() == [[True, False, False], [True, False, True]]


@settings(max_examples=200, deadline=None)
@given(experts())
def test_table_agrees_with_oracle(drawn):
    mu, logvar, _ = drawn
    table = presence_table(((), *subsets(len(mu))), len(mu))
    got_mu, got_logvar = product_of_experts(mu, logvar, table)
    assert got_mu.shape == got_logvar.shape == (len(table), *mu.shape[1:])
    for s, row in enumerate(table.numpy()):
        for b in range(mu.shape[1]):
            want_mu, want_logvar = oracle(mu[:, b].numpy(), logvar[:, b].numpy(), row)
            np.testing.assert_allclose(got_mu[s, b], want_mu, **TOLERANCE)
            np.testing.assert_allclose(got_logvar[s, b], want_logvar, **TOLERANCE)


@settings(max_examples=100, deadline=None)
@given(experts())
def test_presence_per_sample_and_both(drawn):
    mu, logvar, rng = drawn
    present = torch.tensor(rng.random(mu.shape[:2]) < 0.5)  # [M, B]
    got_mu, got_logvar = product_of_experts(mu, logvar, present)
    assert got_mu.shape == mu.shape[1:]
    stacked = torch.stack([present, ~present])  # [S, M, B]
    both_mu, both_logvar = product_of_experts(mu, logvar, stacked)
    assert torch.equal(both_mu[0], got_mu) and torch.equal(both_logvar[0], got_logvar)
    for b in range(mu.shape[1]):
        for row, (one_mu, one_logvar) in enumerate(zip(both_mu, both_logvar, strict=True)):
            want_mu, want_logvar = oracle(mu[:, b].numpy(), logvar[:, b].numpy(), stacked[row, :, b].numpy())
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
            joint_mu, joint_logvar = product_of_experts(*leaves, present)
        else:
            precision = torch.exp(-leaves[1]) * present.unsqueeze(-1)
            total = 1 + precision.sum(0)
            joint_mu, joint_logvar = (precision * leaves[0]).sum(0) / total, -total.log()
        (joint_mu.sin().sum() + joint_logvar.sum()).backward()
        gradients.append([leaf.grad for leaf in leaves])
    for fast, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fast, plain, **TOLERANCE)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("form", ["table", "per sample"])
def test_a_missing_expert_leaks_nothing(poison, form):
    torch.manual_seed(0)
    mu, logvar = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    present = torch.tensor([True, False, True])
    present = present[None] if form == "table" else present[:, None].expand(3, 4)
    clean = product_of_experts(mu, logvar, present)
    mu[1], logvar[1] = poison, poison
    mu.requires_grad_(), logvar.requires_grad_()
    joint = product_of_experts(mu, logvar, present)
    assert all(torch.equal(a, b) for a, b in zip(joint, clean, strict=True))
    (joint[0].sum() + joint[1].sum()).backward()
    for leaf in (mu, logvar):
        assert leaf.grad.isfinite().all() and (leaf.grad[1] == 0).all() and (leaf.grad[0] != 0).all()


def test_no_expert_is_the_prior():
    mu, logvar = torch.full((2, 3, 4), torch.nan), torch.full((2, 3, 4), torch.nan)
    for present in (torch.zeros(2, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool), torch.zeros(1, 2, dtype=torch.bool)):
        joint_mu, joint_logvar = product_of_experts(mu, logvar, present)
        assert (joint_mu == 0).all() and (joint_logvar == 0).all()


def test_extremes_stay_finite():
    mu = torch.tensor([[[10.0]], [[-10.0]]])
    for extreme in (-100.0, 100.0):
        joint_mu, joint_logvar = product_of_experts(mu, torch.full((2, 1, 1), extreme), torch.ones(2, dtype=torch.bool))
        assert joint_mu.abs() < 1e-5 and joint_logvar.isfinite()
    one = product_of_experts(mu, torch.tensor([[[-100.0]], [[100.0]]]), torch.ones(2, dtype=torch.bool))
    assert torch.allclose(one[0], torch.tensor(10.0)) and torch.allclose(one[1], torch.tensor(-100.0))


def test_order_of_experts_does_not_matter_and_more_experts_are_surer():
    torch.manual_seed(1)
    mu, logvar = torch.randn(4, 6, 5), torch.randn(4, 6, 5)
    everything = torch.ones(4, dtype=torch.bool)
    joint = product_of_experts(mu, logvar, everything)
    flipped = product_of_experts(mu.flip(0), logvar.flip(0), everything)
    torch.testing.assert_close(joint, flipped)
    chain = [product_of_experts(mu, logvar, torch.arange(4) < k)[1] for k in range(5)]
    assert all((after < before).all() for before, after in zip(chain, chain[1:], strict=False))


@pytest.mark.parametrize(
    ("present", "match"),
    [
        (torch.ones(3), "float32"),
        (torch.ones(2, dtype=torch.bool), r"takes bool \[3\]"),
        (torch.ones(3, 5, dtype=torch.bool), r"\[3, 4\]"),
        (torch.ones(3, 3, 3, dtype=torch.bool), r"\[S, 3, 4\]"),
    ],
)
def test_refuses_other_presence(present, match):
    with pytest.raises(ValueError, match=match):
        product_of_experts(torch.zeros(3, 4, 2), torch.zeros(3, 4, 2), present)


def test_a_square_table_must_say_which_it_is():
    mu, logvar = torch.randn(3, 3, 2), torch.randn(3, 3, 2)
    singles = torch.eye(3, dtype=torch.bool)
    with pytest.raises(ValueError, match="say which"):
        product_of_experts(mu, logvar, singles)
    assert product_of_experts(mu, logvar, singles.unsqueeze(-1))[0].shape == (3, 3, 2)
    assert product_of_experts(mu, logvar, singles.unsqueeze(0))[0].shape == (1, 3, 2)


def test_sampled_subsets_hold_each_alone_all_together_and_k_between():
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        rows = sampled_subsets(5, 3, generator)
        assert rows[:5] == subsets(5)[:5] and rows[-1] == (0, 1, 2, 3, 4)
        assert len(set(rows)) == 9 and all(1 < len(row) < 5 for row in rows[5:-1])
        seen |= set(rows[5:-1])
    assert seen == set(subsets(5)[5:-1]), "each of the 25 comes up"
    assert sampled_subsets(3, 7, generator) == subsets(3)
    assert sampled_subsets(2, 3, generator) == subsets(2) and sampled_subsets(1, 3, generator) == subsets(1)
    assert len(sampled_subsets(40, 3, generator)) == 44


def test_a_stack_says_which_rows_rebuild_what():
    every, given = (stack(subsets(2), 2, rebuild, "cpu") for rebuild in ("all", "given"))
    assert every.present.tolist() == given.present.tolist() == [[True, False], [False, True], [True, True]]
    assert every.rebuilds == (slice(None), slice(None))
    assert [rows.tolist() for rows in given.rebuilds] == [[0, 2], [1, 2]]
