"""Slant and stroke width of shapes drawn by hand, whose answers are known."""

import math

import pytest
import torch

from study.evidence.disentangle import slant, within_digit
from study.evidence.missing import stroke_width


def bar(lean: float = 0.0, width: int = 3) -> torch.Tensor:
    """An upright bar of rows 4 to 23, sheared by `lean` columns a row (positive: to the right, upwards)."""
    image = torch.zeros(28, 28)
    for row in range(4, 24):
        left = 14 - width // 2 + round(lean * (13.5 - row))
        image[row, left : left + width] = 1.0
    return image.flatten()


@pytest.mark.parametrize(("lean", "degrees"), [(0.0, 0.0), (0.5, 26.565), (-0.5, -26.565), (1 / 3, 18.435)])
def test_a_sheared_bar_leans_by_its_shear(lean, degrees):
    assert slant(bar(lean)[None]).item() == pytest.approx(degrees, abs=0.7)


def test_slant_does_not_depend_on_place_or_width_or_tilt_alone():
    moved = bar(0.5).view(28, 28).roll((3, -2), (0, 1)).flatten()
    assert slant(moved[None]).item() == pytest.approx(slant(bar(0.5)[None]).item(), abs=1e-4)
    assert slant(bar(0.5, width=5)[None]).item() == pytest.approx(26.565, abs=0.7)
    grey = 0.5 * bar(0.5)
    assert slant(grey[None]).item() == pytest.approx(slant(bar(0.5)[None]).item(), abs=1e-4)


@pytest.mark.parametrize("width", range(1, 8))
def test_a_bar_is_as_wide_as_it_is(width):
    assert stroke_width(bar(width=width)[None]).item() == pytest.approx(width, abs=0.01)


def test_a_leaning_stroke_is_measured_across_and_a_wider_one_is_wider():
    widths = stroke_width(torch.stack([bar(0.5, width) for width in range(1, 8)]))
    across = torch.arange(1, 8) * math.cos(math.radians(26.565))
    assert (widths.diff() > 0).all() and ((widths / across - 1).abs() < 0.21).all()


def test_grey_is_part_of_a_pixel():
    thin, thick = bar(width=1), bar(width=1).view(28, 28).clone()
    thick[:, 15] = 0.6 * thick[:, 14]
    assert 1 < stroke_width(thick.flatten()[None]).item() <= 2 and stroke_width(thin[None]).item() == 1


def test_a_stroke_at_the_edge_ends_there():
    assert stroke_width(bar(width=3).view(28, 28).roll(-13, 1).flatten()[None]).item() == pytest.approx(3, abs=0.5)


def test_no_ink_has_neither():
    empty = torch.zeros(1, 784)
    assert slant(empty).isnan().all() and stroke_width(empty).isnan().all()


def test_levels_within_the_digit_say_nothing_of_the_digit():
    labels = torch.arange(400) % 10
    values = labels * 100.0 + torch.randn(400, generator=torch.Generator().manual_seed(0))  # adversarial: it is nearly the digit
    levels = within_digit(values, labels)
    assert torch.bincount(labels * 10 + levels).tolist() == [4] * 100
    of_three = labels == 3
    assert (levels[of_three][values[of_three].argsort()].diff() >= 0).all()


def test_where_nothing_can_be_measured_the_level_is_the_lowest_and_ties_keep_their_order():
    labels = torch.zeros(5, dtype=torch.int64)
    values = torch.tensor([2.0, math.nan, 1.0, 1.0, math.nan])
    assert within_digit(values, labels, levels=5).tolist() == [4, 0, 2, 3, 1]
