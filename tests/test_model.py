"""The model against the slow, obvious way (`bench.plain`): one pass per subset, one expert and one decoder at a time."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from small import MODEL, run, triplets
from torch.distributions import Bernoulli, Normal, kl_divergence

from bench import plain
from mvae_lib.loss import columns, kl_to_prior, objective, reconstruction_loss, terms
from mvae_lib.model import MVAE
from mvae_lib.poe import product_of_experts, subsets
from mvae_lib.spec import AS_RUN, AS_WRITTEN, Modality, ModelSpec
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
    model = MVAE(run(spec, rebuild=rebuild))
    for expert in model.experts.values():
        torch.nn.init.normal_(expert.logvar.weight, std=0.1)
    x, y = batch(spec)
    noise = torch.randn(2 ** len(spec.modalities) - 1, len(y), spec.latent)
    rows = model.powerset(rebuild)
    gradients = []
    for way in ("stacked", "plain"):
        model.zero_grad()
        if way == "stacked":
            out = model(x, noise, rows)
            t = terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, rows)
            loss = objective(t, spec.modalities, beta=0.3)
        else:
            by_subset = zip(subsets(len(model.names)), noise, strict=True)
            loss = torch.stack([plain.loss_of_subset(model, x, y, row, own, 0.3) for row, own in by_subset]).sum()
        loss.backward()
        gradients.append([loss.detach(), *(p.grad for p in model.parameters())])
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)


def test_given_leaves_nothing_where_nothing_was_rebuilt():
    model = MVAE(run(rebuild="given"))
    x, y = batch(MODEL)
    rows = model.powerset("given")
    out = model(x, torch.zeros(7, len(y), 8), rows)
    t = terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, rows)
    assert {name: tuple(v.shape) for name, v in t.recon.items()} == dict.fromkeys(
        MODEL.names, (4, 6)
    )  # each is in 4 of 7 subsets
    means = t.means()
    for i, name in enumerate(MODEL.names):
        assert torch.equal(means[name].isnan(), torch.tensor([i not in s for s in subsets(3)]))
    table = columns(means, MODEL.modalities, beta=0.5)
    farsi_only = means["farsi"][0] + means["ce"][0] + 0.5 * means["kl"][0]
    torch.testing.assert_close(table["reported_bound"][0], farsi_only)
    torch.testing.assert_close(table["neg_elbo"][2], 100 * means["speech"][2] + means["kl"][2])


def test_kl_agrees_with_torch_and_is_never_negative():
    mu, logvar = torch.randn(50, 8), 3 * torch.randn(50, 8)
    want = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(kl_to_prior(mu, logvar), want)
    assert kl_to_prior(torch.zeros(1000, 512), torch.linspace(-1e-3, 1e-3, 1000)[:, None].expand(1000, 512)).min() >= 0


def test_reconstruction_losses_by_hand():
    x = torch.tensor([[0.0, 1.0, 0.25]])
    half = Bernoulli(logits=torch.zeros(2, 1, 3), validate_args=False)
    torch.testing.assert_close(reconstruction_loss(half, x), torch.full((2, 1), 3 * math.log(2)))
    torch.testing.assert_close(reconstruction_loss(Normal(torch.tensor([[1.0, 1.0, 0.25]]), 0.1), x), torch.tensor([1.0]))


def test_weight_of_squared_error_is_a_gaussian_of_variance_one_over_twice_it():
    speech = MVAE(run()).decoders["speech"](torch.zeros(2, 8))
    x = torch.rand(2, 13)
    constant = 13 * 0.5 * math.log(2 * math.pi / 200)
    torch.testing.assert_close(-speech.log_prob(x).sum(-1), 100 * reconstruction_loss(speech, x) + constant)


@pytest.mark.parametrize(("preset", "millions", "biases"), [(AS_RUN, 14.8, "zero"), (AS_WRITTEN, 5.6, "drawn")])
def test_presets_have_the_report_s_networks(preset, millions, biases):
    model = MVAE(preset)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == millions
    for expert in model.experts.values():
        assert (expert.logvar.weight == 0).all() and (expert.mu.weight != 0).any()
        assert (expert.logvar.bias == 0).all() == (biases == "zero")


@pytest.mark.parametrize("options", [{"activation": "relu", "batch_norm": True}, {"activation": "mish"}, {"zero_logvar": "none"}])
def test_variants_run_and_give_finite_gradients(options):
    model = MVAE(run(dataclasses.replace(MODEL, **options)))
    x, y = batch(MODEL)
    loss, _ = batch_loss(model, model.spec, x, y, torch.randn(7, len(y), 8), model.powerset("all"), torch.ones(()))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()) == options.get("batch_norm", False)


def test_public_calls_take_any_combination_in_both_image_shapes():
    torch.manual_seed(0)
    model = MVAE(run()).eval()
    x, _ = batch(MODEL)
    for subset in subsets(3):
        given = {MODEL.names[i]: x[MODEL.names[i]] for i in reversed(subset)}  # the order of the dict does not matter
        q = model.posterior(given)
        mu, logvar = model.encode(x)
        want = product_of_experts(mu, logvar, torch.tensor([i in subset for i in range(3)]))[0]
        torch.testing.assert_close(q.mean, want)
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
        MVAE(run()).posterior(x)
    assert "\n" not in str(error.value)
