"""Sound from frames and from uploads: against the sums of `speech`, on the stand-in's recordings and on files made here."""

import contextlib
import dataclasses
import io
import sys
import wave
from functools import partial

import numpy as np
import pandas as pd
import pytest
import small
import soundfile
import torch
from conftest import needs_real
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sounding import file_of, nearness, tone

from mvae_lib import build, checkpoint, data
from mvae_lib.data import DataError, speech, standin
from mvae_lib.model import MVAE
from mvae_lib.spec import DataRecipe, Modality
from study.app import sound
from study.evidence import __main__ as shell
from study.evidence import audibility, classifiers
from study.plots import draw


@pytest.fixture(scope="module")
def spoken() -> list[np.ndarray]:
    return [recording.samples for recording in standin.recordings()[::131]]


# --- frames -> sound


def error(samples: np.ndarray) -> float:
    """Mean absolute difference of a recording's MFCCs and of its sound's, in the coefficients' dB, where there is speech."""
    frames, length = speech.frames(samples), min(speech.FRAMES, speech.mfcc(samples).shape[1])
    again = speech.mfcc(sound.pcm(sound.invert_mfcc(frames)))
    assert again.shape == frames.shape
    return float(np.abs(again - frames)[:, :length].mean())


def test_sound_has_the_frames_that_it_was_made_from(spoken: list[np.ndarray]) -> None:
    assert np.mean([error(samples) for samples in spoken[:6]]) < 1.5


@needs_real
def test_real_recordings_come_back_within_a_decibel() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "real")
        several = [recording.samples for recording in data.recordings() if recording.take < 5][::15]
    assert np.mean([error(samples) for samples in several]) < 0.6


def test_sound_is_in_time(spoken: list[np.ndarray]) -> None:
    """Silence, ten loud frames, silence: the loud ones are heard where they stand."""
    frames = np.repeat(speech.mfcc(np.zeros(200, np.int16)), 40, axis=1)
    frames[:, 20:30] = speech.mfcc(spoken[0])[:, 10:20]
    energy = sound.invert_mfcc(frames) ** 2
    inside = energy[20 * speech.HOP : 29 * speech.HOP + speech.FRAME].sum()
    assert inside > 0.999 * energy.sum() > 0


def test_silence_stays_silent() -> None:
    assert not sound.pcm(sound.invert_mfcc(speech.frames(np.zeros(200, np.int16)))).any()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 12).flatmap(lambda n: arrays(np.float32, (13, n), elements=st.floats(-800, 800, width=32))))
def test_any_frames_give_finite_sound_that_does_not_clip_and_is_the_same_again(frames: np.ndarray) -> None:
    before, found = frames.copy(), sound.invert_mfcc(frames)
    assert found.shape == ((frames.shape[1] - 1) * 80 + 200,) and found.dtype == np.float32
    assert np.isfinite(found).all() and np.abs(found).max() <= 1
    np.testing.assert_array_equal(found, sound.invert_mfcc(frames))
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("frames", [np.zeros(13), np.zeros((13, 0)), np.full((13, 4), np.nan)])
def test_what_is_no_frames_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[13, T\]"):
        sound.invert_mfcc(frames)


