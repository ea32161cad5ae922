"""The explorer's widgets without a browser: what each control does to the picture. `test_browser.py` drags the real ones."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from small import run, triplets

from mvae_lib import MVAE, checkpoint, evaluate
from mvae_lib.figures import style
from mvae_lib.widgets import explorer as module
from mvae_lib.widgets.explorer import REPORT, SD, Explorer
from mvae_lib.widgets.strip import GREYS, HEIGHT, PALETTE, ROWS, SIDE, Strip, png


@pytest.fixture(scope="module")
def model() -> MVAE:
    """A small untrained model, described as a shipped one is."""
    torch.manual_seed(0)
    model = MVAE(run()).eval()
    model.card = {"source": "stand-in", **evaluate.describe(model, triplets("test"), per_digit=2)}
    return model


@pytest.fixture(params=["with data", "stored"])
def explorer(request: pytest.FixtureRequest, model: MVAE) -> Explorer:
    return Explorer(model, triplets("test") if request.param == "with data" else None)


def png_of(explorer: Explorer) -> bytes:
    return bytes(explorer.image.value)


def shown(explorer: Explorer) -> np.ndarray:
    """The picture on the screen, as RGB."""
    return np.asarray(Image.open(io.BytesIO(png_of(explorer))).convert("RGB"))


def test_sliders_move_the_picture_and_come_back_to_the_same_bytes(explorer):
    still = png_of(explorer)
    seen = {still}
    for slider in explorer.sliders[:-1]:
        for amount in (-4.0, 4.0):
            slider.value = amount
            assert png_of(explorer) not in seen
            seen.add(png_of(explorer))
        slider.value = 0.0
        assert png_of(explorer) == still


def test_a_move_sends_one_image_and_nothing_else(explorer):
    sent = []
    others = (explorer.message, explorer.unit, explorer.meaning, *explorer.given.values(), *explorer.sliders[1:])
    for widget in (explorer.image, *others):
        widget.observe(lambda change: sent.append((change["owner"], change["name"])))
    explorer.sliders[0].value = 1.0
    assert sent == [(explorer.image, "value")]


def test_moves_are_in_standard_deviations_or_as_the_report_adds_them(explorer):
    index = explorer.top[1]
    mean = explorer.mean.clone()
    explorer.sliders[1].value = 2.0
    assert explorer.latent()[index].item() == pytest.approx((mean[index] + 2 * explorer.sd[index]).item())
    explorer.range.value = REPORT
    assert explorer.moves() == [] and torch.equal(explorer.latent(), mean)
    explorer.sliders[1].value = 1500.0
    assert explorer.latent()[index].item() == pytest.approx(mean[index].item() + 1500)
    explorer.range.value = SD
    assert explorer.sliders[1].max == 4.0 and explorer.moves() == []


def test_any_index_by_number_and_reset(explorer):
    still = png_of(explorer)
    explorer.sliders[-1].value = 3.0
    explorer.index.value = 0
    first = png_of(explorer)
    explorer.index.value = 5
    assert explorer.moves() == [(5, 3.0)] and len({still, first, png_of(explorer)}) == 3
    explorer.reset.click()
    assert png_of(explorer) == still and explorer.moves() == []


def test_stored_means_give_the_picture_that_the_data_give(model):
    """But for the originals: what is rebuilt differs by the stored means' rounding, a grey level at most."""
    computed, stored = Explorer(model, triplets("test")), Explorer(model)
    for digit, number, hidden in ((7, 0, ()), (3, 1, ("farsi",)), (0, 1, ("farsi", "speech"))):
        for explorer in (computed, stored):
            explorer.digit.value, explorer.number.value = digit, number
            for name, box in explorer.given.items():
                box.value = name not in hidden
        assert torch.allclose(computed.mean, stored.mean, atol=1e-4)
        a, b = (shown(explorer)[ROWS[1] : ROWS[1] + SIDE].astype(int) for explorer in (computed, stored))
        images = slice(0, stored.strip.panels["kannada"][0] + SIDE)
        assert abs(a[:, images] - b[:, images]).max() <= 2


