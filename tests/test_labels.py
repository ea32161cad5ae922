"""How well the label is known, of beliefs made by hand, of models of either fusion, and of plain classifiers."""

from dataclasses import replace

import pytest
import torch
from small import MODEL, run, triplets

from mvae_lib import build, checkpoint, data
from mvae_lib.tables import REPORT_ORDER
from study.evidence import classifiers, labels


def beliefs_of(right: torch.Tensor, confidence: float) -> torch.Tensor:
    p = torch.full((len(right), 10), (1 - confidence) / 9)
    return p.scatter(1, right[:, None], confidence)


def test_the_places_of_a_label():
    of = torch.tensor([2, 0, 2, 1])
    assert labels.places_of(of, 2).tolist() == [0, 2] and labels.places_of(of, of[1]).tolist() == [1]
    assert labels.places_of(of, 7).tolist() == []


def test_one_modality_more():
    assert labels.one_more(["m1", "m2", "m1,m2"]) == [("m1", "m1,m2"), ("m2", "m1,m2")]
    assert len(labels.one_more(REPORT_ORDER)) == 9 and labels.one_more(["m1", "m2,m3"]) == []


def test_calibration_says_of_which_z_it_is(monkeypatch):
    """The posterior mean, which users get, is surer here than the average over draws, and as often right."""
    few, asked = triplets("test"), []

    def beliefs(model, pairs, draws):
        asked.append(draws)
        return {"m1": beliefs_of(few.labels, 0.8 if draws else 1.0), "m2": beliefs_of((few.labels + 1) % 10, 0.9)}

    monkeypatch.setattr(labels, "label_beliefs", beliefs)
    table = labels.calibration_table(build(run()), few, draws=3)
    assert asked == [0, 3] and set(table["split"]) == {"test"}
    table = table.set_index(["z", "given"])[["accuracy", "confidence", "calibration_error"]]
    for z, confidence in (("posterior mean", 1.0), ("3 draws", 0.8)):
        assert table.loc[(z, "m1")].tolist() == pytest.approx([1, confidence, 1 - confidence], abs=1e-6)
        assert table.loc[(z, "m2")].tolist() == pytest.approx([0, 0.9, 0.9])


def test_beliefs_of_no_draws_are_the_model_s_own():
    model, few = build(run()).eval(), triplets("test")
    x, _ = few.gather(slice(None))
    own = model.classify({"speech": x["speech"]})
    torch.testing.assert_close(labels.label_beliefs(model, few, draws=0)["m3"], own)


def test_confusions():
    truth = torch.arange(200) % 10
    counts = labels.confusions({"m2": beliefs_of((truth + 1) % 10, 0.9)}, truth)
    assert len(counts) == 100 and counts["count"].sum() == 200
    assert (counts.query("read == (digit + 1) % 10")["count"] == 20).all()


def test_confusions_of_three_labels_one_of_which_never_occurs():
    p = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0]])
    counts = labels.confusions({"m1": p}, torch.tensor([0, 1, 1])).set_index(["digit", "read"])["count"]
    assert counts[0, 0] == counts[1, 1] == counts[1, 0] == 1 and counts.sum() == 3 and len(counts) == 9


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


@pytest.mark.parametrize("fusion", ["product", "mixture"])
def test_beliefs_are_averaged_over_the_posterior(fusion):
    model = build(run(replace(MODEL, fusion=fusion))).eval()
    model.card = checkpoint.describe_data(triplets())
    beliefs = labels.label_beliefs(model, triplets("test"), draws=3)
    assert tuple(beliefs) == REPORT_ORDER
    for p in beliefs.values():
        assert p.shape == (40, 10)
        torch.testing.assert_close(p.sum(-1), torch.ones(40))


def test_beliefs_of_a_mixture_are_the_mean_of_its_components_beliefs():
    """Given two modalities, half of the draws come from each expert: p is the mean of the two experts' own p."""
    model = build(run(replace(MODEL, fusion="mixture"))).eval()
    beliefs = labels.label_beliefs(model, triplets("test"), draws=3000)
    torch.testing.assert_close(beliefs["m1,m2"], (beliefs["m1"] + beliefs["m2"]) / 2, atol=0.02, rtol=0)


def test_baselines_learn_what_is_there_and_nothing_else(monkeypatch):
    """Perfect: digits with a picture of their own. Useless: the same pictures under shuffled labels, tested on the true ones."""
    monkeypatch.setattr(classifiers, "UPDATES", 100)
    monkeypatch.setattr(data, "load", lambda split, recipe: triplets(split, n=200))
    table = labels.label_baselines(seeds=2)
    assert len(table) == (2 + 1 + 1) * 7 * 3 and (table["accuracy"] > 0.98).all()
    assert set(table["split"]) == {"val", "test", "test_dig"} and tuple(table["given"].unique()) == REPORT_ORDER
    assert table.groupby("classifier")["seed"].nunique().to_dict() == {
        "MLP": 2,
        "logistic regression": 1,
        "5 nearest neighbours": 1,
    }
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))

    def blind(split, recipe):
        whole = triplets(split, n=200)
        shuffled = {name: of[order] for name, of in whole.pool_labels.items()}
        return replace(whole, pool_labels=shuffled, labels=shuffled["farsi"]) if split == "train" else whole

    monkeypatch.setattr(data, "load", blind)
    assert labels.label_baselines(seeds=1)["accuracy"].mean() < 0.35


def test_what_has_no_labels_is_told_so():
    with pytest.raises(ValueError, match=r"These pairs \(test, stand-in\) have no labels"):
        classifiers.labels_of(replace(triplets("test"), labels=None))
