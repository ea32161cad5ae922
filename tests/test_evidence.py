"""Likelihoods, labels and overlaps of models whose answers are known."""

import math

import pytest
import torch
from small import MODEL, run, triplets
from torch.distributions import MultivariateNormal, Normal

from mvae_lib import checkpoint, metrics
from mvae_lib.evaluate import agnostic, labels, likelihood
from mvae_lib.evaluate.tables import REPORT_ORDER
from mvae_lib.model import MVAE
from mvae_lib.spec import Modality, ModelSpec


def linear_gaussian() -> MVAE:
    """Two vectors, decoded linearly: p(a, b) is a Gaussian. Its posterior is the prior, whatever it is given: a poor proposal."""
    torch.manual_seed(0)
    spec = ModelSpec((Modality("a", (2,), "gaussian", (), (), 2.0), Modality("b", (1,), "gaussian", (), (), 2.0)), latent=2)
    model = MVAE(run(spec)).eval()
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
    found = likelihood.log_marginals(model, x, draws=4000)
    both = torch.cat([x["a"], x["b"]], dim=1)
    torch.testing.assert_close(found["m1,m2"].mean(), whole.log_prob(both).mean(), atol=0.05, rtol=0)
    torch.testing.assert_close(found["m1"].mean(), first.log_prob(x["a"]).mean(), atol=0.05, rtol=0)
    conditional = (found["m1,m2"] - found["m1"]).mean()
    torch.testing.assert_close(conditional, (whole.log_prob(both) - first.log_prob(x["a"])).mean(), atol=0.05, rtol=0)


def test_the_likelihood_table_has_every_target_and_condition_and_thresholds_pixels():
    model = MVAE(run()).eval()
    model.card = checkpoint.card(triplets())
    table = likelihood.likelihood_table(model, triplets("test"), draws=20)
    assert len(table) == 3 * 4 and set(table.query("target == 'speech'")["given"]) == {"", "m1", "m2", "m1,m2"}
    grey = {"farsi": torch.full((2, 784), 0.6)}
    z = torch.zeros(1, 2, 8)
    bright = likelihood.log_p_of(model, {"farsi": torch.ones(2, 784)})(z)
    torch.testing.assert_close(likelihood.log_p_of(model, grey)(z), bright)


def beliefs_of(right: torch.Tensor, confidence: float) -> torch.Tensor:
    p = torch.full((len(right), 10), (1 - confidence) / 9)
    return p.scatter(1, right[:, None], confidence)


def test_calibration_and_confusions():
    truth = torch.arange(200) % 10
    table = labels.calibration_table({"m1": beliefs_of(truth, 1.0), "m2": beliefs_of((truth + 1) % 10, 0.9)}, truth)
    assert table.loc["m1"].tolist() == pytest.approx([1, 1, 0]) and table.loc["m2"].tolist() == pytest.approx([0, 0.9, 0.9])
    counts = labels.confusions({"m2": beliefs_of((truth + 1) % 10, 0.9)}, truth)
    assert len(counts) == 100 and counts["count"].sum() == 200
    assert (counts.query("read == (digit + 1) % 10")["count"] == 20).all()


def test_gains_are_of_one_modality_more():
    """m1 is right but for zeros, which it reads as ones; m2 is right but for ones; together they are right."""
    truth = torch.arange(100) % 10
    m1, m2 = truth.clone(), truth.clone()
    m1[truth == 0], m2[truth == 1] = 1, 0
    beliefs = {"m1": beliefs_of(m1, 0.9), "m2": beliefs_of(m2, 0.9), "m1,m2": beliefs_of(truth, 0.9)}
    table = labels.gains(labels.confusions(beliefs, truth))
    assert len(table) == 2 * 10
    changed = table[table["change"] != 0][["given", "added", "then", "digit", "before", "after", "change"]].to_numpy().tolist()
    assert changed == [["m1", "m2", "m1,m2", 0, 0.0, 1.0, 100.0], ["m2", "m1", "m1,m2", 1, 0.0, 1.0, 100.0]]


def test_beliefs_are_averaged_over_the_posterior():
    model = MVAE(run()).eval()
    model.card = checkpoint.card(triplets())
    beliefs = labels.label_beliefs(model, triplets("test"), draws=3)
    assert tuple(beliefs) == REPORT_ORDER
    for p in beliefs.values():
        assert p.shape == (40, 10)
        torch.testing.assert_close(p.sum(-1), torch.ones(40))


def test_baselines_learn_what_is_there_and_nothing_else(monkeypatch):
    """Perfect: digits with a picture of their own. Useless: the same pictures under dealt-out labels, tested on the true ones."""
    from dataclasses import replace

    from mvae_lib.evaluate import coherence

    monkeypatch.setattr(coherence, "UPDATES", 100)
    train, test = triplets(n=200), triplets("test", n=200)
    found = labels.label_baselines(train, {"test": test})
    assert len(found) == 3 * 4 and (found["accuracy"] > 0.98).all()
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    dealt = {name: of[order] for name, of in train.pool_labels.items()}
    blind = labels.label_baselines(replace(train, pool_labels=dealt, labels=dealt["farsi"]), {"test": test})
    assert blind["accuracy"].mean() < 0.35


def test_overlap_tells_triplets_from_digits_from_strangers():
    digits = torch.arange(300) % 10
    centre = torch.nn.functional.one_hot(digits, 10).float() * 4
    own = torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    narrow = torch.full((300, 10), 0.5)
    same = agnostic.overlap_table({"one": Normal(centre + own, narrow), "other": Normal(centre + own, narrow)}, digits)
    means = same.set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(0, abs=1e-5) and means["triplet"] > means["same digit"] > means["other digit"]
    class_only = agnostic.overlap_table({"one": Normal(centre, narrow), "other": Normal(centre, narrow)}, digits)
    means = class_only.set_index("kind")["mean"]
    assert means["triplet"] == pytest.approx(means["same digit"], abs=1e-5) and means["other digit"] < -5


def test_a_probe_crosses_over_only_where_codes_agree():
    digits = torch.arange(200) % 10
    code = torch.nn.functional.one_hot(digits, 10).float() * 3
    places = {"one": Normal(code, 1.0), "same": Normal(code, 1.0), "turned": Normal(code.roll(1, 1), 1.0)}
    table = agnostic.probe_table(places, digits, places, digits)
    assert table.loc["one", "one"] == table.loc["one", "same"] == 1 and table.loc["one", "turned"] == 0


def test_departure_is_none_for_all_and_the_prior_for_no_news():
    torch.manual_seed(0)
    model = MVAE(run()).eval()
    table = agnostic.departure_table(model, triplets("test"))
    assert tuple(table.index) == REPORT_ORDER
    assert table.loc["m1,m2,m3", ["kl_from_full", "distance_of_means"]].abs().max() < 1e-5
    assert (table["kl_from_full"].drop("m1,m2,m3") > 0).all()
    for expert in model.experts.values():  # experts who know nothing: infinite variance
        torch.nn.init.zeros_(expert.logvar.weight)
        torch.nn.init.constant_(expert.logvar.bias, 60.0)
    table = agnostic.departure_table(model, triplets("test"))
    assert table["kl_to_prior"].abs().max() < 1e-4
    assert table["entropy"].to_numpy() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)), rel=1e-5)
    assert metrics.entropy(torch.zeros(8)).item() == pytest.approx(8 * 0.5 * (1 + math.log(2 * math.pi)))
    assert MODEL.latent == 8
