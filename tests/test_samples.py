"""Pictures of samples: the right rows, in the right places, and no pixel in a CSV."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import small
import torch
from matplotlib.ft2font import FT2Font

from mvae_lib.data import RATE
from study.plots import FIGURES, draw, style
from study.plots.own import HEARD, pick

pytestmark = pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")  # seaborn calls it


def pixels_of(figure, k: int) -> np.ndarray:
    """The k-th image of a figure's first axes."""
    return np.asarray(figure.axes[0].images[k].get_array())


def test_picks_stand_evenly_through_the_file_and_are_of_the_digit_of_their_column() -> None:
    triplets = small.triplets(n=200)  # rows d, d + 10, ... of each digit d
    picked = pick(triplets, "kannada", per_label=4)
    assert picked["label"].tolist() == list(range(10)) * 4
    assert triplets.pool_labels["kannada"][torch.tensor(picked["index"].tolist())].tolist() == picked["label"].tolist()
    assert picked.loc[picked["label"] == 3, "index"].tolist() == [23, 73, 123, 173]
    assert picked.equals(pick(triplets, "kannada", per_label=4))


def test_a_saved_sheet_names_its_samples_and_holds_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    triplets = small.triplets()
    picked = pick(triplets, "farsi", per_label=2)
    images = triplets.pools["farsi"][torch.tensor(picked["index"].tolist())] / 255
    figure = draw("fig1_samples", picked, images={"farsi": images})
    np.testing.assert_array_equal(pixels_of(figure, 17).ravel(), images[17])  # line 1, column 7
    left, right, bottom, top = figure.axes[0].images[17].get_extent()
    assert 7 == left < right < 8 and top == figure.axes[0].images[10].get_extent()[3] > figure.axes[0].images[9].get_extent()[2]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("m1 Farsi") == 1 and words.count("7 ۷") == 1  # a line's name and its columns' heads, once

    path = style.save(figure, "sheet", picked, triplets.source)
    saved = pd.read_csv(tmp_path / "figures" / "sheet-stand-in.csv")
    assert list(saved.columns) == ["split", "modality", "line", "label", "index", "origin", "source"] and len(saved) == 20
    assert path == tmp_path / "figures" / "sheet-stand-in.png" and path.stat().st_size > 0


def test_a_tuple_s_line_shows_its_own_pictures_and_its_thirteen_numbers() -> None:
    x, _ = small.triplets().gather([7, 12])
    figure = draw("triplet_pairing", pd.DataFrame({"epoch": [3, 4]}), x=x)
    farsi, kannada, speech = figure.axes[3:]
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ["epoch 3", "epoch 4"]
    for axes, name in ((farsi, "farsi"), (kannada, "kannada")):
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()).ravel(), x[name][1])
    np.testing.assert_allclose([bar.get_height() for bar in speech.patches], x["speech"][1])


def test_tuples_of_one_s_own_have_a_column_a_modality() -> None:
    x = {"left": torch.rand(1, 64), "right": torch.rand(1, 3), "frames": torch.rand(1, 13, 2)}
    figure = draw("the_seven", pd.DataFrame({"split": ["train"], "index": [5]}), x=x)
    assert [axis.get_title() for axis in figure.axes] == ["m1 left", "m2 right", "m3 frames"]
    assert [len(axis.images) for axis in figure.axes] == [1, 0, 0] and figure.axes[0].get_ylabel() == "train, triplet 5"
    assert [len(axis.patches) for axis in figure.axes] == [0, 3, 26]


def test_the_window_of_pixels_is_where_most_ink_is() -> None:
    image = torch.zeros(1, 28, 28)
    image[0, 20:24, 2:6] = 0.5
    figure = draw("the_seven_pixels", pd.DataFrame({"index": [0]}), x={"kannada": image, "speech": torch.rand(1, 13)}, side=4)
    whole, window = figure.axes
    assert [text.get_text() for text in window.texts] == ["128"] * 16
    assert [tuple(box.get_xy()) for box in whole.patches] == [(1.5, 19.5)]


def test_a_crop_is_drawn_whole_at_one_scale() -> None:
    cut = [np.full((10, 5), 255, np.uint8), np.full((20, 30), 255, np.uint8)]
    frame = pd.DataFrame({"height": [10, 20], "width": [5, 30]})
    figure = draw("hoda_crops", frame, images={"as cut": cut, "padded": [np.ones((28, 28))] * 2})
    for k, crop in enumerate(cut):
        canvas = pixels_of(figure, k)
        assert canvas.shape == (32, 32) and (canvas == 1).sum() == crop.size
    assert [text.get_text() for text in figure.axes[0].texts if "×" in text.get_text()] == ["5 × 10", "30 × 20"]


