"""Likelihoods and overlaps of models whose answers are known."""

import math

import pytest
import torch
from small import MODEL, run, triplets
from torch.distributions import MultivariateNormal

from mvae_lib import MVAE, Gaussian, build, checkpoint, metrics
from mvae_lib.spec import Modality, ModelSpec
from mvae_lib.tables import REPORT_ORDER
from study.evidence import alignment, missing


def linear_gaussian() -> MVAE:
    """Two vectors, decoded linearly: p(a, b) is a Gaussian. Its posterior is the prior, whatever it is given: a poor proposal."""
    torch.manual_seed(0)
    spec = ModelSpec((Modality("a", (2,), "gaussian", (), (), 2.0), Modality("b", (1,), "gaussian", (), (), 2.0)), latent=2)
    model = build(run(spec)).eval()
    for expert in model.experts.values():
        for head, bias in ((expert.mu, 0.0), (expert.logvar, 30.0)):
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.constant_(head.bias, bias)
    return model


def test_conditional_likelihood_is_the_exact_one_of_a_linear_gaussian_model():
    model = linear_gaussian()
    x = {"a": torch.randn(30, 2), "b": torch.randn(30, 1)}
    w = torch.cat([model.decoders[name].out.weight for name in ("a", "b")]).detach()
    mean = torch.cat([model.decoders[name].out.bias for name in ("a", "b")]).detach()
    covariance = w @ w.T + torch.eye(3) / (2 * 2.0)  # a squared error with coefficient w is a variance of 1 / (2 w)
    whole, first = MultivariateNormal(mean, covariance), MultivariateNormal(mean[:2], covariance[:2, :2])
    log_p = missing.log_marginals(model, x, draws=4000)
    both = torch.cat([x["a"], x["b"]], dim=1)
    torch.testing.assert_close(log_p["m1,m2"].mean(), whole.log_prob(both).mean(), atol=0.05, rtol=0)
    torch.testing.assert_close(log_p["m1"].mean(), first.log_prob(x["a"]).mean(), atol=0.05, rtol=0)
    conditional = (log_p["m1,m2"] - log_p["m1"]).mean()
    torch.testing.assert_close(conditional, (whole.log_prob(both) - first.log_prob(x["a"])).mean(), atol=0.05, rtol=0)


def test_the_likelihood_table_has_every_target_and_condition_and_thresholds_pixels():
    model = build(run()).eval()
    model.card = checkpoint.describe_data(triplets())
    table = missing.likelihood_table(model, triplets("test"), draws=20)
    assert len(table) == 3 * 4 and set(table.query("target == 'speech'")["given"]) == {"", "m1", "m2", "m1,m2"}
    assert (table["triplets"] == 40).all() and (table["draws"] == 20).all()
    z = torch.zeros(1, 2, 8)
    bright = missing.log_p(model, {"farsi": torch.ones(2, 784)}, z)
    torch.testing.assert_close(missing.log_p(model, {"farsi": torch.full((2, 784), 0.6)}, z), bright)


def gaussian(mean: torch.Tensor, sd: float) -> Gaussian:
    return Gaussian(mean, torch.full_like(mean, 2 * math.log(sd)))


def test_overlap_tells_triplets_from_digits_from_strangers():
    digits = torch.arange(300) % 10
    centre = torch.nn.functional.one_hot(digits, 10).float() * 4
    own = gaussian(centre + torch.randn(300, 10, generator=torch.Generator().manual_seed(0)), 0.5)
    means = alignment.overlap_table({"one": own, "other": own}, digits).set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(0, abs=1e-5) and means["triplet"] > means["same digit"] > means["other digit"]
    class_only = {"one": gaussian(centre, 0.5), "other": gaussian(centre, 0.5)}
    means = alignment.overlap_table(class_only, digits).set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(means["same digit"], abs=1e-5) and means["other digit"] < -5


def test_a_probe_crosses_over_only_where_codes_agree():
    digits = torch.arange(200) % 10
    code = torch.nn.functional.one_hot(digits, 10).float() * 3
    places = {"one": gaussian(code, 1.0), "same": gaussian(code, 1.0), "turned": gaussian(code.roll(1, 1), 1.0)}
    table = alignment.probe_table(places, digits, places, digits)
    assert table.loc["one", "one"] == table.loc["one", "same"] == 1 and table.loc["one", "turned"] == 0


def test_departure_is_none_for_all_and_the_prior_for_no_news():
    torch.manual_seed(0)
    model = build(run()).eval()
    table = alignment.departure_table(model, triplets("test"))
    assert tuple(table.index) == REPORT_ORDER
    assert table.loc["m1,m2,m3", ["kl_from_full", "distance_of_means"]].abs().max() < 1e-5
    assert (table["kl_from_full"].drop("m1,m2,m3") > 0).all()
    for expert in model.experts.values():  # experts who know nothing: infinite variance
        torch.nn.init.zeros_(expert.logvar.weight)
        torch.nn.init.constant_(expert.logvar.bias, 60.0)
    table = alignment.departure_table(model, triplets("test"))
    assert table["kl_to_prior"].abs().max() < 1e-4
    assert table["entropy"].to_numpy() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)), rel=1e-5)
    assert metrics.entropy(torch.zeros(8)).item() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)))
    assert MODEL.latent == 8
