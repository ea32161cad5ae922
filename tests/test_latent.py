"""Sweeps, walks and grids of a small model; what a shipped run keeps; and what a posterior that is no Gaussian can be asked."""

import json
from dataclasses import replace

import pytest
import torch
from small import MODEL, described, run, triplets
from torch.nn.functional import binary_cross_entropy

from mvae_lib import MVAE, build, checkpoint, load, tables, train
from mvae_lib.pairs import Pairs
from mvae_lib.spec import ModelSpec, RunSpec
from study.evidence import alignment, latent, likelihood, ship, sweeps


@pytest.fixture(scope="module")
def model() -> MVAE:
    return described()


@pytest.fixture
def mixture() -> MVAE:
    model = build(run(replace(MODEL, fusion="mixture"))).eval()
    model.card = checkpoint.describe_data(triplets())
    return model


def test_perturb_moves_one_dimension_alone():
    z = torch.arange(4.0)
    moved = latent.perturb(z, 2, torch.tensor([-1.0, 0.0, 5.0]))
    assert moved.tolist() == [[0, 1, 1, 3], [0, 1, 2, 3], [0, 1, 7, 3]] and z.tolist() == [0, 1, 2, 3]


def test_label_sweep_finds_the_dimension_that_turns_the_label():
    """Label logits that look at dimension 5 alone: it passes three labels, every other one."""
    fixed = build(run(replace(MODEL, label_decoder=()))).eval()
    with torch.no_grad():
        fixed.label_decoder.out.weight.zero_()
        fixed.label_decoder.out.bias.fill_(-100.0)
        fixed.label_decoder.out.weight[:3, 5] = torch.tensor([-1.0, 0.0, 1.0])
        fixed.label_decoder.out.bias[:3] = torch.tensor([-1.0, 0.0, -1.0])
    table = latent.label_sweep(fixed, torch.zeros(8), torch.linspace(-10, 10, 21))
    assert table.index[0] == 5 and table.loc[5].tolist() == [3, 2, 0, 2]
    assert (table.drop(5)["labels"] == 1).all()
    own = torch.linspace(-10, 10, 21).repeat(8, 1)
    own[5] = 0.0  # each dimension its own amounts: 5 stays
    assert (latent.label_sweep(fixed, torch.zeros(8), own)["labels"] == 1).all()


