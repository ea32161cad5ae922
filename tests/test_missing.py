"""How near a rebuilt script is to its class mean, for a model made by hand that rebuilds exactly that, and one that copies."""

import pytest
import torch
from small import run, triplets

from mvae_lib import MVAE, build, checkpoint
from study.evidence import missing


@pytest.fixture
def model():
    model = build(run())
    model.card = checkpoint.describe_data(triplets("train"))
    return model


def test_a_model_that_gives_the_class_mean_for_what_it_was_not_given(model, monkeypatch):
    few = triplets("test")
    x, y = few.gather(slice(None))
    means = {name: torch.tensor(model.card["class_means"][name]).flatten(1).float() for name in ("farsi", "kannada")}
    monkeypatch.setattr(MVAE, "reconstruct", lambda self, given: {n: given.get(n, means[n][y]) for n in means})
    table = missing.missing_table(model, few).set_index(["target", "given"])
    for target, own, other in (("farsi", "m1", "m2"), ("kannada", "m2", "m1")):
        copied, guessed = table.loc[(target, own)], table.loc[(target, other)]
        assert copied["held"] and not guessed["held"]
        assert copied["to_original"] == 0 and copied["to_class_mean"] == copied["original_to_class_mean"]
        assert guessed["to_class_mean"] < 1e-6 and guessed["to_original"] == pytest.approx(guessed["original_to_class_mean"])
        assert guessed["to_other_mean"] > 0.2 and guessed["width"] == pytest.approx(guessed["width_class_mean"])
        rms = ((x[target].flatten(1) - means[target][y]) ** 2).mean(1).sqrt().mean().item()
        assert guessed["original_to_class_mean"] == pytest.approx(rms)


def test_it_is_of_the_first_few(model):
    table = missing.missing_table(model, triplets("test"), few=10)
    assert (table["triplets"] == 10).all() and len(table) == 14


def test_the_images_beside_the_class_means(model):
    few = triplets("test")
    images, frame = missing.beside_class_means(model, few, [3, 7])
    assert list(images["farsi"]) == ["original", "from m2", "from m3", "from m2,m3", "class mean"]
    assert list(frame.columns) == ["split", "target", "row", "place", "label", "metric"] and len(frame) == 2 * 5 * 2
    x, _ = few.gather([3, 7])
    assert torch.equal(images["kannada"]["from m1"], model.reconstruct({"farsi": x["farsi"]})["kannada"])
    distance = frame.set_index(["target", "row", "place"])["metric"]
    assert (distance.xs("class mean", level="row") == 0).all()
    mean = images["farsi"]["class mean"][1]
    assert distance["farsi", "from m3", 7] == pytest.approx(((images["farsi"]["from m3"][1] - mean) ** 2).mean().sqrt().item())
