"""The combination table against the plain way, its baselines against guesses with known costs, and what it refuses."""

import dataclasses
import math

import pytest
import torch
from small import MODEL, described, run, triplets
from torch.nn.functional import binary_cross_entropy

from mvae_lib import checkpoint, likelihoods, objectives, tables
from mvae_lib.model import MVAE, build
from mvae_lib.subsets import powerset


@pytest.fixture(scope="module")
def model() -> MVAE:
    return described()


COLUMNS = ["accuracy", "reported_bound", "neg_elbo", "bce_farsi", "bce_kannada", "sse_speech", "ce", "kl"]


def test_rows_and_columns_are_the_ones_that_others_rely_on(model):
    table = tables.combination_table(model, triplets("test"))
    assert list(table.index) == [*tables.REPORT_ORDER, "class mean (train)", "global mean (train)"]
    assert list(table.columns) == COLUMNS and table.attrs == {"source": "stand-in", "split": "test"}
    assert (
        table.loc["m1":"m1,m2,m3"].notna().all(axis=None)
        and table.loc["class mean (train)", ["accuracy", "ce", "kl"]].isna().all()
    )


def test_by_posterior_mean_it_agrees_with_the_public_calls(model):
    test = triplets("test")
    x, y = test.gather(slice(None))
    table = tables.combination_table(model, test, z="mean", batch_size=7)
    for subset in powerset(3):
        given = {MODEL.names[i]: x[MODEL.names[i]] for i in subset}
        row = table.loc[",".join(f"m{i + 1}" for i in subset)]
        rebuilt = model.reconstruct(given)
        assert row["bce_farsi"] == pytest.approx(
            binary_cross_entropy(rebuilt["farsi"], x["farsi"], reduction="sum").item() / len(y), rel=1e-4
        )
        assert row["sse_speech"] == pytest.approx((rebuilt["speech"] - x["speech"]).square().sum().item() / len(y), rel=1e-4)
        assert row["accuracy"] == pytest.approx((model.classify(given).argmax(-1) == y).float().mean().item())
        assert row["ce"] == pytest.approx(-model.classify(given).log()[range(len(y)), y].mean().item(), rel=1e-4)
        recon = row["bce_farsi"] + row["bce_kannada"] + 100 * row["sse_speech"]
        assert row["neg_elbo"] == pytest.approx(recon + row["kl"], rel=1e-5)
        assert row["reported_bound"] == pytest.approx(recon + row["ce"] + 0.25 * row["kl"], rel=1e-5)


@pytest.mark.parametrize(("features", "weight"), [(13, 100.0), (13, 10.0), (832, 100 / 64)])
def test_a_bound_is_without_the_gaussian_s_constant_which_its_weight_decides(features, weight):
    """So it is no measure across weights: the same guess of the same sample, as a likelihood and as the bounds count it."""
    x, guess, normal = torch.randn(4, features), torch.randn(4, features), likelihoods.Normal(weight)
    constant = features / 2 * math.log(math.pi / weight)
    torch.testing.assert_close(-normal.log_prob(guess, x), weight * normal.loss(guess, x) + constant, rtol=1e-4, atol=1e-3)
    if (features, weight) == (13, 100.0):
        assert round(constant, 1) == -22.5 and "-22.5" in (objectives.columns.__doc__ or "")


def test_a_sampled_table_is_a_function_of_its_seed(model):
    first, again, other = (tables.combination_table(model, triplets("test"), seed=seed) for seed in (3, 3, 4))
    assert first.equals(again) and not first.equals(other)
    assert first.loc["class mean (train)"].equals(other.loc["class mean (train)"])


def test_a_model_trained_to_rebuild_what_is_given_is_measured_on_everything():
    given = build(run(rebuild="given")).eval()
    given.card = checkpoint.describe_data(triplets())
    assert tables.combination_table(given, triplets("test")).loc["m3"].notna().all()


def test_baselines_of_guesses_with_known_costs(model):
    """A perfect guess, a useless one, and greys that no guess can do without cost."""
    sure = dataclasses.replace(model.spec)
    guesser = build(sure).eval()
    one = torch.zeros(784).index_fill(0, torch.arange(100), 1.0)
    means = {"farsi": one.expand(10, 784), "kannada": torch.full((10, 784), 0.5), "speech": torch.zeros(10, 13)}
    guesser.card = {
        kind: {k: v.tolist() for k, v in table.items()}
        for kind, table in (("class_means", means), ("global_means", {k: v[0] for k, v in means.items()}))
    }
    test = triplets("test")
    pools = {
        "farsi": (255 * one).to(torch.uint8).expand(40, 784),
        "kannada": torch.full((40, 784), 51, dtype=torch.uint8),  # grey 0.2
        "speech": torch.full((40, 13), 0.5),
    }
    rows = tables.baselines(guesser, dataclasses.replace(test, pools=pools))
    assert rows.loc[tables.CLASS_MEAN, "bce_farsi"] == pytest.approx(
        784 * -math.log(1 - 1e-4), rel=1e-2
    )  # perfect, but for the clamp
    assert rows.loc[tables.CLASS_MEAN, "bce_kannada"] == pytest.approx(784 * math.log(2), rel=1e-4)  # useless
    assert rows.loc[tables.CLASS_MEAN, "sse_speech"] == pytest.approx(13 * 0.25)
    entropy = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert rows.loc[tables.FLOOR, "bce_kannada"] == pytest.approx(784 * entropy, rel=1e-4)
    assert rows.loc[tables.FLOOR, "bce_farsi"] == 0 and rows.loc[tables.FLOOR, "sse_speech"] == 0


def test_refuses_triplets_of_another_recipe_or_source(model):
    other = dataclasses.replace(triplets("test"), recipe=dataclasses.replace(model.spec.data, images="padded"))
    with pytest.raises(ValueError, match="padded.*recipe=model.spec.data"):
        tables.combination_table(model, other)
    with pytest.raises(ValueError, match="are real data; this model was trained on stand-in"):
        tables.combination_table(model, dataclasses.replace(triplets("test"), source="real data"))
