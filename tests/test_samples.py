"""Pictures of the data: the right rows, in the right places, and no pixel in a CSV."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import small
import torch
from matplotlib.ft2font import FT2Font

from mvae_lib.data import RATE, Recording
from mvae_lib.figures import samples, style


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No window, and figures go to a temporary folder."""
    matplotlib.use("agg")
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))


def test_picks_stand_evenly_through_the_file_and_are_of_the_digit_of_their_column() -> None:
    triplets = small.triplets(n=200)  # rows d, d + 10, ... of each digit d
    picked = samples.pick(triplets, "kannada", per_digit=4)
    assert picked["label"].tolist() == list(range(10)) * 4
    assert triplets.pool_labels["kannada"][torch.tensor(picked["index"].tolist())].tolist() == picked["label"].tolist()
    assert picked.loc[picked["label"] == 3, "index"].tolist() == [23, 73, 123, 173]
    assert picked.equals(samples.pick(triplets, "kannada", per_digit=4))


def test_a_saved_sheet_names_its_samples_and_holds_no_pixels(tmp_path: Path) -> None:
    triplets = small.triplets()
    picked = samples.pick(triplets, "farsi", per_digit=2)
    images = triplets.pools["farsi"][torch.tensor(picked["index"].tolist())] / 255
    figure = samples.sheet({"farsi": images}, "two of each")
    page = figure.axes[0].images[0].get_array()
    assert page is not None and page.shape == (60, 300)
    np.testing.assert_array_equal(page[31:59, 211:239].ravel(), images[17])  # line 1, column 7, inside a margin of one pixel

    style.save(figure, "sheet", picked, triplets.source)
    saved = pd.read_csv(tmp_path / "figures" / "sheet-stand-in.csv")
    assert list(saved.columns) == ["split", "modality", "line", "label", "index", "origin", "source"]
    assert len(saved) == 20
    assert (tmp_path / "figures" / "sheet-stand-in.png").stat().st_size > 0


def test_a_triplets_line_shows_its_own_pictures_and_its_thirteen_numbers() -> None:
    triplets = small.triplets()
    x, _ = triplets.gather([7, 12])
    figure = samples.triplets(x, ["first", "second"])
    farsi, kannada, speech = figure.axes[3:]
    for axes, name in ((farsi, "farsi"), (kannada, "kannada")):
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()).ravel(), x[name][1])
    heights = [bar.get_height() for bar in speech.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights, x["speech"][1])


def test_the_window_of_pixels_is_where_most_ink_is() -> None:
    image = torch.zeros(28, 28)
    image[20:24, 2:6] = 0.5
    figure = samples.pixels({"kannada": image}, side=4)
    _, window = figure.axes
    assert [text.get_text() for text in window.texts] == ["128"] * 16


def test_a_crop_is_drawn_whole_at_one_scale() -> None:
    found = [np.full((10, 5), 255, np.uint8), np.full((20, 30), 255, np.uint8)]
    figure = samples.crops(found)
    for axes, crop in zip(figure.axes[:2], found, strict=True):
        canvas = np.asarray(axes.images[0].get_array())
        assert canvas.shape == (32, 32)
        assert canvas.sum() == crop.size
    assert [axes.get_title() for axes in figure.axes[:2]] == ["5 × 10", "30 × 20"]


def test_a_wave_and_its_frames_share_one_axis_in_seconds() -> None:
    rng = np.random.default_rng(0)
    recordings = [Recording(d, "voice1", 0, rng.integers(-9, 9, n * RATE // 10).astype(np.int16)) for d, n in ((1, 3), (2, 5))]
    figure = samples.spoken(recordings)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one (voice1)", "two (voice1)"]
    for axes, recording in zip(figure.axes[:2], recordings, strict=True):
        assert axes.get_xlim() == (0, 0.5)
        assert axes.lines[0].get_xdata()[-1] == (len(recording.samples) - 1) / RATE  # type: ignore[index]
    for axes, seconds in zip(figure.axes[2:4], (0.3, 0.5), strict=True):
        left, right, *_ = axes.images[0].get_extent()
        assert 0 < left and seconds - 0.03 < right < seconds  # frames are not centred: none reaches past the sound


def test_a_confusion_panel_puts_the_truth_in_rows() -> None:
    rows = [("m1", "read as", truth, guess, 1.0 * (guess == (truth + 1) % 10)) for truth in range(10) for guess in range(10)]
    frame = pd.DataFrame(rows, columns=["shown", "read", "truth", "guess", "share"]).sample(frac=1, random_state=0)
    axes = samples.confusion(frame).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("m1", "read as")
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), np.roll(np.eye(10), 1, axis=1))
    assert {text.get_text() for text in axes.texts} == {"100"}


def test_every_numeral_that_is_drawn_has_a_glyph() -> None:
    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    assert all(ord(numeral) in font.get_charmap() for numeral in samples.FARSI)
    assert [int(numeral) for numeral in samples.FARSI] == list(range(10))
