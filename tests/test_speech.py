"""The three views against another package and plain sums, and the facts of the recordings."""

import io
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import python_speech_features
from conftest import needs_real
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.mutations import wav
from mvae_lib import data
from mvae_lib.data import sources, speech, standin
from mvae_lib.data.sources import SOURCES, DataError

sounds = st.integers(1, 1500).flatmap(lambda n: arrays(np.int16, n, elements=st.integers(-32768, 32767)))


@pytest.fixture(scope="module")
def spoken() -> list[np.ndarray]:
    """A few recordings of the stand-in, of different lengths."""
    return [recording.samples for recording in standin.recordings()[::131]]


# --- the sums, written out


def dct_ii(values: np.ndarray) -> list[float]:
    """The first 13 of an orthonormal DCT-II, term by term."""
    n = len(values)
    return [
        math.sqrt((1 if k == 0 else 2) / n) * sum(v * math.cos(math.pi * k * (2 * i + 1) / (2 * n)) for i, v in enumerate(values))
        for k in range(13)
    ]


def triangles(edges: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """A triangular filter between every third edge, in hertz: ``[filters, bins]``."""
    rows = []
    for left, top, right in zip(edges, edges[1:], edges[2:], strict=False):
        rows.append([max(0.0, min((f - left) / (top - left), (right - f) / (right - top))) for f in bins])
    return np.array(rows)


def slaney(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))


def plain_mfcc(samples: np.ndarray) -> np.ndarray:
    x = samples / 32768
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / 200) for i in range(200)])
    edges = slaney(np.linspace(0, 15 + 27 * math.log(4) / math.log(6.4), 42))
    mels = triangles(edges, np.arange(101) * 40) * (2 / (edges[2:] - edges[:-2]))[:, None]
    found = []
    for start in range(0, len(x) - 199, 80):
        power = np.abs(np.fft.fft(hann * x[start : start + 200]))[:101] ** 2
        found.append(dct_ii(10 * np.log10(np.maximum(mels @ power, 1e-10))))
    return np.array(found).T


# --- the oracle: the package that made the report's vectors


def oracle_ratio(samples: np.ndarray, lifter: int = 22) -> np.ndarray:
    cepstrum = python_speech_features.mfcc(
        samples, 8000, nfft=512, ceplifter=lifter
    )  # [T, 13]; 25 ms, 10 ms, 26 mels as it has them
    return cepstrum.mean(0) / cepstrum.std(0)


def test_ratio_is_that_of_python_speech_features(spoken: list[np.ndarray]) -> None:
    for samples in spoken:
        np.testing.assert_allclose(speech.ratio(samples), oracle_ratio(samples), rtol=1e-6)


@needs_real
def test_ratio_is_that_of_python_speech_features_on_the_real_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    for recording in data.recordings()[::20]:  # all 3,000 take ten seconds, and agree
        np.testing.assert_allclose(speech.ratio(recording.samples), oracle_ratio(recording.samples), rtol=1e-6)


def test_a_lifter_cancels_in_the_ratio(spoken: list[np.ndarray]) -> None:
    np.testing.assert_allclose(oracle_ratio(spoken[0], lifter=0), oracle_ratio(spoken[0]), rtol=1e-9)


def test_mean_and_frames_are_the_plain_mfcc(spoken: list[np.ndarray]) -> None:
    for samples in spoken[:4]:
        plain = plain_mfcc(samples)
        np.testing.assert_allclose(speech.mfcc(samples), plain, rtol=1e-3, atol=2e-2)
        np.testing.assert_allclose(speech.mean(samples), plain.mean(1), rtol=1e-3, atol=2e-2)


