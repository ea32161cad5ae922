"""The word in an upload: found in a noisy room, refused where there is none, and how often it is read right then."""

import dataclasses

import numpy as np
import pytest
import small
from sounding import file_of, nearness, tone

from mvae_lib import build, checkpoint, data
from mvae_lib.data import DataError, speech, standin
from mvae_lib.spec import DataRecipe, Modality
from study.app import sound
from study.evidence import audibility


@pytest.fixture(scope="module")
def spoken() -> list[np.ndarray]:
    return [recording.samples for recording in standin.recordings()[::131]]


@pytest.mark.parametrize("noise", ["room", "white", "tap"])
def test_the_word_is_found_in_a_noisy_room(spoken: list[np.ndarray], noise: str) -> None:
    for seed, samples in enumerate(spoken[:5]):
        loud = np.flatnonzero(np.abs(samples) > 0.1 * np.abs(samples).max())
        samples = samples[loud[0] : loud[-1] + 1]
        heard = audibility.in_a_room(samples, noise, -10.0 if noise == "tap" else 24.0, np.random.default_rng(seed))
        found = sound.word(heard)
        assert len(found) <= sound.SPAN and abs(len(found) - min(len(samples), sound.SPAN)) < 0.1 * speech.RATE
        assert nearness(found, np.pad(samples, 800), 0) > 0.9


def test_of_more_than_a_model_hears_it_is_the_piece_with_most_energy() -> None:
    quiet, loud = 0.1 * tone(0.5, 8000), tone(0.4, 8000, 600)
    found = sound.read_upload(file_of(np.concatenate([quiet, np.zeros(4000), loud, np.zeros(4000)]), 8000))
    assert np.abs(np.fft.rfft(found, 8000)).argmax() == 600 and len(found) < 3200 + 2 * 400


def test_an_offset_changes_nothing(spoken: list[np.ndarray]) -> None:
    room = np.pad(spoken[0] / 32768, 4000)
    with_offset, without = (sound.read_upload(file_of(room + offset, 8000, subtype="FLOAT")) for offset in (0.2, 0.0))
    np.testing.assert_allclose(with_offset, without, atol=2)


SECONDS, HISS = np.arange(16000) / 8000, np.random.default_rng(0).standard_normal(16000)
MUTED = {
    "one bit of dither": ((HISS > 0) / 32768, "muted"),
    "an offset alone": (np.full(16000, 0.1), "muted"),
    "noise at -70 dB": (10**-3.5 * HISS, "muted"),
    "noise at -60 dB": (1e-3 * HISS, "above its noise"),
    "noise at -30 dB": (10**-1.5 * HISS, "above its noise"),
    "hum": (0.01 * np.sin(2 * np.pi * 50 * SECONDS), "muted"),
    "hum and its overtones": (0.03 * sum(np.sin(2 * np.pi * 50 * k * SECONDS) / k for k in (1, 3, 5)), "above its noise"),
    "a click": (np.pad(0.5 * np.hanning(200), (8000, 7800)) * HISS + 1e-4 * HISS[::-1], "longer than a click"),
}


@pytest.mark.parametrize("what", MUTED)
def test_what_holds_no_word_is_refused(what: str) -> None:
    with pytest.raises(DataError, match=MUTED[what][1]) as refused:
        sound.read_upload(file_of(MUTED[what][0], 8000))
    assert "\n" not in str(refused.value) and len(str(refused.value)) <= 200


def test_noise_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small untrained model on the stand-in's frames: cut by hand, without noise, it reads what it is given by the pool."""
    monkeypatch.setenv("MVAE_DATA", "standin")
    monkeypatch.setattr(audibility, "NOISES", [("room", 24.0)])
    test = data.load("test", DataRecipe(split="by_writer", speech="frames"))
    shapes = (*small.MODEL.modalities[:2], Modality("speech", (13, 64), "gaussian", (), (16,)))
    model = build(dataclasses.replace(small.run(dataclasses.replace(small.MODEL, modalities=shapes)), data=test.recipe)).eval()
    model.card = checkpoint.describe_data(test)
    table = audibility.noise_table(model, test).set_index(["noise", "cut"])["accuracy"]
    read = model.classify({"speech": test.pools["speech"]}).argmax(-1)
    assert len(table) == 6 and table["none", "by hand"] == float((read == test.pool_labels["speech"]).double().mean())
