"""The explorer's picture: its areas, a film, what is saved and copied of it; and the shipped runs without data."""

import io

import exploring
import numpy as np
import pytest
import torch
from conftest import needs_runs
from exploring import png_of, shown
from PIL import Image
from small import triplets

import mvae_lib
from bench.panel import ROWS
from study.app.controls import FILM, PANELS, RAW, SD
from study.app.explorer import Explorer
from study.app.picture import FILM as FIRST
from study.app.picture import GREYS, HEIGHT, SIDE, TILE, Picture

explorer, model = exploring.explorer, exploring.model  # pytest looks for fixtures among the names of a module


def test_a_film_shows_the_dimension_across_from_end_to_end(explorer):
    controls, picture = explorer.controls, explorer.picture
    controls.sliders[0].value = controls.sliders[1].value = 2.0
    panels = png_of(explorer)
    controls.view.value = FILM
    assert shown(explorer).shape[:2] == (HEIGHT, picture.width) and png_of(explorer) != panels
    left, top = FIRST
    line, tile = divmod(74, 10)  # the 25th of the 50 steps to the end, 0 left out: where the slider stands
    y, x = top + line * TILE + 1, left + tile * TILE + 1
    means = explorer.scene.means(explorer.latent())["farsi"].reshape(28, 28)
    ink = np.rint(means * (GREYS - 1)).astype(np.uint8)
    assert np.array_equal(shown(explorer)[y + 1 : y + 27, x + 1 : x + 27], picture.palette[ink][1:-1, 1:-1])  # within its frame
    assert picture.images == ["farsi", "kannada"]
    film = png_of(explorer)
    controls.range.value = RAW
    assert png_of(explorer) != film
    controls.view.value, controls.range.value = PANELS, SD
    assert len(png_of(explorer)) > 0 and explorer.moves() == []


def test_a_film_is_saved_as_it_stands(explorer):
    def heads() -> int:
        return len(explorer.snapshot()[0].axes[0].texts)

    assert heads() == 4  # the columns' names
    explorer.controls.view.value = FILM
    assert heads() == 0


def test_a_walk_is_of_one_dimension(explorer):
    figure, frame = explorer.walk(3, torch.linspace(-4, 4, 5))
    assert len(figure.axes[0].images) == 5 * 2 and frame["sd"].tolist() == [-4, -2, 0, 2, 4] and set(frame["index"]) == {3}
    middle = explorer.scene.means(explorer.latent())["label"]
    assert frame["probability"][2] == pytest.approx(middle.max()) and frame["label"][2] == middle.argmax()


def test_what_is_copied_as_code_rebuilds_what_is_shown(model, monkeypatch):
    monkeypatch.setattr("mvae_lib.load", lambda name: model)
    monkeypatch.setattr("mvae_lib.data.load", lambda split, recipe: triplets(split))
    for with_data in (True, False):
        for chosen, amount in ((SD, 2.5), (RAW, 300.0)):
            explorer = Explorer(model, triplets("test") if with_data else None)
            controls = explorer.controls
            controls.digit.value, controls.number.value, controls.given["speech"].value = 4, 1, False
            controls.range.value = chosen
            controls.sliders[3].value, controls.sliders[-1].value = amount, -amount
            names = {}
            exec(explorer.code(), names)
            assert torch.allclose(names["z"], explorer.latent(), atol=1e-5)
            assert names["rebuilt"].keys() == {"farsi", "kannada", "speech"}


def test_stored_means_give_the_picture_that_the_data_give(model):
    """But for the originals: what is rebuilt differs by the stored means' rounding, a grey level at most."""
    computed, stored = Explorer(model, triplets("test")), Explorer(model)
    for digit, number, hidden in ((7, 0, ()), (3, 1, ("farsi",)), (0, 1, ("farsi", "speech"))):
        for explorer in (computed, stored):
            explorer.controls.digit.value, explorer.controls.number.value = digit, number
            for name, box in explorer.controls.given.items():
                box.value = name not in hidden
        assert torch.allclose(computed.scene.mean, stored.scene.mean, atol=1e-4)
        a, b = (shown(explorer)[ROWS[1] : ROWS[1] + SIDE].astype(int) for explorer in (computed, stored))
        images = slice(0, stored.picture.areas["kannada"].x + SIDE)
        assert abs(a[:, images] - b[:, images]).max() <= 2


def test_bars_beyond_the_area_are_capped_and_stay_inside():
    image, bars = ("image", (28, 28)), ("bars", (13,))
    picture = Picture({"farsi": image, "kannada": image, "speech": bars, "label": ("bars", (10,))}, {"speech": (-0.5, 1.5)})
    values = np.linspace(-3000, 3000, 13)
    means = {"farsi": np.zeros(784), "kannada": np.ones(784), "speech": values, "label": np.eye(10)[4]}
    picture.originals({"speech": np.full(13, 0.5)}, ["speech"], "none")
    drawn = np.asarray(picture.rebuilt(means))
    area = picture.areas["speech"]
    outside = drawn.copy()
    outside[ROWS[1] : ROWS[1] + SIDE, area.x : area.x + area.width] = 0
    inside = np.asarray(picture.rebuilt({**means, "speech": np.zeros(13)}))
    assert drawn.shape == (HEIGHT, picture.width) and (outside == inside)[:, : area.x].all()
    assert (drawn[ROWS[1] : ROWS[1] + SIDE, area.x : area.x + area.width] == GREYS - 1).sum() > 13 * 12 * 5  # caps
    x = picture.areas["kannada"].x
    assert (drawn[ROWS[1] : ROWS[1] + SIDE, x : x + SIDE] == GREYS - 1).all()
    image = Image.open(io.BytesIO(picture.png(picture.rebuilt(means))))
    assert np.array_equal(np.asarray(image.convert("RGB")), picture.palette[drawn])


@needs_runs
def test_the_shipped_run_opens_without_data():
    explorer = Explorer(mvae_lib.load("as_run"))
    controls = explorer.controls
    assert (
        len(explorer.scene.labels) >= 24 and len(controls.top) == len(controls.sliders) - 1 == 8 and controls.dimension.max == 511
    )
    still = png_of(explorer)
    controls.sliders[0].value = 4.0
    assert png_of(explorer) != still and explorer.scene.given == ("farsi", "kannada", "speech")


@needs_runs
def test_a_film_of_the_spoken_model_fits_beside_its_map():
    explorer = Explorer(mvae_lib.load("spoken"))
    explorer.controls.view.value = FILM
    assert shown(explorer).shape[:2] == (HEIGHT, explorer.picture.width) and "Error" not in explorer.message.value


@needs_runs
@pytest.mark.parametrize("name", ["as_run", "as_written"])
def test_a_dimension_that_a_shipped_model_does_not_use_tells_nothing_of_the_digit(name):
    """Counted on posterior means it would: some of a KL of 0.00 would stand among the first eight."""
    kl, mi = (np.array(mvae_lib.load(name).card["latent"][column]) for column in ("kl", "mi"))
    unused = mi[kl < 0.01]
    assert len(unused) > 300 and unused.max() < 0.02 and mi.max() > 100 * unused.max()
