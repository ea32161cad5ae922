"""The widgets for hand and ear, without a browser: what is drawn, said and picked comes to, and what is refused."""

import io

import ipywidgets as widgets
import numpy as np
import pytest
import soundfile
import torch
from conftest import needs_real, needs_runs
from PIL import Image

from bench.panel import ROWS
from mvae_lib import build, data, load
from mvae_lib.data import speech, standin
from mvae_lib.model import MVAE
from mvae_lib.presets import AS_WRITTEN
from study.app.drawing import drawn
from study.app.listener import Listener
from study.app.pen import EXAMPLES
from study.app.picture import SIDE
from study.app.sound import PEAK, SPAN
from study.app.studio import NONE, Studio
from study.app.upload import MOST
from study.plots import style

pytestmark = needs_runs


@pytest.fixture(scope="module")
def model() -> MVAE:
    return load("spoken")


@pytest.fixture
def studio(model) -> Studio:
    return Studio(model)


def picture(panel) -> bytes:
    return bytes(panel.image.value)


def pixels(panel, name: str, row: int) -> np.ndarray:
    """One panel's pixels: row 0 what was given, 1 what is rebuilt."""
    area = panel.picture.areas[name]
    image = np.asarray(Image.open(io.BytesIO(picture(panel))).convert("L"))
    return image[ROWS[row] : ROWS[row] + SIDE, area.x : area.x + area.width]


def wave(panel) -> np.ndarray:
    return soundfile.read(io.BytesIO(bytes(panel.rebuilt.value)))[0]


def upload(studio: Studio, *parts: bytes, size: int | None = None) -> None:
    """As a browser does it: a message, and the file as its buffer."""
    about = {"name": "a.wav", "size": sum(map(len, parts)) if size is None else size}
    studio.file._handle_custom_msg(about, [memoryview(part) for part in parts])


def test_a_stroke_changes_everything_that_is_rebuilt_and_clearing_brings_the_same_bytes_back(studio):
    nothing, silent = picture(studio), wave(studio)
    assert "mean of the prior" in studio.message.value
    studio.pens["farsi"].strokes = EXAMPLES["farsi"][7]  # as the browser sets it
    seven = picture(studio)
    assert seven != nothing and not np.array_equal(wave(studio), silent)
    shown = pixels(studio, "farsi", 0)[::5, ::5]
    np.testing.assert_allclose(shown, 255 - drawn(EXAMPLES["farsi"][7], "farsi").astype(int), atol=2)
    assert studio.means()["label"].argmax() == 7 and "mean of the prior" not in studio.message.value
    studio.pens["farsi"].strokes = EXAMPLES["farsi"][3]
    assert picture(studio) not in (seven, nothing)
    studio.clear["farsi"].click()
    assert picture(studio) == nothing and studio.pens["farsi"].strokes == [] and np.array_equal(wave(studio), silent)


@pytest.mark.parametrize("script", ["farsi", "kannada"])
def test_an_example_of_each_digit_is_drawn_and_read(studio, script):
    for digit in range(10):
        studio.examples[script].value = digit
        assert studio.examples[script].value == NONE  # and can be taken again
        assert studio.pens[script].strokes == EXAMPLES[script][digit]
        assert studio.means()["label"].argmax() == digit


def test_undo_takes_the_last_stroke(studio):
    first, second = EXAMPLES["farsi"][7], [[[0.1, 0.1], [0.9, 0.1]]]
    studio.pens["farsi"].strokes = first
    before = picture(studio)
    studio.pens["farsi"].strokes = first + second
    assert picture(studio) != before
    studio.undo["farsi"].click()
    assert picture(studio) == before and studio.pens["farsi"].strokes == first
    for _ in range(3):
        studio.undo["farsi"].click()
    assert studio.pens["farsi"].strokes == [] and not studio.given


def test_the_picture_comes_before_the_sound(studio, monkeypatch):
    """The sound takes longer; who draws looks at the picture."""
    sent = []
    monkeypatch.setattr(widgets.Widget, "send_state", lambda widget, key=None, **_: sent.append(type(widget).__name__))
    studio.pens["kannada"].set_state({"strokes": EXAMPLES["kannada"][2]})
    assert [name for name in sent if name in ("Image", "Audio")][:2] == ["Image", "Audio"]
    assert sent.count("Image") == 1


