"""The explorer's widgets without a browser: what each control does to the picture. `test_browser.py` drags the real ones."""

import asyncio
import dataclasses
import io
import threading

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image
from small import run, triplets

from bench import clocks
from mvae_lib import MVAE, checkpoint, evaluate
from mvae_lib.figures import style
from mvae_lib.widgets import explorer as module
from mvae_lib.widgets import strip as module_of_strip
from mvae_lib.widgets import view as module_of_view
from mvae_lib.widgets.controls import DIGIT, FILM, KL, PANELS, REPORT, SD, TICKS
from mvae_lib.widgets.explorer import Explorer
from mvae_lib.widgets.strip import GREYS, HEIGHT, PALETTE, ROWS, SIDE, TILE, Strip, png


@pytest.fixture(scope="module")
def model() -> MVAE:
    """A small untrained model, described as a shipped one is."""
    torch.manual_seed(0)
    model = MVAE(run()).eval()
    model.card = {"source": "stand-in", **evaluate.describe(model, triplets("test"), triplets("train"), per_digit=2)}
    return model


@pytest.fixture(params=["with data", "stored"])
def explorer(request: pytest.FixtureRequest, model: MVAE) -> Explorer:
    return Explorer(model, triplets("test") if request.param == "with data" else None)


def png_of(explorer: Explorer) -> bytes:
    return bytes(explorer.image.value)


def shown(explorer: Explorer) -> np.ndarray:
    """The picture on the screen, as RGB."""
    return np.asarray(Image.open(io.BytesIO(png_of(explorer))).convert("RGB"))


def test_sliders_move_the_picture_and_come_back_to_the_same_bytes(explorer):
    still = png_of(explorer)
    seen = {still}
    for slider in explorer.sliders[:-1]:
        for amount in (-4.0, 4.0):
            slider.value = amount
            assert png_of(explorer) not in seen
            seen.add(png_of(explorer))
        slider.value = 0.0
        assert png_of(explorer) == still