def test_frames_are_cut_or_filled_with_silence(spoken: list[np.ndarray]) -> None:
    long = np.concatenate(spoken)
    np.testing.assert_array_equal(speech.frames(long), speech.mfcc(long)[:, :64])
    short = spoken[0][: 200 + 9 * 80]
    silence = speech.mfcc(np.zeros(200, np.int16))
    np.testing.assert_array_equal(speech.frames(short)[:, :10], speech.mfcc(short))
    np.testing.assert_array_equal(speech.frames(short)[:, 10:], np.repeat(silence, 54, axis=1))
    np.testing.assert_allclose(silence[0], -100 * math.sqrt(40), rtol=1e-6)  # 40 mels at the floor of -100 dB


@settings(deadline=None, max_examples=40)
@given(sounds, st.sampled_from(sorted(speech.VIEWS)))
def test_any_clip_has_finite_values_of_the_promised_shape(samples: np.ndarray, view: str) -> None:
    before = samples.copy()
    values = speech.VIEWS[view](samples)
    assert (
        values.shape == {"ratio": (13,), "mean": (13,), "frames": (13, 64)}[view]
        and values.dtype == np.float32
        and np.isfinite(values).all()
    )
    np.testing.assert_array_equal(samples, before)


def test_silence_has_no_ratio() -> None:
    assert (speech.ratio(np.zeros(4000, np.int16)) == 0).all()


# --- reading


def archive(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "speech.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"fsdd/recordings/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@settings(deadline=None, max_examples=20)
@given(samples=sounds)
def test_recordings_round_trip(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> None:
    members = {"7_theo_12.wav": wav(samples), "0_ann_3.wav": wav(samples[::-1]), "notes.txt": b"not a sound"}
    first, second = speech.read_fsdd(archive(tmp_path_factory.mktemp("speech"), members))
    assert (first.digit, first.speaker, first.take, first.name) == (0, "ann", 3, "0_ann_3.wav")
    assert (second.digit, second.speaker, second.take, second.name) == (7, "theo", 12, "7_theo_12.wav")
    np.testing.assert_array_equal(second.samples, samples)
    assert second.samples.dtype == np.int16


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1_ann_2.wav", wav(np.zeros(99), rate=16000), "16000 Hz"),
        ("1_ann_2.wav", wav(np.zeros(98), channels=2), "2 channels"),
        ("1_ann_2.wav", b"RIFF", "1_ann_2.wav"),
        ("1_ann_2.wav", wav(np.zeros(99))[:12] + b"LIST" + bytes([255, 255, 0, 0]), "a chunk is longer than the file"),
        ("one_ann.wav", wav(np.zeros(99)), "digit_speaker_take"),
        ("12_ann_2.wav", wav(np.zeros(99)), "digit 12, take 2, 99 samples"),
        ("-3_ann_2.wav", wav(np.zeros(99)), "digit -3"),
        ("1_ann_300.wav", wav(np.zeros(99)), "take 300"),
        ("1_ann_2.wav", wav(np.zeros(0)), "take 2, 0 samples"),
    ],
)
def test_a_wav_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        speech.read_fsdd(archive(tmp_path, {name: content}))


@needs_real
def test_fsdd_is_what_the_design_says() -> None:
    recordings = speech.read_fsdd(sources.find(SOURCES["speech"]))
    assert [recording.name for recording in recordings] == sorted(recording.name for recording in recordings)
    takes: dict[tuple[str, int], set[int]] = {}
    for recording in recordings:
        takes.setdefault((recording.speaker, recording.digit), set()).add(recording.take)
    assert len(takes) == 60 and all(found == set(range(50)) for found in takes.values())
    assert {speaker for speaker, _ in takes} == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    seconds = np.array([len(recording.samples) for recording in recordings]) / speech.RATE
    facts = [seconds.min(), seconds.max(), np.median(seconds)]
    np.testing.assert_allclose(facts, [0.144, 2.28, 0.42], rtol=0.005)
    frames = 1 + (seconds * speech.RATE - speech.FRAME) // speech.HOP
    assert np.mean(frames <= speech.FRAMES) == pytest.approx(0.95, abs=0.005)
