"""The model against the slow, obvious way (`bench.plain`): one pass per subset, one expert and one decoder at a time."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from small import MODEL, run, triplets
from torch import nn

from bench import plain
from mvae_lib.fusion import noise_source, product_of_experts
from mvae_lib.likelihoods import Bernoulli, Normal
from mvae_lib.model import MVAE, Plan, build
from mvae_lib.objectives import columns, powerset_objective, terms
from mvae_lib.presets import AS_RUN, AS_WRITTEN
from mvae_lib.spec import Modality, ModelSpec
from mvae_lib.subsets import powerset
from mvae_lib.train import batch_loss

FOUR = dataclasses.replace(
    MODEL, modalities=(*MODEL.modalities, Modality("spoken", (13, 4), "gaussian", (8,), (8,), weight=25.0))
)


def batch(model: ModelSpec, n: int = 6):
    x, y = triplets().gather(slice(n))
    if "spoken" in model.names:
        x["spoken"] = torch.randn(n, 13, 4, generator=torch.Generator().manual_seed(3))
    return x, y


@pytest.mark.parametrize("rebuild", ["all", "given"])
@pytest.mark.parametrize("spec", [MODEL, FOUR], ids=["three", "four"])
def test_stacked_pass_agrees_with_one_pass_per_subset(spec, rebuild):
    torch.manual_seed(0)
    model = build(run(spec, rebuild=rebuild))
    for expert in model.experts.values():
        torch.nn.init.normal_(expert.logvar.weight, std=0.1)
    x, y = batch(spec)
    noise = noise_source(0)(2 ** len(spec.modalities) - 1, len(y), spec.latent)
    plan = Plan.of(powerset(len(spec.modalities)), len(spec.modalities), rebuild)
    gradients = []
    for way in ("stacked", "plain"):
        model.zero_grad()
        if way == "stacked":
            out = model(x, noise, plan)
            loss = powerset_objective(out, terms(out, x, y, model), torch.tensor(0.3))
        else:
            by_subset = zip(plan.subsets, noise.normal, strict=True)
            loss = torch.stack([plain.loss_of_subset(model, x, y, row, own, 0.3) for row, own in by_subset]).sum()
        loss.backward()
        gradients.append([loss.detach(), *(p.grad for p in model.parameters())])
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)


def test_given_leaves_nothing_where_nothing_was_rebuilt():
    model = build(run(rebuild="given"))
    x, y = batch(MODEL)
    out = model(x, None, Plan.of(powerset(3), 3, "given"))
    t = terms(out, x, y, model)
    assert {name: tuple(v.shape) for name, v in t.recon.items()} == dict.fromkeys(
        MODEL.names, (4, 6)
    )  # each is in 4 of 7 subsets
    means, count = t.means()
    assert (count.nan_to_num(len(y)) == len(y)).all()
    for i, name in enumerate(MODEL.names):
        assert torch.equal(means[name].isnan(), torch.tensor([i not in s for s in powerset(3)]))
    table = columns(means, model, beta=0.5)
    farsi_only = means["farsi"][0] + means["ce"][0] + 0.5 * means["kl"][0]
    torch.testing.assert_close(table["reported_bound"][0], farsi_only)
    torch.testing.assert_close(table["neg_elbo"][2], 100 * means["speech"][2] + means["kl"][2])


def test_likelihoods_by_hand():
    x = torch.tensor([[0.0, 1.0, 0.25]])
    torch.testing.assert_close(Bernoulli().loss(torch.zeros(2, 1, 3), x), torch.full((2, 1), 3 * math.log(2)))
    torch.testing.assert_close(Normal().loss(torch.tensor([[1.0, 1.0, 0.25]]), x), torch.tensor([1.0]))
    logits = torch.tensor([[-1.0, 2.0, 0.5]])
    torch.testing.assert_close(Bernoulli().cost(logits.sigmoid(), x), Bernoulli().loss(logits, x))
    sharp = torch.tensor([[0.0, 1.0, 0.0]])  # a grey of .25 is below one half
    torch.testing.assert_close(Bernoulli().log_prob(logits, x), -Bernoulli().loss(logits, sharp))
    assert torch.equal(Bernoulli().mean(logits), logits.sigmoid()) and torch.equal(Normal().mean(logits), logits)
    assert torch.equal(Normal().cost(logits, x), Normal().loss(logits, x))


def test_weight_of_squared_error_is_a_gaussian_of_variance_one_over_twice_it():
    speech, out, x = Normal(weight=100.0), torch.randn(2, 13), torch.rand(2, 13)
    constant = 13 * 0.5 * math.log(2 * math.pi / 200)
    torch.testing.assert_close(-speech.log_prob(out, x), 100 * speech.loss(out, x) + constant)


@pytest.mark.parametrize(("preset", "millions", "biases"), [(AS_RUN, 14.8, "zero"), (AS_WRITTEN, 5.6, "drawn")])
def test_presets_have_the_report_s_networks(preset, millions, biases):
    model = build(preset)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == millions
    for expert in model.experts.values():
        assert (expert.logvar.weight == 0).all() and (expert.mu.weight != 0).any()
        assert (expert.logvar.bias == 0).all() == (biases == "zero")


@pytest.mark.parametrize("options", [{"activation": "relu", "batch_norm": True}, {"activation": "mish"}, {"zero_logvar": "none"}])
def test_variants_run_and_give_finite_gradients(options):
    model = build(run(dataclasses.replace(MODEL, **options)))
    x, y = batch(MODEL)
    noise, plan = noise_source(0)(7, len(y), 8), Plan.of(powerset(3), 3)
    loss, _, _ = batch_loss(model, model, powerset_objective, x, y, None, noise, plan, torch.ones(()))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()) == options.get("batch_norm", False)


def test_public_calls_take_any_combination_in_both_image_shapes():
    torch.manual_seed(0)
    model = build(run()).eval()
    x, _ = batch(MODEL)
    for subset in powerset(3):
        given = {MODEL.names[i]: x[MODEL.names[i]] for i in reversed(subset)}  # the order of the dict does not matter
        q = model.posterior(given)
        present = torch.tensor([i in subset for i in range(3)])
        want = product_of_experts(model.encode(x), present[None, :, None])
        torch.testing.assert_close(q.mean, want.mean[0])
        assert torch.equal(model.fuse(model.encode(x), present).mean, want.mean[0])
        rebuilt = model.reconstruct(given)
        assert {k: tuple(v.shape) for k, v in rebuilt.items()} == {"farsi": (6, 784), "kannada": (6, 784), "speech": (6, 13)}
        assert ((rebuilt["farsi"] >= 0) & (rebuilt["farsi"] <= 1)).all()
        np.testing.assert_allclose(model.classify(given).sum(-1).detach(), 1, rtol=1e-5)
    square = {"farsi": x["farsi"].view(-1, 28, 28)}
    assert torch.equal(model.posterior(square).mean, model.posterior({"farsi": x["farsi"]}).mean)


@pytest.mark.parametrize(
    ("x", "match"),
    [
        ({}, "one or more of farsi, kannada, speech"),
        ({"smell": torch.zeros(1, 3)}, "'smell'"),
        ({"speech": torch.zeros(4, 12)}, r"'speech' has shape \[4, 12\].*\[B, 13\].*data/README.md"),
        ({"farsi": torch.zeros(4, 784, dtype=torch.uint8)}, r"uint8.*\[B, 784\] or \[B, 28, 28\], floats in \[0, 1\]"),
        ({"farsi": torch.zeros(4, 784), "speech": torch.zeros(3, 13)}, "differ in batch size"),
    ],
)
def test_refuses_other_input_in_one_line(x, match):
    with pytest.raises(ValueError, match=match) as error:
        build(run()).posterior(x)
    assert "\n" not in str(error.value)


class Squares(nn.Module):
    """An expert of one's own, of samples of rank 3: it does not flatten, and keeps what it takes."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.net = nn.Conv2d(1, 2 * latent, 8)

    def forward(self, x):
        return tuple(self.net(x).flatten(1).chunk(2, dim=1))


def test_networks_of_one_s_own_of_any_rank():
    """Convolutions there and back; no spec says what they are, and no label is there."""
    latent = 5
    back = nn.Sequential(nn.Unflatten(1, (latent, 1, 1)), nn.ConvTranspose2d(latent, 1, 8))
    model = MVAE({"a": Squares(latent)}, {"a": back}, None, {"a": Bernoulli()})
    x = {"a": torch.rand(4, 1, 8, 8)}
    assert model.latent_size(x) == latent and model.training
    assert model.reconstruct(x)["a"].shape == (4, 64) and model.rebuild(torch.zeros(2, 3, latent))["a"].shape == (2, 3, 64)
    with pytest.raises(ValueError, match="no label decoder"):
        model.classify(x)
    with pytest.raises(ValueError, match="must name the same modalities in one order"):
        MVAE({"a": Squares(latent)}, {"b": back}, None, {"a": Bernoulli()})


@pytest.mark.parametrize("options", [{"network": "conv"}, {"fusion": "sum"}])
def test_build_refuses_a_name_that_nothing_has(options):
    with pytest.raises(ValueError, match=f"ModelSpec.{next(iter(options))} is .*; it takes one of"):
        build(run(dataclasses.replace(MODEL, **options)))