def test_a_move_or_a_tick_in_the_browser_is_answered_by_one_message_the_image(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(widgets.Widget, "_send", lambda widget, message, buffers=None: sent.append((widget, message["method"])))
    explorer.sliders[0].set_state({"value": 1.0})
    explorer.given["speech"].set_state({"value": False})
    assert sent == [(explorer.image, "update")] * 2


def test_moves_are_in_standard_deviations_or_as_the_report_adds_them(explorer):
    index = explorer.top[1]
    mean = explorer.scene.mean.clone()
    explorer.sliders[1].value = 2.0
    assert explorer.latent()[index].item() == pytest.approx((mean[index] + 2 * explorer.sd[index]).item())
    explorer.range.value = REPORT
    assert explorer.moves() == [] and torch.equal(explorer.latent(), mean)
    explorer.sliders[1].value = 1500.0
    assert explorer.latent()[index].item() == pytest.approx(mean[index].item() + 1500)
    explorer.range.value = SD
    assert explorer.sliders[1].max == 4.0 and explorer.moves() == []


def test_undo_takes_back_a_whole_drag_whatever_it_was(explorer, monkeypatch):
    clock = iter(range(100))  # a second from move to move
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    states = [explorer._values()]

    def moved(control, value) -> None:
        control.value = value
        states.append(explorer._values())

    moved(explorer.sliders[2], 2.0)
    moved(explorer.given["kannada"], False)
    moved(explorer.digit, 3)
    moved(explorer.number, 1)
    moved(explorer.range, REPORT)
    moved(explorer.sort, DIGIT)
    moved(explorer.index, 4)
    moved(explorer.sliders[-1], 300.0)
    moved(explorer.up, 5)
    pictures = []
    for state in states[-2::-1]:
        explorer.undo.click()
        assert explorer._values() == state, explorer.message.value
        pictures.append(png_of(explorer))
    assert len(set(pictures)) > 5 and explorer.pad.up is explorer.sliders[1] and explorer.unit.value == "sd"
    explorer.undo.click()
    assert "Nothing to undo" in explorer.message.value
    monkeypatch.setattr(module.time, "monotonic", lambda: 1000.0)
    for amount in (1.0, 2.0, 3.0):
        explorer.sliders[0].value = amount
    explorer.undo.click()
    assert explorer._values() == states[0]


def test_the_pad_lies_over_two_sliders_and_play_moves_one(explorer):
    assert explorer.pad.across is explorer.sliders[0] and explorer.pad.names == [f"z{i}" for i in explorer.top[:2]]
    explorer.across.value = len(explorer.sliders) - 1
    explorer.index.value = 3
    assert explorer.pad.across is explorer.sliders[-1] and explorer.pad.names[0] == "z3"
    still = png_of(explorer)
    explorer.play.value = TICKS // 4
    assert explorer.sliders[-1].value == 4.0 and png_of(explorer) != still
    explorer.play.value = 3 * TICKS // 4
    assert explorer.sliders[-1].value == -4.0
    explorer.play.value = 0  # what its stop button does
    assert png_of(explorer) == still


def test_the_sliders_are_sorted_by_what_their_indices_hold(explorer, model):
    assert explorer.sort.value == KL and explorer.scene.mi.min() >= 0
    explorer.up.value, explorer.index.value = 4, 5
    explorer.sliders[0].value = explorer.sliders[-1].value = 3.0
    for chosen, column in ((DIGIT, "mi"), (KL, "kl")):
        explorer.sort.value = chosen
        nats = model.card["latent"][column]
        assert explorer.top == sorted(range(len(nats)), key=lambda index: -nats[index])[:8]
        named = [f"z{index} · {nats[index]:.2f} nats" for index in explorer.top]
        assert [slider.description for slider in explorer.sliders[:-1]] == named
        assert explorer.moves() == [(5, 3.0)] and explorer.pad.names == [f"z{explorer.top[i]}" for i in (0, 4)]
        assert (explorer.across.options[0][0], explorer.up.label) == (f"z{explorer.top[0]}", f"z{explorer.top[4]}")
        explorer.sliders[0].value = 2.0
        assert explorer.moves() == [(explorer.top[0], 2.0), (5, 3.0)]


def test_a_film_shows_the_index_across_from_end_to_end(explorer):
    explorer.sliders[0].value = explorer.sliders[1].value = 2.0
    panels = png_of(explorer)
    explorer.view.value = FILM
    assert shown(explorer).shape[:2] == (HEIGHT, explorer.strip.width) and png_of(explorer) != panels
    strip, (left, top) = explorer.strip, module_of_strip.FILM
    line, tile = divmod(75, 10)  # two thirds of the way from the middle to the end: where the slider stands
    y, x = top + line * TILE + 1, left + tile * TILE + 1
    means = explorer.scene.means(explorer.latent())["farsi"].reshape(28, 28)
    ink = np.rint(means * (GREYS - 1)).astype(np.uint8)
    assert np.array_equal(shown(explorer)[y + 1 : y + 27, x + 1 : x + 27], PALETTE[ink][1:-1, 1:-1])  # within its frame
    assert strip.images == ["farsi", "kannada"]
    film = png_of(explorer)
    explorer.range.value = REPORT
    assert png_of(explorer) != film
    explorer.view.value, explorer.range.value = PANELS, SD
    assert len(png_of(explorer)) > 0 and explorer.moves() == []


def test_what_is_copied_as_code_rebuilds_what_is_shown(model, monkeypatch):
    monkeypatch.setattr("mvae_lib.load", lambda name: model)
    monkeypatch.setattr("mvae_lib.data.load", lambda split, recipe: triplets(split))
    for with_data in (True, False):
        for chosen, amount in ((SD, 2.5), (REPORT, 300.0)):
            explorer = Explorer(model, triplets("test") if with_data else None)
            explorer.digit.value, explorer.number.value, explorer.given["speech"].value = 4, 1, False
            explorer.range.value = chosen
            explorer.sliders[3].value, explorer.sliders[-1].value = amount, -amount
            names = {}
            exec(explorer.code(), names)
            assert torch.allclose(names["z"], explorer.latent(), atol=1e-5)
            assert names["rebuilt"].keys() == {"farsi", "kannada", "speech"}


def test_copying_asks_the_browser_and_says_what_came_of_it(explorer, monkeypatch):
    asked = []
    monkeypatch.setattr(explorer.pad, "send", asked.append)
    explorer.copy.click()
    assert asked == [{"copy": explorer.code()}]
    explorer.pad._handle_custom_msg({"copied": True}, [])
    assert "Copied" in explorer.message.value
    explorer.pad._handle_custom_msg({"copied": False}, [])
    assert "import mvae_lib" in explorer.message.value


def test_the_hardest_and_a_random_one(explorer):
    chances = []
    for row in range(len(explorer.scene.labels)):
        explorer.scene.look(row, list(explorer.given))
        chances.append(explorer.scene.means(explorer.scene.mean)["label"][7])
    explorer.hardest.value = True
    order = explorer.scene.rows(7, hardest=True).tolist()
    own = [chances[row] for row in order]
    assert sorted(order) == explorer.scene.rows(7).tolist() and (np.diff(own) >= -1e-6).all()
    assert explorer.scene.row == order[0] and "least probable first" in explorer.message.value
    explorer.number.value = len(order) - 1
    assert explorer.scene.row == order[-1]
    explorer.hardest.value = False
    seen = set()
    for _ in range(30):
        explorer.random.click()
        assert explorer.scene.labels[explorer.scene.row] == explorer.digit.value and explorer.number.value <= explorer.number.max
        seen.add(explorer.scene.row)
    assert len(seen) > 5


def test_the_hardest_are_looked_for_beside_the_sliders(explorer, monkeypatch):
    go_on, find = threading.Event(), explorer.scene.find_hardest
    monkeypatch.setattr(explorer.scene, "find_hardest", lambda: (go_on.wait(10), find()))

    async def in_a_kernel() -> None:
        explorer.hardest.value = True
        assert "Reading" in explorer.message.value
        still = png_of(explorer)
        explorer.sliders[0].value = 3.0
        assert png_of(explorer) != still and explorer.scene.hardest is None
        go_on.set()
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if "least probable" in explorer.message.value:
                return
        pytest.fail("no answer")

    asyncio.run(in_a_kernel())
    assert explorer.sliders[0].value == 3.0


def test_a_control_used_in_another_thread_waits_for_its_turn(explorer, monkeypatch):
    """As JupyterLab does it: the messages of two controls, in two threads of the kernel."""
    explorer.digit.value = 7
    seven = explorer.image.value
    explorer.digit.value = 3
    begun, on = threading.Event(), threading.Event()
    look = explorer.scene.look

    def slow(row, given):
        look(row, given)
        if not begun.is_set():
            begun.set()
            assert on.wait(60)

    monkeypatch.setattr(explorer.scene, "look", slow)
    threads = [threading.Thread(target=setattr, args=(explorer.number, "value", 1))]
    threads += [threading.Thread(target=lambda: (explorer.number.set_trait("value", 0), setattr(explorer.digit, "value", 7)))]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()
    on.set()
    for thread in threads:
        thread.join(60)
    assert explorer.image.value == seven and not any(thread.is_alive() for thread in threads)


def test_memory_stays_flat_over_ten_thousand_moves(model):
    explorer = Explorer(model, triplets("test"))

    def moves(n: int) -> float:
        for k in range(n):
            explorer.sliders[k % 9].value = (k % 81) / 10 - 4
        return clocks.peak_mib()

    before = moves(1_000)
    if before != before:
        pytest.skip("this system does not tell how much memory a process holds")
    assert moves(9_000) - before < 2  # MiB; the images sent are some 70


def test_any_index_by_number_and_reset(explorer):
    still = png_of(explorer)
    explorer.sliders[-1].value = 3.0
    explorer.index.value = 0
    first = png_of(explorer)
    explorer.index.value = 5
    assert explorer.moves() == [(5, 3.0)] and len({still, first, png_of(explorer)}) == 3
    explorer.reset.click()
    assert png_of(explorer) == still and explorer.moves() == []


def test_stored_means_give_the_picture_that_the_data_give(model):
    """But for the originals: what is rebuilt differs by the stored means' rounding, a grey level at most."""
    computed, stored = Explorer(model, triplets("test")), Explorer(model)
    for digit, number, hidden in ((7, 0, ()), (3, 1, ("farsi",)), (0, 1, ("farsi", "speech"))):
        for explorer in (computed, stored):
            explorer.digit.value, explorer.number.value = digit, number
            for name, box in explorer.given.items():
                box.value = name not in hidden
        assert torch.allclose(computed.scene.mean, stored.scene.mean, atol=1e-4)
        a, b = (shown(explorer)[ROWS[1] : ROWS[1] + SIDE].astype(int) for explorer in (computed, stored))
        images = slice(0, stored.strip.panels["kannada"][0] + SIDE)
        assert abs(a[:, images] - b[:, images]).max() <= 2


def test_any_triplet_can_be_chosen_by_digit_and_number(model):
    data = triplets("test")
    explorer = Explorer(model, data)
    assert (explorer.digit.value, explorer.number.value, explorer.number.max) == (7, 0, 3)
    explorer.digit.value, explorer.number.value = 2, 3
    assert explorer.scene.row == 32
    x, _ = explorer.strip.panels["kannada"]
    original = shown(explorer)[ROWS[0] : ROWS[0] + SIDE : SIDE // 28, x : x + SIDE : SIDE // 28, 0]
    assert np.array_equal(original.ravel() == 0, data.pools["kannada"][32].numpy() == 255)
    explorer.number.value = 99  # kept to what there is
    assert explorer.number.value == 3


def test_the_last_modality_cannot_be_taken_away(explorer):
    explorer.given["farsi"].value = explorer.given["speech"].value = False
    alone = png_of(explorer)
    explorer.given["kannada"].value = False
    assert explorer.given["kannada"].value and explorer.scene.given == ("kannada",) and png_of(explorer) == alone
    assert "At least one modality" in explorer.message.value
    explorer.given["farsi"].value = True
    assert explorer.scene.given == ("farsi", "kannada") and "At least one" not in explorer.message.value


def test_an_error_in_a_callback_shows_in_the_panel_and_goes_away(explorer, monkeypatch):
    monkeypatch.setattr(module_of_view, "perturb", lambda *_: 1 / 0)
    explorer.sliders[0].value = 1.0
    assert "ZeroDivisionError" in explorer.message.value
    monkeypatch.undo()
    explorer.sliders[0].value = 2.0
    assert explorer.note in explorer.message.value


def test_saving_a_view(explorer, tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    for _ in range(2):
        explorer.keep.click()
    assert "Saved: " in explorer.message.value, explorer.message.value
    names = sorted(path.name for path in style.folder().iterdir())
    assert len(names) == 4 and names[0].startswith("06_view_01") and names[-1].startswith("06_view_02")
    figure, frame = explorer.snapshot()
    assert list(frame.columns) == ["split", "place", "digit", "given", "moved", "label", "probability"]
    assert frame["probability"].sum() == pytest.approx(1, abs=1e-5) and set(frame["digit"]) == {7}


def test_a_walk_is_of_one_index(explorer):
    figure, frame = explorer.walk(3, torch.linspace(-4, 4, 5))
    assert len(figure.axes) == 5 * 2 and frame["sd"].tolist() == [-4, -2, 0, 2, 4] and set(frame["index"]) == {3}
    middle = explorer.scene.means(explorer.latent())["label"]
    assert frame["probability"][2] == pytest.approx(middle.max()) and frame["label"][2] == middle.argmax()


def test_what_it_refuses(model):
    other = dataclasses.replace(triplets("test"), source="real data")
    with pytest.raises(ValueError, match="These triplets are real data"):
        Explorer(model, other)
    with pytest.raises(ValueError, match="no card of its latent"):
        Explorer(MVAE(run()).eval())


def test_bars_beyond_the_panel_are_capped_and_stay_inside():
    strip = Strip(run().model.modalities, 10, (-0.5, 1.5))
    values = np.linspace(-3000, 3000, 13)
    means = {"farsi": np.zeros(784), "kannada": np.ones(784), "speech": values, "label": np.eye(10)[4]}
    strip.originals({"speech": np.full(13, 0.5)}, ["speech"])
    picture = strip.picture(means)
    x, width = strip.panels["speech"]
    outside = picture.copy()
    outside[ROWS[1] : ROWS[1] + SIDE, x : x + width] = 0
    assert picture.shape == (HEIGHT, strip.width) and (outside == strip.picture({**means, "speech": np.zeros(13)}))[:, :x].all()
    x, _ = strip.panels["kannada"]
    assert (picture[ROWS[1] : ROWS[1] + SIDE, x : x + SIDE] == GREYS - 1).all()
    image = Image.open(io.BytesIO(png(picture)))
    assert np.array_equal(np.asarray(image.convert("RGB")), PALETTE[picture])


@pytest.mark.skipif(not (checkpoint.PRETRAINED / "as_run.json").exists(), reason="no shipped run in data/pretrained")
def test_the_shipped_run_opens_without_data():
    explorer = Explorer(checkpoint.load("as_run"))
    assert len(explorer.scene.labels) >= 24 and len(explorer.top) == len(explorer.sliders) - 1 == 8 and explorer.index.max == 511
    still = png_of(explorer)
    explorer.sliders[0].value = 4.0
    assert png_of(explorer) != still and explorer.scene.given == ("farsi", "kannada", "speech")


@pytest.mark.skipif(not (checkpoint.PRETRAINED / "as_run.json").exists(), reason="no shipped run in data/pretrained")
@pytest.mark.parametrize("name", ["as_run", "as_written"])
def test_an_index_that_a_shipped_model_does_not_use_tells_nothing_of_the_digit(name):
    """Counted on posterior means it would: some of a KL of 0.00 would stand among the first eight."""
    kl, mi = (np.array(checkpoint.load(name).card["latent"][column]) for column in ("kl", "mi"))
    assert (kl < 0.01).sum() > 300 and mi[kl < 0.01].max() < 0.02 and mi.max() > 0.5