def test_a_grid_s_images_are_in_the_order_of_its_rows_or_of_each_name() -> None:
    frame = pd.DataFrame({"sd": [-1.0, 0.0, 1.0], "label": [7, 7, 3]})
    images = {name: torch.rand(3, 28, 28) for name in ("farsi", "kannada")}
    figure = draw("walk_top", frame, images=images)
    for k, image in enumerate([*images["farsi"], *images["kannada"]]):
        np.testing.assert_array_equal(pixels_of(figure, k), image)
    edges = [tile.get_edgecolor() for tile in figure.axes[0].patches if tile.get_linewidth() > 1]
    assert edges == [matplotlib.colors.to_rgba(style.COLOUR[name]) for name in images]
    assert [text.get_text() for text in figure.axes[0].texts].count("+1 sd\nread as 3") == 1

    nested = {name: {row: torch.rand(2, 784) for row in ("original", "class mean")} for name in images}
    rows = [(name, row, 0.5) for name in nested for row in nested[name] for _ in range(2)]
    figure = draw("beside_class_means", pd.DataFrame(rows, columns=["target", "row", "metric"]), images=nested)
    np.testing.assert_array_equal(pixels_of(figure, 5).ravel(), nested["kannada"]["original"][1])
    np.testing.assert_array_equal(
        pixels_of(draw("fig5_kannada", frame.assign(amount=frame["sd"]), images=images), 2), images["kannada"][2]
    )


def test_the_grids_of_notebooks_alone() -> None:
    rows = [(answer, given, 10.0 * k) for answer in ("all", "given") for k, given in enumerate(("original", "m1", "m2"))]
    frame = pd.DataFrame(rows, columns=["answer", "given", "metric"])
    images = {answer: {given: torch.rand(1, 784) for given in ("original", "m1", "m2")} for answer in ("all", "given")}
    figure = draw("seven_objectives", frame, images=images)
    np.testing.assert_array_equal(pixels_of(figure, 4).ravel(), images["given"]["m1"][0])
    assert {"must rebuild\ngiven", "●○\n10", "original\n0"} <= {text.get_text() for text in figure.axes[0].texts}

    frame = pd.DataFrame({"script": ["farsi", "kannada"], "digit": [4, 4], "read": [4, 9], "probability": [1.0, 0.5]})
    figure = draw("12_examples", frame, images={"drawn": torch.rand(2, 784), "rebuilt from": torch.rand(2, 784)})
    assert {"rebuilt from\nm2 Kannada", "read 9, 50%"} <= {text.get_text() for text in figure.axes[0].texts}


def test_a_wave_and_its_frames_share_one_axis_in_seconds() -> None:
    rng = np.random.default_rng(0)
    sounds = {f"{d} (voice1)": rng.integers(-9, 9, n * RATE // 10).astype(np.int16) for d, n in ((1, 3), (2, 5))}
    figure = draw("waveforms", pd.DataFrame({"index": list(sounds)}), sounds=sounds)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["1 (voice1)", "2 (voice1)"]
    for axes, samples in zip(figure.axes[:2], sounds.values(), strict=True):
        assert axes.get_xlim() == (0, 0.5)
        assert axes.lines[0].get_xdata()[-1] == (len(samples) - 1) / RATE
    for axes, seconds in zip(figure.axes[2:4], (0.3, 0.5), strict=True):
        left, right, *_ = axes.images[0].get_extent()
        assert 0 < left and seconds - 0.03 < right < seconds  # frames are not centred: none reaches past the sound


def test_spectrograms_are_of_those_that_are_there_on_one_scale() -> None:
    tone = (3000 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 4) / RATE)).astype(np.int16)
    sounds = {"rebuilt from Farsi": tone // 10, "class mean": tone, "the recording": tone}
    figure = draw("spectrograms", pd.DataFrame(), sounds=sounds)
    assert [axes.get_title() for axes in figure.axes[:-1]] == [
        "rebuilt from Farsi",
        "the recording",
    ] and "class mean" not in HEARD
    quiet, loud = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:-1])
    assert loud.max() - quiet.max() == pytest.approx(20, abs=0.2)  # a tenth of the amplitude, in decibels
    assert figure.axes[0].images[0].get_clim() == figure.axes[1].images[0].get_clim()
    assert loud.shape[0] == 101 and abs(loud.mean(1).argmax() * RATE / 200 - 1000) < 40


def test_a_confusion_panel_puts_the_truth_in_rows() -> None:
    rows = [("m1", "read as", truth, guess, 1.0 * (guess == (truth + 1) % 10)) for truth in range(10) for guess in range(10)]
    frame = pd.DataFrame(rows, columns=["shown", "read", "truth", "guess", "share"])
    axes = draw("confusion_class_means", frame).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("truth", "read as")
    np.testing.assert_array_equal(np.asarray(axes.collections[0].get_array()), np.roll(np.eye(10), 1, axis=1))
    assert {text.get_text() for text in axes.texts} == {"100%", ""}


def test_every_numeral_that_is_drawn_has_a_glyph() -> None:
    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    numerals = [sign for sign in FIGURES["fig1_samples"]["add"]["numeral"] if sign.isdecimal()]
    assert all(ord(sign) in font.get_charmap() for sign in [*numerals, *style.MARK.values()])
    assert [int(numeral) for numeral in numerals] == list(range(10))
