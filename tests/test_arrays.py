"""Which data it all comes from: the public files, what was kept of them, or the stand-in; and what is said about it."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIRROR, needs_real

from mvae_lib import data, storage
from mvae_lib.data import arrays, sources, speech, standin

Load = Callable[..., data.Triplets]


@pytest.fixture(scope="module")
def kept(split_of: Load, processed: Path) -> Path:
    """The real data's processed arrays."""
    split_of("real", "train")
    (path,) = processed.glob("stretched-ratio-*.npz")
    return path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No raw file, no mirror, no network, nothing processed."""
    monkeypatch.setattr(storage, "RAW", tmp_path / "raw")
    monkeypatch.setattr(storage, "PROCESSED", tmp_path / "processed")
    monkeypatch.setattr(sources, "offline", "refused")
    monkeypatch.delenv("MVAE_DATA_MIRROR", raising=False)
    monkeypatch.setenv("MVAE_DATA", "auto")
    arrays._form.cache_clear()
    yield tmp_path
    arrays._form.cache_clear()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, the lines of level info too."""
    caplog.set_level(logging.INFO, "mvae_lib.data")
    return caplog


def test_the_standin_steps_in_aloud(nothing: Path, lines: pytest.LogCaptureFixture) -> None:
    assert data.source() == "stand-in" and not data.is_real() and not data.at_hand() and not lines.messages
    triplets = data.load("test")
    (said,) = lines.records
    assert triplets.source == "stand-in" and said.levelno == logging.WARNING
    assert all(word in said.getMessage() for word in ("Data_hoda_full.mat", "refused", "STAND-IN", "MVAE_DATA=real"))
    assert len(data.recordings()) == 1200
    crops, labels = data.farsi_crops(7)
    assert len(crops) == len(labels) == 7 and len({crop.shape for crop in crops}) > 1


def test_real_means_real(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    assert data.source() == "real data"
    with pytest.raises(data.NoData, match="Data_hoda_full.mat"):
        data.load("test")
    with pytest.raises(data.NoData, match="free-spoken-digit"):
        data.recordings()


def test_a_bad_raw_file_does_not_lead_to_the_standin(nothing: Path) -> None:
    bad = nothing / "raw/farsi/Data_hoda_full.mat"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"not it")
    with pytest.raises(data.DataError, match="6 bytes; expected 3,989,009"):
        data.load("train")


def test_standin_on_request_says_nothing(nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    assert data.load("test").source == data.source() == "stand-in"
    assert not lines.messages


def test_the_standin_is_kept_too(nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    made, _ = arrays.arrays("stretched", "ratio")
    (path,) = storage.PROCESSED.iterdir()
    assert path.name.startswith("standin-stretched-ratio-"), "never under the name of the real data"
    arrays._form.cache_clear()
    monkeypatch.setattr(standin, "recordings", lambda: pytest.fail("made again"))
    again, _ = arrays.arrays("stretched", "ratio")
    assert made.keys() == again.keys() and not lines.messages
    assert all(np.array_equal(made[key], again[key]) and made[key].dtype == again[key].dtype for key in made)


def test_no_room_to_keep_them_is_said_and_costs_time_alone(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    storage.PROCESSED.write_bytes(b"a file where the folder should be")
    assert len(data.load("test")) == 1000
    assert "cannot be kept" in lines.text and "standin-stretched-ratio" in lines.text


def test_a_wrong_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "fake")
    with pytest.raises(ValueError, match="MVAE_DATA is 'fake'"):
        data.load("train")


@needs_real
def test_processed_arrays_stand_in_for_the_raw_files(
    split_of: Load, kept: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    """Where MVAE_DATA=real asks for it. Else the files decide: a study must not begin on real digits and end without sound."""
    before = split_of("real", "train")
    copy = nothing / "processed" / kept.name
    copy.parent.mkdir()
    copy.write_bytes(kept.read_bytes())
    assert data.source() == data.load("test").source == "stand-in"
    lines.clear()
    monkeypatch.setenv("MVAE_DATA", "real")
    assert data.source() == "real data"
    after = data.load("train")
    assert after.source == "real data" and torch.equal(after.rows, before.rows)
    assert all(torch.equal(after.pools[name], before.pools[name]) for name in before.pools)
    assert not lines.messages, "no raw file was looked for"


@needs_real
@pytest.mark.parametrize("fault", ["cut", "flipped", "another file"])
def test_broken_processed_arrays_are_made_again_aloud(
    kept: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture, fault: str
) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    whole = kept.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    path = nothing / "processed" / kept.name
    path.parent.mkdir()
    path.write_bytes({"cut": whole[:-1000], "flipped": flipped, "another file": b"not an archive"}[fault])
    with pytest.raises(data.NoData):  # there is nothing to make it from
        data.load("test")
    (said,) = [record for record in lines.records if record.levelno == logging.WARNING]
    assert said.getMessage() == f"{path}: not as it was written; making it again."


@needs_real
def test_broken_processed_arrays_are_replaced(
    kept: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage, "RAW", storage.HOME / "raw")
    monkeypatch.setenv("MVAE_DATA_MIRROR", MIRROR)
    monkeypatch.setitem(speech.VIEWS, "ratio", lambda samples: np.resize(samples, 13).astype(np.float32))  # quick
    path = storage.PROCESSED / kept.name
    path.parent.mkdir()
    path.write_bytes(b"not an archive")
    assert data.load("test").source == "real data"
    assert "not as it was written" in lines.text
    (made,) = path.parent.iterdir()  # neither the broken one nor a temporary file is left
    assert made.name != path.name and made.name.rpartition("-")[0] == path.name.rpartition("-")[0]
    arrays._form.cache_clear()
    lines.clear()
    assert len(data.load("test")) == 10_000 and not lines.messages
