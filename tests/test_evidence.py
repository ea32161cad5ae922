"""Likelihoods and overlaps of models whose answers are known."""

import json
import math
from functools import partial

import pytest
import torch
from small import MODEL, run, triplets
from torch.distributions import MultivariateNormal

from mvae_lib import MVAE, Gaussian, build, checkpoint, metrics
from mvae_lib.spec import Modality, ModelSpec
from mvae_lib.storage import ROOT
from mvae_lib.tables import REPORT_ORDER
from study.evidence import alignment, likelihood
from study.plots import style


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


def test_fitted_proposals_find_the_exact_likelihoods_of_a_linear_gaussian_model():
    model, generator = linear_gaussian(), torch.Generator().manual_seed(0)
    x = {"a": torch.randn(30, 2), "b": torch.randn(30, 1)}
    w = torch.cat([model.decoders[name].out.weight for name in ("a", "b")]).detach()
    mean = torch.cat([model.decoders[name].out.bias for name in ("a", "b")]).detach()
    covariance = w @ w.T + torch.eye(3) / (2 * 2.0)  # a squared error with coefficient w is a variance of 1 / (2 w)
    both = torch.cat([x["a"], x["b"]], dim=1)
    prior = torch.zeros(30, 2), torch.eye(2).expand(30, 2, 2)
    for some, few in ((x, 3), ({"a": x["a"]}, 2)):
        exact = MultivariateNormal(mean[:few], covariance[:few, :few]).log_prob(both[:, :few])
        of = partial(likelihood.log_p, model, some)
        log_p, size = metrics.log_likelihood(of, *likelihood.proposal(model, some, generator, steps=50), 100, generator)
        assert size.min() > 95, "the true posterior is a Gaussian, which the axes and scales can match"
        torch.testing.assert_close(log_p, exact, atol=0.02, rtol=0)
        assert metrics.log_likelihood(of, *prior, 100, generator)[1].median() < 70, "as the amortised one cannot"


def test_precision_is_the_hessian_of_a_linear_gaussian_model_and_exact_for_pixels():
    model, z = linear_gaussian(), torch.randn(4, 2)
    w = torch.cat([model.decoders[name].out.weight for name in ("a", "b")]).detach()
    found = likelihood.precision(model, {"a": torch.randn(4, 2), "b": torch.randn(4, 1)}, z)
    torch.testing.assert_close(found, (torch.eye(2) + 2 * 2.0 * w.T @ w).expand(4, 2, 2))
    spec = ModelSpec((Modality("a", (5,), "bernoulli", (), ()),), latent=2)
    pixels, x = build(run(spec)).eval(), torch.rand(1, 5)  # a linear decoder: Gauss and Newton leave nothing out
    hessian = torch.autograd.functional.hessian(lambda one: -likelihood.log_p(pixels, {"a": x}, one[None, None])[0, 0], z[0])
    torch.testing.assert_close(likelihood.precision(pixels, {"a": x}, z[:1])[0], torch.eye(2) + hessian)


def test_the_likelihood_table_has_every_target_and_condition_and_no_estimate_of_too_few_draws(monkeypatch):
    model, few = build(run()).eval(), triplets("test").take(slice(5))
    model.card = checkpoint.describe_data(triplets())
    monkeypatch.setattr(likelihood, "proposal", partial(likelihood.proposal, rounds=0))
    table = likelihood.likelihood_table(model, few, draws=20, steps=2).set_index(["target", "given"])
    assert len(table) == 3 * 4 and set(table.loc["speech"].index) == {"", "m1", "m2", "m1,m2"}
    assert (table["triplets"] == 5).all() and (table["draws"] == 20).all() and table["ess"].between(1, 20).all()
    assert table["log_p"].notna().equals(table["ess"] >= likelihood.ENOUGH)
    assert table["log_p"].isna().equals(table["log_p_error"].isna()), "no error of what is not estimated"
    assert not (table["log_p"].isna() & table["gain"].notna()).any()
    monkeypatch.setattr(likelihood, "ENOUGH", 0)
    gain = likelihood.likelihood_table(model, few, draws=20, steps=2).set_index(["target", "given"])["gain"]
    assert (gain.xs("", level="given") == 0).all() and gain.notna().all()
    assert gain["farsi", "m3"] == pytest.approx(gain["speech", "m1"], abs=1e-3), "what one tells of the other, both ways"
    monkeypatch.setattr(likelihood, "ENOUGH", 21)
    assert likelihood.likelihood_table(model, few, draws=20, steps=2)[["log_p", "gain"]].isna().all(axis=None)


