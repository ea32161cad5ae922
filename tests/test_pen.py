"""A digit that is drawn: in the data's form, read by the shipped models, and the pen's traits. No browser."""

import numpy as np
import pytest
import torch

import mvae_lib
from mvae_lib.storage import PRETRAINED
from study.app.drawing import LINE, drawn
from study.app.pen import EXAMPLES, Pen
from study.evidence.missing import stroke_width

DIGITS = [(script, digit) for script in LINE for digit in range(10)]


def box(image: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column with ink."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def moved(strokes: list, scale: float, right: float, down: float) -> list:
    return [[[scale * x + right, scale * y + down] for x, y in stroke] for stroke in strokes]


@pytest.mark.parametrize(("script", "digit"), DIGITS)
def test_the_box_is_the_data_s(script, digit):
    image = drawn(EXAMPLES[script][digit], script)
    assert image.shape == (28, 28) and image.dtype == np.uint8
    top, bottom, left, right = box(image)
    if script == "farsi":
        assert (top, bottom, left, right) == (0, 27, 0, 27) and set(np.unique(image)) <= {0, 255}
    else:
        assert max(bottom - top, right - left) == 19 and len(np.unique(image)) > 10
        for axis in (0, 1):  # of the whole pixels that it can be moved by, none brings it nearer
            assert abs(np.average(np.arange(28), weights=image.sum(axis)) - 14) <= 0.5


@pytest.mark.parametrize(("script", "digit"), DIGITS)
def test_neither_place_nor_size_counts(script, digit):
    strokes = EXAMPLES[script][digit]
    image = drawn(strokes, script).astype(int)
    for scale, right, down in ((1, 0.1, -0.1), (0.9, -0.05, 0.2)):
        assert np.abs(drawn(moved(strokes, scale, right, down), script) - image).mean() < 0.5  # of 255


def test_a_small_farsi_ring_is_thick_as_the_data_s_are_and_a_large_one_is_not():
    turn = np.linspace(0, 2 * np.pi, 40)
    ring = [np.stack([np.cos(turn), np.sin(turn)], 1).tolist()]
    small, large = (drawn(moved(ring, radius, 0.5, 0.5), "farsi") for radius in (0.08, 0.4))
    assert small.mean() > 1.4 * large.mean() and small[14, 14] == large[14, 14] == 0


@pytest.mark.parametrize("script", LINE)
def test_a_tap_is_a_dot(script):
    image = drawn([[[0.9, 0.1]]], script) / 255
    side = 28 if script == "farsi" else 20
    assert image.sum() == pytest.approx(np.pi / 4 * side**2, rel=0.02)
    assert np.allclose(image, image.T, atol=0.1) and image[14, 14] == 1


@pytest.mark.parametrize(
    ("points", "height", "width"), [([[0.5, 0.1], [0.5, 0.9]], 20, 1.25), ([[0.1, 0.5], [0.9, 0.5]], 1.25, 20)]
)
def test_a_bar_keeps_its_form_in_kannada_and_fills_the_box_in_farsi(points, height, width):
    assert (drawn([points], "farsi") == 255).mean() > 0.96  # round ends
    image = drawn([points], "kannada")
    top, bottom, left, right = box(image)
    assert (bottom - top + 1, right - left + 1) == (round(height), round(width))


def test_the_lines_are_as_wide_as_the_data_s():
    """Medians over the digits of the training images' medians: 4.0 pixels without Farsi's 0, and 1.4."""
    for script, first, data in (("farsi", 1, 4.0), ("kannada", 0, 1.4)):
        images = np.stack([drawn(strokes, script) for strokes in EXAMPLES[script][first:]]).reshape(-1, 784)
        assert stroke_width(torch.from_numpy(images).float() / 255).median().item() == pytest.approx(data, abs=0.2)


@pytest.mark.parametrize(
    ("strokes", "script", "words"), [([], "farsi", "Nothing"), ([[]], "kannada", "Nothing"), ([], "latin", "farsi, k")]
)
def test_refused_in_one_line(strokes, script, words):
    with pytest.raises(ValueError, match=words) as refused:
        drawn(strokes, script)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["as_run", "as_written"])
@pytest.mark.parametrize("script", LINE)
def test_the_shipped_models_read_the_examples(name, script):
    if not (PRETRAINED / f"{name}.json").exists():
        pytest.skip("no such run in data/pretrained")
    images = np.stack([drawn(strokes, script) for strokes in EXAMPLES[script]]).reshape(-1, 784)
    read = mvae_lib.load(name).classify({script: torch.from_numpy(images).float() / 255})
    assert read.argmax(1).tolist() == list(range(10))


def test_examples_are_small_and_on_the_paper():
    assert [len(digits) for digits in EXAMPLES.values()] == [10, 10]
    for stroke in (stroke for digits in EXAMPLES.values() for strokes in digits for stroke in strokes):
        assert 1 <= len(stroke) <= 40 and 0 <= np.min(stroke) and np.max(stroke) <= 1


def test_strokes_are_not_echoed_and_can_be_set_and_cleared():
    pen, seen = Pen(label="Draw a Farsi digit here"), []
    pen.observe(lambda change: seen.append(change["new"]), "strokes")
    pen.set_state({"strokes": [[[0, 1], [0.5, 0.5]]]})  # a browser's whole numbers have no point
    pen.strokes = []
    assert seen == [[[[0.0, 1.0], [0.5, 0.5]]], []]
    assert Pen.strokes.metadata["echo_update"] is False