def test_wav_is_what_a_player_takes() -> None:
    samples = tone(0.1, 8000).astype(np.float32)
    with wave.open(io.BytesIO(sound.wav(samples))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        found = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_allclose(found, samples * 32767 * sound.PEAK / samples.max(), atol=1)  # all players are as loud
    assert sound.wav(sound.pcm(0.5 * samples)) == sound.wav(sound.pcm(0.5 * samples).astype(float) / 32767)
    assert not any(sound.wav(np.zeros(10, np.int16))[44:])


# --- uploads


def test_a_recording_at_44_khz_in_stereo_comes_back(spoken: list[np.ndarray]) -> None:
    import librosa

    for samples in spoken[:5]:
        fine = librosa.resample(samples / 32768, orig_sr=8000, target_sr=44100)
        found = sound.read_upload(file_of(np.stack([fine, fine], axis=1), 44100))
        assert found.dtype == np.int16 and speech.FRAME <= len(found) <= len(samples) + 1
        assert nearness(found, samples, len(samples)) > 0.98  # what is cut is 30 dB down
        assert np.abs(found).max() == pytest.approx(np.abs(samples).max(), rel=0.05)  # its level is kept


FORMS = {
    "96 kHz float": (96000, "WAV", "FLOAT"),
    "8 bit": (8000, "WAV", "PCM_U8"),
    "24 bit": (48000, "WAV", "PCM_24"),
    "mu-law": (8000, "WAV", "ULAW"),
    "flac": (16000, "FLAC", None),
    "ogg": (44100, "OGG", None),
    "mp3": (44100, "MP3", None),
    "slow": (4000, "WAV", None),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_tone_without_its_silence(form: str) -> None:
    rate, kind, subtype = FORMS[form]
    if kind not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {kind}")
    silence = np.zeros(rate // 2)
    samples = np.concatenate([silence, tone(0.4, rate), silence])
    found = sound.read_upload(file_of(np.stack([samples, samples], axis=1), rate, kind, subtype))
    assert 3200 <= len(found) <= 3200 + 2 * 400
    assert np.abs(np.fft.rfft(found, 8000)).argmax() == 440
    assert np.abs(found).max() / 32768 == pytest.approx(0.3, rel=0.15)


def test_too_loud_a_file_is_made_quieter_as_a_whole() -> None:
    found = sound.read_upload(file_of(20 * tone(0.3, 8000), 8000, subtype="FLOAT"))
    assert np.abs(found).max() == 32767 and nearness(sound.pcm(tone(0.3, 8000)), found, 200) > 0.999


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no sound file"),
        (b"RIFF", "no sound file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "no sound file"),
        (file_of(np.zeros(0), 8000), "header says that it holds no sample"),
        (file_of(np.zeros(8000), 8000), "silent"),
        (file_of(np.stack([tone(0.3, 8000), -tone(0.3, 8000)], axis=1), 8000), "cancel each other out"),
        (file_of(tone(0.0249, 8000), 8000), "24.8 ms; a spoken digit takes 100 ms or more"),
        (file_of(tone(0.3, 8000)[:, None].repeat(9, 1), 8000), "9 channels of 8,000 Hz; it takes 8 of 384,000"),
        (file_of(tone(0.3, 8000), 8000).replace(b"\x40\x1f\0\0", b"\xff\xff\xff\x7f", 1), "2,147,483,647 Hz"),
        (file_of(tone(10.1, 8000), 8000), "longer than 10 s"),
        (file_of(np.array([0.1, np.nan] * 4000), 8000, subtype="FLOAT"), "not numbers"),
        (file_of(np.array([0.1, np.inf] * 4000), 8000, subtype="FLOAT"), "not numbers"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as refused:
        sound.read_upload(content)
    assert "\n" not in str(refused.value)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_broken_files_are_refused_or_heard_and_never_break(noise: bytes, at: int) -> None:
    whole = file_of(tone(0.1, 8000), 8000)
    for content in (noise, whole[:at] + noise + whole[at + len(noise) :], whole[: len(whole) - at]):
        with contextlib.suppress(DataError):
            found = sound.read_upload(content)
            assert found.dtype == np.int16 and len(found) >= speech.FRAME


# --- what a model lets one hear


@pytest.fixture(scope="module")
def model_and_splits() -> tuple[MVAE, data.Triplets, data.Triplets]:
    """A small untrained model on the stand-in's frames."""
    recipe = DataRecipe(split="by_writer", speech="frames")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "standin")
        train, test = data.load("train", recipe), data.load("test", recipe)
    shapes = (*small.MODEL.modalities[:2], Modality("speech", (13, 64), "gaussian", (), (16,)))
    run = dataclasses.replace(small.run(dataclasses.replace(small.MODEL, modalities=shapes)), data=recipe)
    model = build(run).eval()
    model.card = checkpoint.describe_data(train)
    return model, train, test


def test_audibility_table(model_and_splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    monkeypatch.setattr(classifiers, "UPDATES", 200)
    model, train, test = model_and_splits
    table = audibility.audibility_table(model, test, train, n=20)
    assert table["heard_from"].tolist()[:2] == ["the recording", "its own MFCCs"] and len(table) == 7 and set(table["n"]) == {20}
    distance = dict(zip(table["heard_from"], table["distance"], strict=True))
    assert distance.pop("the recording") == 0 and table["accuracy"].iloc[0] > 0.8
    assert min(distance, key=lambda name: distance[name]) == "its own MFCCs"
    assert distance["its own MFCCs"] < 0.5 * distance["class mean"]
    assert table["accuracy"].between(table["low"], table["high"]).to_numpy().all()
    assert len(draw("heard", table).axes) == 2


def test_a_model_that_copies_is_heard_as_its_ceiling(model_and_splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    model, _, test = model_and_splits
    said = test.gather([5])[0]["speech"]
    monkeypatch.setattr(MVAE, "reconstruct", lambda self, x: {"speech": x.get("speech", torch.zeros_like(said)).flatten(1)})
    found, frame = audibility.sounds_of(model, test, 5)
    by_name = {one.name: one.samples for one in data.recordings()}
    own = by_name[test.origins(5)["speech"]]
    np.testing.assert_array_equal(found["the recording"], own[: len(found["the recording"])])
    np.testing.assert_array_equal(found["rebuilt from speech"], found["its own MFCCs"])
    assert not np.array_equal(found["rebuilt from Farsi"], found["its own MFCCs"])
    assert frame["heard_from"].tolist() == list(found) and frame["label"].unique() == [int(test.labels[5])]
    assert len(draw("spectrograms", frame, sounds=found).axes) == 6


def test_speech_without_a_time_axis_has_no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    model, test = build(small.run()).eval(), small.triplets("test")
    with pytest.raises(ValueError, match="'frames'"):
        audibility.sounds(model, test, [0])
    monkeypatch.setattr(audibility, "train_classifier", lambda *data: pytest.fail("trained before it was looked at"))
    for table in (partial(audibility.audibility_table, train=test), audibility.noise_table):
        with pytest.raises(ValueError, match="'frames'"):
            table(model, test)


def test_the_command_prints_nothing_but_the_table(model_and_splits, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    model, train, test = model_and_splits
    monkeypatch.setenv("MVAE_DATA", "standin")
    monkeypatch.setattr(classifiers, "UPDATES", 5)
    monkeypatch.setattr(checkpoint, "load", lambda name: model)
    monkeypatch.setattr(data, "load", lambda split, recipe: {"train": train, "test": test.take(slice(5))}[split])
    monkeypatch.setattr(sys, "argv", ["-m", "audibility", "spoken"])
    shell.main()
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(frame) == 7 and set(frame["command"]) == {"python -m study.evidence audibility spoken"}