def test_a_likelihood_thresholds_pixels():
    model, z = build(run()).eval(), torch.zeros(1, 2, 8)
    bright = likelihood.log_p(model, {"farsi": torch.ones(2, 784)}, z)
    torch.testing.assert_close(likelihood.log_p(model, {"farsi": torch.full((2, 784), 0.6)}, z), bright)


def gaussian(mean: torch.Tensor, sd: float) -> Gaussian:
    return Gaussian(mean, torch.full_like(mean, 2 * math.log(sd)))


def test_overlap_tells_triplets_from_digits_from_strangers():
    digits = torch.arange(300) % 10
    centre = torch.nn.functional.one_hot(digits, 10).float() * 4
    own = gaussian(centre + torch.randn(300, 10, generator=torch.Generator().manual_seed(0)), 0.5)
    table = alignment.overlap_table({"one": own, "other": own}, digits)
    means = table.query("one != other").set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(0, abs=1e-5) and means["triplet"] > means["same digit"] > means["other digit"]
    within = table.query("one == 'one' and other == 'one'").set_index("kind")
    assert list(within.index) == ["same digit", "other digit"], "a sample beside itself says nothing"
    assert within.loc["same digit", "mean"] == pytest.approx(means["same digit"], rel=0.1) and within["n"].max() < 300
    class_only = {"one": gaussian(centre, 0.5), "other": gaussian(centre, 0.5)}
    means = alignment.overlap_table(class_only, digits).query("one != other").set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(means["same digit"], abs=1e-5) and means["other digit"] < -5


def test_a_probe_crosses_over_only_where_codes_agree():
    digits = torch.arange(200) % 10
    code = torch.nn.functional.one_hot(digits, 10) * 3 + 0.1 * torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    places = {"one": gaussian(code, 1.0), "same": gaussian(code, 1.0), "turned": gaussian(code.roll(1, 1), 1.0)}
    table = alignment.probe_table(places, digits, places, digits)
    assert list(table["probe"].unique()) == list(alignment.PROBES) and len(table) == 9
    one = table[table["fitted on"] == "one"]
    assert (one[["one", "same"]] == 1).all(axis=None) and (one["turned"] == 0).all()


def test_departure_is_none_for_all_and_the_prior_for_no_news():
    torch.manual_seed(0)
    model = build(run()).eval()
    table = alignment.departure_table(model, triplets("test"))
    assert tuple(table.index) == REPORT_ORDER
    assert table.loc["m1,m2,m3", ["kl_from_full", "kl_exchanged", "distance_of_means"]].abs().max() < 1e-5
    assert (table[["kl_from_full", "kl_exchanged"]].drop("m1,m2,m3") > 0).all(axis=None)
    for expert in model.experts.values():  # experts who know nothing: infinite variance
        torch.nn.init.zeros_(expert.logvar.weight)
        torch.nn.init.constant_(expert.logvar.bias, 60.0)
    table = alignment.departure_table(model, triplets("test"))
    assert table["kl_exchanged"].abs().max() < 1e-4, "who is exchanged does not matter where nobody is heard"
    assert table["kl_to_prior"].abs().max() < 1e-4
    assert table["entropy"].to_numpy() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)), rel=1e-5)
    assert metrics.entropy(torch.zeros(8)).item() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)))
    assert MODEL.latent == 8


def test_what_is_committed_has_its_scale_and_its_effective_size():
    table = style.saved("likelihood")[0]
    assert table["log_p"].notna().equals(table["ess"] >= likelihood.ENOUGH), "an estimate where draws suffice, and only there"
    assert table["gain_error"].notna().equals(table["gain"].notna()), "no gain without its paired error"
    overlap = style.saved("overlap")[0]
    assert set(overlap.query("one == other")["one"]) == {"farsi", "kannada", "speech"}, "two samples within each modality"
    assert set(style.saved("probes")[0]["probe"]) == set(alignment.PROBES), "no claim rests on one probe"
    assert {"kl_from_full", "kl_exchanged"} <= set(style.saved("departure")[0]), "what is removed stands beside an exchange"


def test_two_notebooks_give_one_answer_to_why_farsi_is_dear():
    said = {
        "01_explore_data": "hickness does not explain why a",
        "09_claims": "does not cost more than a given one by wider strokes",
    }
    for name, words in said.items():
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        assert words in text and "That is half of it" not in text
