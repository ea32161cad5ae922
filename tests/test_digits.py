"""Each reader against a writer of the same format, each resize against plain loops, and the facts of the real files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_real
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bench.mutations import cdb
from mvae_lib.data import digits, sources
from mvae_lib.data.sources import SOURCES, DataError

relaxed = settings(deadline=None, max_examples=30)
crops = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=70), elements=st.sampled_from([0, 255]))
labelled = st.lists(st.tuples(crops, st.integers(0, 9)), max_size=6)


# --- resizing


@pytest.mark.parametrize("old", range(1, 81))
def test_resize_takes_the_pixel_under_the_centre(old: int) -> None:
    """Or, where the centre is the edge between two, either of them."""
    taken = digits.resize(np.arange(old, dtype=np.uint8)[None], 1, 28)[0]
    for i, pixel in enumerate(taken.tolist()):
        centre, on_edge = divmod((2 * i + 1) * old, 56)
        assert pixel == centre or (not on_edge and pixel == centre - 1)


def test_on_an_edge_resize_takes_what_pillow_takes() -> None:
    """Which of the two follows from how Pillow rounds its sum: the first at four places from 32 to 28, at none from 24."""
    firsts = {}
    for old in (8, 16, 24, 32, 40, 48, 56, 64):
        taken = digits.resize(np.arange(old, dtype=np.uint8)[:, None], 28, 1)[:, 0].tolist()
        firsts[old] = [i for i, pixel in enumerate(taken) if (2 * i + 1) * old == 56 * (pixel + 1)]
    assert firsts == {old: [3, 10, 17, 24] if old in (8, 16, 32, 64) else [17, 24] if old == 40 else [] for old in firsts}


@relaxed
@given(crops)
def test_stretch_resizes_rows_and_columns_apart(crop: np.ndarray) -> None:
    rows, columns = (digits.resize(np.arange(side, dtype=np.uint8)[None], 1, 28)[0] for side in crop.shape)
    np.testing.assert_array_equal(digits.stretch(crop), crop[rows][:, columns])


@relaxed
@given(crops)
def test_pad_keeps_the_aspect_in_a_centred_box(crop: np.ndarray) -> None:
    image = digits.pad(np.full_like(crop, 255))
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    height, width = len(rows), len(columns)
    assert image.shape == (28, 28) and max(height, width) == 20
    assert abs(height - 20 * crop.shape[0] / max(crop.shape)) <= 1 and abs(width - 20 * crop.shape[1] / max(crop.shape)) <= 1
    for inked in (rows, columns):
        assert 0 <= (27 - inked[-1]) - inked[0] <= 1, "as much room after the ink as before, or one pixel more"
    inner = digits.pad(crop)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_array_equal(inner, digits.resize(crop, height, width))


# --- HODA's .cdb


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digits") / "file"


@relaxed
@given(labelled)
def test_cdb_round_trip(file: Path, items: list[tuple[np.ndarray, int]]) -> None:
    file.write_bytes(cdb(items))
    crops, labels = digits.read_cdb(file)
    assert labels.tolist() == [label for _, label in items] and labels.dtype == np.uint8
    for got, (crop, _) in zip(crops, items, strict=True):
        np.testing.assert_array_equal(got, crop)


@relaxed
@given(labelled.filter(bool), st.data())
def test_a_cdb_cut_short_or_too_long_is_refused(file: Path, items: list[tuple[np.ndarray, int]], data: st.DataObject) -> None:
    whole = cdb(items)
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DataError, match="Get a whole copy"):
        digits.read_cdb(file)
    file.write_bytes(whole + b"\xff")
    with pytest.raises(DataError, match="Get a whole copy"):
        digits.read_cdb(file)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (1024, 0xFE, "image 0 of this .cdb is broken .*0xfe"),  # the mark
        (1025, 3, "header announces"),  # the label
        (1030, 9, "do not fill rows of 4"),  # the first run
        (522, 1, "grey pixels"),
        (4, 32, "fixed size"),
    ],
)
def test_a_cdb_with_a_wrong_byte_is_refused(file: Path, at: int, value: int, words: str) -> None:
    whole = bytearray(cdb([(np.eye(4, dtype=np.uint8) * 255, 7)]))
    whole[at] = value
    file.write_bytes(whole)
    with pytest.raises(DataError, match=words):
        digits.read_cdb(file)


def test_runs_that_cross_a_row_are_refused(file: Path) -> None:
    whole = bytearray(cdb([(np.zeros((2, 4), np.uint8), 1)]))
    whole[-2:] = bytes([3, 5])  # eight pixels, but not two rows of four
    file.write_bytes(whole)
    with pytest.raises(DataError, match="do not fill rows of 4"):
        digits.read_cdb(file)


def test_a_header_that_announces_too_much_is_refused_before_memory_is_asked_for(file: Path) -> None:
    content = bytearray(1024 + 60)
    struct.pack_into("<I", content, 6, 2**31)
    file.write_bytes(content)
    with pytest.raises(DataError, match="the header announces 2,147,483,648 images, for which 1,084 bytes are too few"):
        digits.read_cdb(file)


# --- .mat, idx


def test_mat_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    cells = np.empty((3, 1), object)
    cells[:, 0] = [np.full((4 + i, 3), 255, np.uint8) for i in range(3)]
    savemat(tmp_path / "hoda.mat", {"Data": cells, "labels": np.array([[5], [0], [9]], np.uint8)}, do_compression=True)
    with pytest.raises(DataError, match="hoda.mat: it is .* bytes; expected 3,989,009. Only HODA's own file is read"):
        digits.read_hoda_mat(tmp_path / "hoda.mat")  # nothing of it is parsed
    monkeypatch.setattr(digits, "problem", lambda path, source: "")
    crops, labels = digits.read_hoda_mat(tmp_path / "hoda.mat")
    assert [crop.shape for crop in crops] == [(4, 3), (5, 3), (6, 3)] and labels.tolist() == [5, 0, 9]


@relaxed
@given(arrays(np.uint8, array_shapes(max_dims=3, max_side=6)), st.data())
def test_idx_round_trip(file: Path, values: np.ndarray, data: st.DataObject) -> None:
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()
    whole = gzip.compress(content)
    file.write_bytes(whole)
    np.testing.assert_array_equal(digits.read_idx(file), values)
    cuts = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, len(content) - 1))
    for bad in (whole[: cuts[0]], gzip.compress(content[: cuts[1]]), content):
        file.write_bytes(bad)
        with pytest.raises(DataError, match="not a whole idx file"):
            digits.read_idx(file)


def test_an_idx_of_floats_is_refused(file: Path) -> None:
    file.write_bytes(gzip.compress(struct.pack(">HBBI4s", 0, 13, 1, 4, b"four")))
    with pytest.raises(DataError, match="begins with 00000d01"):
        digits.read_idx(file)


# --- the real files


def class_mean_bce(images: np.ndarray, labels: np.ndarray) -> float:
    """Nats per image, summed over 784 pixels, when each image is guessed to be the mean of its class."""
    total = 0.0
    for digit in range(10):
        x = images[labels == digit].reshape(-1, 784).mean(0) / 255  # the BCE is linear in x: its mean is that of the mean
        p = x.clip(1e-7, 1 - 1e-7)
        total -= (labels == digit).mean() * (x * np.log(p) + (1 - x) * np.log1p(-p)).sum()
    return total


@needs_real
def test_hoda_is_what_the_design_says() -> None:
    train, labels = digits.read_hoda_mat(sources.find(SOURCES["farsi_train"]))
    test, test_labels = digits.read_cdb(sources.find(SOURCES["farsi_test"]))
    assert np.bincount(labels).tolist() == [6000] * 10 and np.bincount(test_labels).tolist() == [2000] * 10
    for crops in (train, test):
        assert {crop.dtype for crop in crops} == {np.dtype(np.uint8)} and len({crop.shape for crop in crops}) > 100
        assert set(np.unique(np.concatenate([crop.ravel() for crop in crops])).tolist()) == {0, 255}
        tight = [crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any() for crop in crops]
        assert np.mean(tight) > 0.99
    stretched = class_mean_bce(np.stack([digits.stretch(crop) for crop in train[::3]]), labels[::3])
    padded = class_mean_bce(np.stack([digits.pad(crop) for crop in train[::3]]), labels[::3])
    assert stretched == pytest.approx(348.7, rel=0.02), "the report's BCE of a Farsi image that was not given"
    assert 130 < padded < 300, "padded forms are far from it"


@needs_real
def test_kannada_is_what_the_design_says() -> None:
    parts = {"train": 6000, "test": 1000, "dig": 1024}
    for part, each in parts.items():
        images = digits.read_idx(sources.find(SOURCES[f"kannada_{part}_images"]))
        labels = digits.read_idx(sources.find(SOURCES[f"kannada_{part}_labels"]))
        assert images.shape == (10 * each, 28, 28) and np.bincount(labels).tolist() == [each] * 10
        if part == "train":
            assert (labels == np.arange(60_000) % 10).all(), "periodic labels"
            assert len(np.unique(images)) > 200, "grey values stay"
            assert class_mean_bce(images, labels) == pytest.approx(135.4, rel=0.01), "the report's, when it was not given"
