"""The explorer on data of one's own: other shapes, other classes or none, a fourth modality, a mixture, what is missing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from exploring import described, png_of, shown
from small import MODEL, run, triplets
from torch import nn

from bench.panel import ROWS
from mvae_lib.likelihoods import Bernoulli, Normal
from mvae_lib.model import MVAE
from mvae_lib.pairs import Pairs
from mvae_lib.spec import Modality, ModelSpec, RunSpec
from study.app.controls import FILM, PANELS, RAW
from study.app.explorer import Explorer
from study.app.picture import HEIGHT, SIDE
from study.evidence.ship import describe
from study.plots import style

TWO = ModelSpec(
    modalities=(Modality("leaf", (8, 8), "bernoulli", (16,), (16,)), Modality("size", (4,), "gaussian", (16,), (16,))),
    latent=5,
    classes=3,
)


def own(split: str = "train", n: int = 30, labelled: bool = True, **more: torch.Tensor) -> Pairs:
    """Leaves of three kinds, each with four measures, some of them negative and far from 1."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    pools = {"leaf": torch.rand((3, 8, 8), generator=draw)[labels], "size": 20 * torch.randn((n, 4), generator=draw) + 5}
    pools |= more
    rows = torch.arange(n)[:, None].expand(n, len(pools)).contiguous()
    return Pairs(pools, rows, labels if labelled else None, split=split)


def explorer_of(model: ModelSpec, pairs: Pairs, stored: bool = False) -> Explorer:
    spec = RunSpec(name="own", model=model)
    return Explorer(described(spec, pairs, replace(pairs, split="train")), None if stored else pairs)


def check(explorer: Explorer) -> None:
    """What must work in any of them: every control, and what is kept."""
    controls, still = explorer.controls, png_of(explorer)
    for control, value in [(controls.sliders[0], 2.0), (controls.number, 1), (controls.view, FILM), (controls.range, RAW)]:
        control.value = value
        assert png_of(explorer) != still and "Error" not in explorer.message.value, explorer.message.value
    assert shown(explorer).shape[:2] == (HEIGHT, explorer.picture.width)
    for button in (controls.random, controls.reset, controls.undo, controls.undo):
        button.click()
        assert "Error" not in explorer.message.value, explorer.message.value
    controls.view.value = PANELS
    for box in list(controls.given.values())[1:]:
        box.value = False
    assert len(explorer.scene.given) == 1
    for sort in controls.sort.options:
        controls.sort.value = sort
        assert "Error" not in explorer.message.value, explorer.message.value
    figure, frame = explorer.snapshot()
    assert figure.axes and frame["split"].unique() == ["test"] and "digit" not in frame
    figure, frame = explorer.walk(0, torch.linspace(-4, 4, 5))
    assert len(figure.axes[0].images) == 5 * len(explorer.picture.images) and len(frame) == 5


@pytest.mark.parametrize("stored", [False, True], ids=["with data", "stored"])
def test_two_modalities_and_three_classes(stored):
    explorer = explorer_of(TWO, own("test"), stored)
    controls, picture = explorer.controls, explorer.picture
    assert controls.digit.options == (("0", 0), ("1", 1), ("2", 2)) and controls.digit.description == "class"
    assert list(picture.areas) == ["leaf", "size", "label"] and picture.areas["label"].shape == (3,)
    assert [box.description for box in controls.given.values()] == ["m1 leaf", "m2 size"]
    assert controls.sort.options == ("KL to the prior", "MI with the class") and len(controls.sliders) == 6
    size = "6 tuples of test, 2" if stored else "30 tuples of test, 10"
    assert (
        f"own data, own, epoch 0{', stored posterior means' if stored else ''}; {size} of this class." in explorer.message.value
    )
    assert (picture.areas["size"].high - picture.areas["size"].low > 50) or stored  # the data's range
    controls.hardest.value = True
    assert "least probable first" in explorer.message.value
    controls.hardest.value = False
    check(explorer)


def test_an_original_of_eight_by_eight_fills_its_area():
    explorer, pairs = explorer_of(TWO, own("test")), own("test")
    x = explorer.picture.areas["leaf"].x
    seen = shown(explorer)[ROWS[0] : ROWS[0] + SIDE, x : x + SIDE, 0] / 255
    expected = 1 - pairs.pools["leaf"][explorer.scene.row].numpy()
    at = (2 * np.arange(8) + 1) * SIDE // 16  # the middle of each pixel
    assert np.abs(seen[np.ix_(at, at)] - expected).max() < 0.01


def test_what_is_copied_rebuilds_it_with_ones_own_model_and_pairs():
    for stored in (False, True):
        pairs = own("test")
        explorer = explorer_of(TWO, pairs, stored)
        explorer.controls.sliders[1].value = 2.5
        names = {"model": explorer.scene.model, "pairs": pairs}
        exec(explorer.code(), names)
        assert torch.allclose(names["z"], explorer.latent(), atol=1e-5) and names["rebuilt"].keys() == {"leaf", "size"}