def test_walk_starts_from_the_joint_posterior_mean(model):
    test = triplets("test")
    images, frame = latent.walk(model, test, 3, 2, torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(images["farsi"][1:], model.reconstruct(test.gather([3])[0])["farsi"], rtol=1e-5, atol=1e-6)
    assert frame["place"].tolist() == [3, 3] and frame["amount"].tolist() == [-1.0, 0.0]


def test_walks_are_each_dimension_s_own_walk(model):
    few = triplets("test")
    images, frame = latent.walks(model, few, 7, {"this": 2, "that": 5})
    sd = latent.latent_table(tables.posteriors(model, few))["sd"]
    single, own = latent.walk(model, few, 7, 5, torch.linspace(-4, 4, 7) * float(sd[5]))
    torch.testing.assert_close(images["farsi"][7:], single["farsi"])
    that = frame[frame["factor"] == "that"]
    assert that["label"].tolist() == own["label"].tolist() and set(that["index"]) == {5}
    assert that["sd"].tolist() == pytest.approx([-4, -8 / 3, -4 / 3, 0, 4 / 3, 8 / 3, 4], abs=1e-6)


@pytest.mark.parametrize("modality", ["farsi", "speech"])
def test_a_grid_carries_what_its_images_cost_and_no_pixel(model, modality):
    test = triplets("test")
    images, frame = latent.reconstruction_grid(model, test, [0, 5], modality)
    assert list(images) == ["original", *tables.REPORT_ORDER, "class mean"] and len(frame) == 18
    assert list(frame.columns) == ["split", "given", "place", "label", "metric"]
    x, _ = test.gather([0, 5])
    pixels = binary_cross_entropy(images["m2"], x["farsi"], reduction="none").sum(-1) if modality == "farsi" else None
    want = pixels if pixels is not None else (images["m2"] - x["speech"]).square().sum(-1)
    assert frame[frame["given"] == "m2"]["metric"].to_numpy() == pytest.approx(want.numpy())
    assert frame[frame["given"] == "class mean"]["metric"].notna().all()


# --- what a shipped run keeps


def test_the_description_of_a_gaussian_is_exact(model):
    few = triplets("test")
    card = ship.describe(model, few, triplets(), per_label=2)
    table = latent.latent_table(tables.posteriors(model, few))
    assert set(card["latent"]) == {*table.columns, "mi"}
    for name, column in table.items():
        assert card["latent"][name] == column.round(5).tolist()
    examples = card["examples"]
    assert examples["label"] == sorted(2 * [*range(10)]) and examples["place"][:4] == [0, 10, 1, 11]
    mean = model.posterior({"speech": few.gather(examples["place"])[0]["speech"]}).mean
    assert examples["posterior_mean"]["m3"] == [[round(v, 4) for v in row] for row in mean.tolist()]
    assert json.loads(json.dumps(card)) == card and min(card["latent"]["mi"]) >= 0


def test_the_description_of_a_mixture_has_no_kl_but_all_else(mixture):
    card = ship.describe(mixture, triplets("test"), triplets())
    assert set(card["latent"]) == {"mean", "sd", "variance_of_mean", "active", "mi"}
    assert all(len(column) == 8 for column in card["latent"].values()) and min(card["latent"]["sd"]) > 0
    assert len(card["examples"]["posterior_mean"]["m1,m2"]) == 40 == len(card["examples"]["label"])


def test_unlabelled_data_of_two_modalities_are_described_too():
    torch.manual_seed(0)
    spec = ModelSpec(tuple(replace(m, name=name) for m, name in zip(MODEL.modalities[1:], ("left", "right"), strict=True)), 8, 0)
    own = build(RunSpec(model=spec)).eval()
    pools = {"left": torch.rand(50, 784), "right": torch.rand(50, 13)}
    pairs = Pairs(pools, torch.arange(50)[:, None].expand(50, 2).contiguous())
    own.card = checkpoint.describe_data(pairs)
    card = ship.describe(own, pairs, pairs)
    assert set(card["latent"]) == {"kl", "mean", "sd", "variance_of_mean", "active"}
    assert card["examples"]["place"] == list(range(40)) and set(card["examples"]["label"]) == {-1}
    assert list(card["examples"]["posterior_mean"]) == ["m1", "m2", "m1,m2"]


def test_a_run_is_shipped_whole_and_at_half_precision(tmp_path, monkeypatch):
    folder, shipped = tmp_path / "run", tmp_path / "pretrained"
    model, history = train.fit(run(epochs=2), triplets(), triplets("val"), folder, bar=False)
    monkeypatch.setattr(ship, "PRETRAINED", shipped)
    monkeypatch.setattr(checkpoint, "PRETRAINED", shipped)
    monkeypatch.setattr("mvae_lib.data.load", lambda split, recipe: triplets(split))
    path = ship.ship(folder)
    assert path == shipped / "small.safetensors" and {each.suffix for each in shipped.iterdir()} == {
        ".safetensors",
        ".json",
        ".csv",
    }
    again = load("small")
    assert again.spec == model.spec and (again.beta, again.epochs) == (model.beta, 2)
    assert again.card["provenance"]["seconds"] >= 0 and again.card["source"] == "stand-in"
    assert len(again.card["examples"]["label"]) == 40 and set(again.card["latent"]) >= {"kl", "sd", "mi"}
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.half().float())
    assert checkpoint.history("small").equals(checkpoint.history(folder))


# --- what is no Gaussian


def test_what_asks_for_variances_says_so_of_a_mixture(mixture):
    few = triplets("test", n=10)
    for asks in (
        lambda: latent.latent_table(tables.posteriors(mixture, few)),
        lambda: latent.walks(mixture, few, 0, {"this": 1}),
        lambda: alignment.single_posteriors(mixture, few),
        lambda: alignment.departure_table(mixture, few),
        lambda: likelihood.likelihood_table(mixture, few, draws=2),
        lambda: sweeps.sweep_table(mixture, few, {}),
    ):
        with pytest.raises(ValueError, match="takes a Gaussian posterior.* it is a Mixture"):
            asks()


def test_what_asks_for_means_alone_is_right_for_a_mixture(mixture):
    few = triplets("test")
    x, _ = few.gather([4])
    images, frame = latent.walk(mixture, few, 4, 1, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(images["speech"][:1], mixture.reconstruct(x)["speech"])
    images, _ = latent.reconstruction_grid(mixture, few, [4], "kannada")
    torch.testing.assert_close(images["m1,m3"], mixture.reconstruct({n: x[n] for n in ("farsi", "speech")})["kannada"])
    assert len(frame) == 2