def test_any_triplet_can_be_chosen_by_digit_and_number(model):
    data = triplets("test")
    explorer = Explorer(model, data)
    assert (explorer.digit.value, explorer.number.value, explorer.number.max) == (7, 0, 3)
    explorer.digit.value, explorer.number.value = 2, 3
    assert explorer.row == 32
    x, _ = explorer.strip.panels["kannada"]
    original = shown(explorer)[ROWS[0] : ROWS[0] + SIDE : SIDE // 28, x : x + SIDE : SIDE // 28, 0]
    assert np.array_equal(original.ravel() == 0, data.pools["kannada"][32].numpy() == 255)
    explorer.number.value = 99  # kept to what there is
    assert explorer.number.value == 3


def test_the_last_modality_cannot_be_taken_away(explorer):
    explorer.given["farsi"].value = explorer.given["speech"].value = False
    alone = png_of(explorer)
    explorer.given["kannada"].value = False
    assert explorer.given["kannada"].value and explorer.combination() == "m2" and png_of(explorer) == alone
    assert "At least one modality" in explorer.message.value
    explorer.given["farsi"].value = True
    assert explorer.combination() == "m1,m2" and "At least one" not in explorer.message.value


def test_an_error_in_a_callback_shows_in_the_panel_and_goes_away(explorer, monkeypatch):
    monkeypatch.setattr(module, "perturb", lambda *_: 1 / 0)
    explorer.sliders[0].value = 1.0
    assert "ZeroDivisionError" in explorer.message.value
    monkeypatch.undo()
    explorer.sliders[0].value = 2.0
    assert explorer.note in explorer.message.value


def test_saving_a_view(explorer, tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    for _ in range(2):
        explorer.keep.click()
    assert "Saved: " in explorer.message.value, explorer.message.value
    names = sorted(path.name for path in style.folder().iterdir())
    assert len(names) == 4 and names[0].startswith("06_view_01") and names[-1].startswith("06_view_02")
    figure, frame = explorer.snapshot()
    assert list(frame.columns) == ["split", "place", "digit", "given", "moved", "label", "probability"]
    assert frame["probability"].sum() == pytest.approx(1, abs=1e-5) and set(frame["digit"]) == {7}


def test_a_walk_is_of_one_index(explorer):
    figure, frame = explorer.walk(3, torch.linspace(-4, 4, 5))
    assert len(figure.axes) == 5 * 2 and frame["sd"].tolist() == [-4, -2, 0, 2, 4] and set(frame["index"]) == {3}
    middle = explorer.means(explorer.latent())["label"]
    assert frame["probability"][2] == pytest.approx(middle.max()) and frame["label"][2] == middle.argmax()


def test_what_it_refuses(model):
    other = dataclasses.replace(triplets("test"), source="real data")
    with pytest.raises(ValueError, match="These triplets are real data"):
        Explorer(model, other)
    with pytest.raises(ValueError, match="no card of its latent"):
        Explorer(MVAE(run()).eval())


def test_bars_beyond_the_panel_are_capped_and_stay_inside():
    strip = Strip(run().model.modalities, 10, (-0.5, 1.5))
    values = np.linspace(-3000, 3000, 13)
    means = {"farsi": np.zeros(784), "kannada": np.ones(784), "speech": values, "label": np.eye(10)[4]}
    strip.originals({"speech": np.full(13, 0.5)}, ["speech"])
    picture = strip.picture(means)
    x, width = strip.panels["speech"]
    outside = picture.copy()
    outside[ROWS[1] : ROWS[1] + SIDE, x : x + width] = 0
    assert picture.shape == (HEIGHT, strip.width) and (outside == strip.picture({**means, "speech": np.zeros(13)}))[:, :x].all()
    x, _ = strip.panels["kannada"]
    assert (picture[ROWS[1] : ROWS[1] + SIDE, x : x + SIDE] == GREYS - 1).all()
    image = Image.open(io.BytesIO(png(picture)))
    assert np.array_equal(np.asarray(image.convert("RGB")), PALETTE[picture])


@pytest.mark.skipif(not (checkpoint.PRETRAINED / "as_run.json").exists(), reason="no shipped run in data/pretrained")
def test_the_shipped_run_opens_without_data():
    explorer = Explorer(checkpoint.load("as_run"))
    assert len(explorer.labels) >= 24 and len(explorer.top) == len(explorer.sliders) - 1 == 8 and explorer.index.max == 511
    still = png_of(explorer)
    explorer.sliders[0].value = 4.0
    assert png_of(explorer) != still and explorer.combination() == "m1,m2,m3"