@pytest.mark.parametrize("stored", [False, True], ids=["with data", "stored"])
def test_no_labels_at_all(stored):
    explorer = explorer_of(replace(TWO, classes=0), own("test", labelled=False), stored)
    controls = explorer.controls
    shown_controls = explorer.children[0].children
    assert controls.digit not in shown_controls and controls.hardest not in shown_controls and controls.number in shown_controls
    assert list(explorer.picture.areas) == ["leaf", "size"] and controls.sort.options == ("KL to the prior",)
    assert "of this" not in explorer.message.value and f"{len(explorer.scene.labels)} tuples of test." in explorer.message.value
    check(explorer)
    assert explorer.snapshot()[1]["probability"].isna().all() and "read as" not in explorer.code()


def test_labels_that_only_some_tuples_have():
    pairs = own("test")
    labels = pairs.labels.clone()
    labels[::2] = -1
    model = explorer_of(TWO, own("test")).scene.model
    explorer = Explorer(model, replace(pairs, labels=labels))
    assert ("none", -1) in explorer.controls.digit.options
    explorer.controls.digit.value = -1
    assert explorer.controls.number.max == 14 and "Error" not in explorer.message.value
    explorer.controls.hardest.value = True
    check(explorer)


def test_a_fourth_modality_has_a_colour_an_area_and_a_film():
    modalities = (*MODEL.modalities, Modality("touch", (6, 3), "bernoulli", (16,), (16,)))
    touch = torch.rand((40, 6, 3), generator=torch.Generator().manual_seed(0))
    test, train = (triplets(split).with_modality("touch", touch, torch.arange(40) % 10) for split in ("test", "train"))
    model = described(run(replace(MODEL, modalities=modalities)), test, train)
    explorer = Explorer(model, test)
    picture = explorer.picture
    assert picture.images == ["farsi", "kannada", "touch"] and picture.areas["touch"].width == 70
    colour = bytes.fromhex(style.colour("touch", model.names)[1:])
    assert tuple(picture.palette[picture.ink["touch"]]) == tuple(colour)
    frame = shown(explorer)[ROWS[0] - 2, picture.areas["touch"].x]
    assert tuple(frame) == tuple(colour)  # it is given
    assert explorer.controls.given["touch"].description == "m4 touch"
    check(explorer)


@pytest.mark.parametrize("stored", [False, True], ids=["with data", "stored"])
def test_a_mixture(stored):
    explorer = explorer_of(replace(TWO, fusion="mixture"), own("test"), stored)
    assert explorer.controls.sort.options == ("variance of the mean", "MI with the class")
    assert "nats" not in explorer.controls.sliders[0].description
    scene, pairs = explorer.scene, own("test")
    scene.look(4, ["leaf", "size"])
    if not stored:
        experts = scene.model.encode(pairs.gather([4])[0])
        torch.testing.assert_close(scene.mean, experts.mu[:, 0].mean(0))  # the mean of the experts' means, and no product
    explorer = explorer_of(replace(TWO, fusion="mixture"), pairs, stored)
    check(explorer)


def test_what_is_missing_is_neither_shown_nor_given():
    pairs = own("test")
    there = torch.arange(30) % 2 == 0
    pools = {**pairs.pools, "size": pairs.pools["size"].where(there[:, None], torch.nan)}
    model = explorer_of(TWO, pairs).scene.model
    explorer = Explorer(model, replace(pairs, pools=pools, present={"size": there}))
    explorer.controls.digit.value, explorer.controls.number.value = 1, 0  # row 1
    assert explorer.scene.row == 1 and explorer.scene.given == ("leaf",)
    assert torch.isfinite(explorer.latent()).all() and np.isfinite(explorer.snapshot()[1]["probability"]).all()
    explorer.controls.number.value = 1  # row 4
    assert explorer.scene.given == ("leaf", "size")


def test_networks_of_ones_own_that_no_spec_describes():
    class Expert(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(features, 10))

        def forward(self, x):
            return self.net(x).chunk(2, -1)

    sizes = {"leaf": 64, "size": 4}
    experts = {name: Expert(size) for name, size in sizes.items()}
    decoders = {name: nn.Linear(5, size) for name, size in sizes.items()}
    pairs = own("test")
    model = MVAE(experts, decoders, nn.Linear(5, 3), {"leaf": Bernoulli(), "size": Normal()}).eval()
    means = {name: value.tolist() for name, value in pairs.global_means().items()}
    model.card = {"source": pairs.source, "global_means": means, **describe(model, pairs, pairs, per_label=2)}
    explorer = Explorer(model, pairs)
    assert explorer.picture.areas["leaf"].kind == "image" and explorer.picture.areas["size"].kind == "bars"
    check(explorer)


def test_a_long_vector_and_a_long_map_stay_on_the_screen():
    modalities = (Modality("genes", (100,), "gaussian", (16,), (16,)), Modality("waves", (7, 200), "gaussian", (16,), (16,)))
    draw = torch.Generator().manual_seed(0)
    pools = {"genes": torch.randn((30, 100), generator=draw), "waves": torch.randn((30, 7, 200), generator=draw)}
    rows = torch.arange(30)[:, None].expand(30, 2).contiguous()
    explorer = explorer_of(replace(TWO, modalities=modalities), Pairs(pools, rows, torch.arange(30) % 3, split="test"))
    areas = explorer.picture.areas
    assert (areas["genes"].kind, areas["waves"].kind) == ("bars", "map") and explorer.picture.width < 1000
    assert areas["genes"].width <= 360 and areas["waves"].width <= 360