def test_a_sound_file_is_given_and_can_be_taken_away(studio):
    nothing = picture(studio)
    content = io.BytesIO()
    samples = next(recording.samples for recording in standin.recordings() if recording.digit == 7)
    soundfile.write(content, np.stack([samples.repeat(2)] * 2, 1), 2 * speech.RATE, format="WAV")
    upload(studio, content.getvalue())
    assert tuple(studio.given) == ("speech",) and studio.given["speech"].shape == (1, 13, 64)
    assert picture(studio) != nothing
    back, rate = soundfile.read(io.BytesIO(bytes(studio.said.value)))
    assert rate == speech.RATE and abs(back).max() == pytest.approx(PEAK, abs=1e-3)
    assert f"a.wav: {len(back) / rate:.2f} s of sound" in studio.message.value
    studio.pens["farsi"].strokes = EXAMPLES["farsi"][7]
    assert tuple(studio.given) == ("farsi", "speech")
    studio.clear["farsi"].click()
    studio.forget.click()
    assert picture(studio) == nothing and not studio.said.value


@pytest.mark.parametrize(("parts", "size"), [((), MOST + 1), ((bytes(MOST + 1),), 10), ((bytes(MOST), b"0"), 10)])
def test_a_file_that_is_too_large_is_refused_whether_it_was_sent_or_not(studio, parts, size):
    nothing = picture(studio)
    upload(studio, *parts, size=size)
    assert "at most 8 MB" in studio.message.value and len(studio.message.value) < 200 and picture(studio) == nothing


def test_in_noise_as_in_none_the_studio_s_cut_is_read_right():
    """Of the committed table of the real test recordings; `python -m study.evidence noise spoken` makes it again."""
    for _, rows in style.saved("noise")[0].groupby("split"):
        right = rows.set_index(["noise", "down", "cut"])["accuracy"]
        assert min(right["room", 30, "studio"], right["room", 24, "studio"], right["tap", -10, "studio"]) >= 0.9
        assert right["none", np.inf, "studio"] >= right["none", np.inf, "by hand"] - 0.01


def test_what_is_no_word_is_said_and_of_a_long_sound_what_the_model_hears_is_played(studio):
    content, tone = io.BytesIO(), 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / speech.RATE)
    soundfile.write(content, np.pad(tone, 4000), speech.RATE, format="WAV")
    upload(studio, content.getvalue())
    assert "0.66 s of sound. This is no word that I know." in studio.message.value
    assert len(soundfile.read(io.BytesIO(bytes(studio.said.value)))[0]) == SPAN


@pytest.mark.parametrize(("content", "words"), [(b"no sound", "no sound file"), (b"", "no sound file")])
def test_what_is_no_sound_is_refused_in_the_panel_and_loses_nothing(studio, content, words):
    studio.pens["farsi"].strokes = EXAMPLES["farsi"][7]
    before = picture(studio)
    upload(studio, content)
    assert words in studio.message.value and "error" in studio.message.value and "DataError" in studio.message.value
    assert picture(studio) == before and tuple(studio.given) == ("farsi",)


def test_what_it_refuses(model):
    for panel in (Studio, Listener):
        with pytest.raises(ValueError, match="no sound"):
            panel(build(AS_WRITTEN))


def test_a_view_is_saved_as_a_figure_with_its_probabilities(studio):
    studio.draw("farsi", EXAMPLES["farsi"][7])
    figure, frame = studio.snapshot()
    assert figure.axes and frame["probability"].to_numpy().sum() == pytest.approx(1, abs=1e-4)
    assert frame["given"].iloc[0] == "● m1 Farsi ○ m2 Kannada ○ m3 speech"


def test_without_data_what_is_rebuilt_can_be_heard(model):
    listener = Listener(model)
    assert list(listener.players) == ["rebuilt from speech", "rebuilt from Farsi", "rebuilt from Kannada"]
    first = {name: bytes(player.value) for name, player in listener.players.items()}
    assert all(content.startswith(b"RIFF") for content in first.values()) and len(set(first.values())) == 3
    before = picture(listener)
    listener.digit.value = 3
    assert picture(listener) != before and all(bytes(p.value) != first[name] for name, p in listener.players.items())
    listener.digit.value = 7
    assert picture(listener) == before


@needs_real
def test_any_test_recording_can_be_picked_and_its_ceiling_heard(model):
    test = data.load("test", model.spec.data)
    studio = Studio(model, test)
    row = test.speech_names.index("7_theo_2.wav")
    studio.pick.value = row
    torch.testing.assert_close(studio.given["speech"][0], test.pools["speech"][row], atol=1e-4, rtol=0)
    assert studio.means()["label"].argmax() == 7
    upload(studio, bytes(studio.said.value))  # a file takes its place
    assert studio.pick.value == NONE and tuple(studio.given) == ("speech",) and "no word" not in studio.message.value
    studio.pick.value = row
    studio.forget.click()
    assert studio.pick.value == NONE and not studio.given
    listener = Listener(model, test)
    assert list(listener.players)[:2] == ["the recording", "its own MFCCs"]
    figure, frame = listener.snapshot()
    assert len(figure.axes) == len(listener.players) + 1 and not [c for c in frame.columns if "sample" in c]
    assert set(frame["label"]) == {7}
