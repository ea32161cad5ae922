"""The explorer's widgets without a browser: what each control does to the picture. `test_browser.py` drags the real ones."""

import asyncio
import dataclasses
import threading

import exploring
import ipywidgets as widgets
import jaxtyping
import numpy as np
import pytest
import torch
from exploring import png_of, shown
from small import run, triplets

from bench import clocks
from bench.panel import ROWS
from mvae_lib.model import build
from study.app import explorer as module
from study.app.controls import LAYOUT, RAW, SD
from study.app.explorer import Explorer
from study.app.picture import SIDE
from study.app.scene import Scene
from study.plots import style

KL, MI = "KL to the prior", "MI with the digit"
TICKS = LAYOUT["controls"]["play"][-1]["max"]

explorer, model = exploring.explorer, exploring.model  # pytest looks for fixtures among the names of a module


def test_sliders_move_the_picture_and_come_back_to_the_same_bytes(explorer):
    still = png_of(explorer)
    seen = {still}
    for slider in explorer.controls.sliders[:-1]:
        for amount in (-4.0, 4.0):
            slider.value = amount
            assert png_of(explorer) not in seen
            seen.add(png_of(explorer))
        slider.value = 0.0
        assert png_of(explorer) == still


def test_a_move_or_a_tick_in_the_browser_is_answered_by_one_message_the_image(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(widgets.Widget, "_send", lambda widget, message, buffers=None: sent.append((widget, message["method"])))
    explorer.controls.sliders[0].set_state({"value": 1.0})
    explorer.controls.given["speech"].set_state({"value": False})
    assert sent == [(explorer.image, "update")] * 2


def test_moves_are_in_standard_deviations_or_as_the_report_adds_them(explorer):
    controls, scene = explorer.controls, explorer.scene
    index = controls.top[1]
    mean = scene.mean.clone()
    controls.sliders[1].value = 2.0
    assert explorer.latent()[index].item() == pytest.approx((mean[index] + 2 * scene.sd[index]).item())
    controls.range.value = RAW
    assert explorer.moves() == [] and torch.equal(explorer.latent(), mean)
    controls.sliders[1].value = 1500.0
    assert explorer.latent()[index].item() == pytest.approx(mean[index].item() + 1500)
    controls.range.value = SD
    assert controls.sliders[1].max == 4.0 and explorer.moves() == []


def test_undo_takes_back_a_whole_drag_whatever_it_was(explorer, monkeypatch):
    clock, controls = iter(range(100)), explorer.controls  # a second from move to move
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    states = [controls.state()]

    def moved(control, value) -> None:
        control.value = value
        states.append(controls.state())

    moved(controls.sliders[2], 2.0)
    moved(controls.given["kannada"], False)
    moved(controls.digit, 3)
    moved(controls.number, 1)
    moved(controls.range, RAW)
    moved(controls.sort, MI)
    moved(controls.dimension, 4)
    moved(controls.sliders[-1], 300.0)
    moved(controls.up, 5)
    pictures = []
    for state in states[-2::-1]:
        controls.undo.click()
        assert controls.state() == state, explorer.message.value
        pictures.append(png_of(explorer))
    assert len(set(pictures)) > 5 and controls.pad.up is controls.sliders[1] and controls.unit.value == "sd"
    controls.undo.click()
    assert "Nothing to undo" in explorer.message.value
    monkeypatch.setattr(module.time, "monotonic", lambda: 1000.0)
    for amount in (1.0, 2.0, 3.0):
        controls.sliders[0].value = amount
    controls.undo.click()
    assert controls.state() == states[0]


def test_the_pad_lies_over_two_sliders_and_play_moves_one(explorer):
    controls = explorer.controls
    assert controls.pad.across is controls.sliders[0] and controls.pad.names == [f"z{i}" for i in controls.top[:2]]
    controls.across.value = len(controls.sliders) - 1
    controls.dimension.value = 3
    assert controls.pad.across is controls.sliders[-1] and controls.pad.names[0] == "z3"
    still = png_of(explorer)
    controls.play.value = TICKS // 4
    assert controls.sliders[-1].value == 4.0 and png_of(explorer) != still
    controls.play.value = 3 * TICKS // 4
    assert controls.sliders[-1].value == -4.0
    controls.play.value = 0  # what its stop button does
    assert png_of(explorer) == still


def test_the_sliders_are_sorted_by_what_their_dimensions_hold(explorer, model):
    controls = explorer.controls
    assert controls.sort.options == (KL, MI) and controls.sort.value == KL and explorer.scene.ranks[MI].min() >= 0
    controls.up.value, controls.dimension.value = 4, 5
    controls.sliders[0].value = controls.sliders[-1].value = 3.0
    for chosen, column in ((MI, "mi"), (KL, "kl")):
        controls.sort.value = chosen
        nats = model.card["latent"][column]
        assert controls.top == sorted(range(len(nats)), key=lambda index: -nats[index])[:8]
        named = [f"z{index} · {nats[index]:.2f} nats" for index in controls.top]
        assert [slider.description for slider in controls.sliders[:-1]] == named
        assert explorer.moves() == [(5, 3.0)] and controls.pad.names == [f"z{controls.top[i]}" for i in (0, 4)]
        assert (controls.across.options[0][0], controls.up.label) == (f"z{controls.top[0]}", f"z{controls.top[4]}")
        controls.sliders[0].value = 2.0
        assert explorer.moves() == [(controls.top[0], 2.0), (5, 3.0)]


def test_copying_asks_the_browser_and_says_what_came_of_it(explorer, monkeypatch):
    asked, pad = [], explorer.controls.pad
    monkeypatch.setattr(pad, "send", asked.append)
    explorer.controls.copy.click()
    assert asked == [{"copy": explorer.code()}]
    pad._handle_custom_msg({"copied": True}, [])
    assert "Copied" in explorer.message.value
    pad._handle_custom_msg({"copied": False}, [])
    assert "import mvae_lib" in explorer.message.value


def test_the_hardest_and_a_random_one(explorer):
    controls, scene, chances = explorer.controls, explorer.scene, []
    other = Scene(scene.model, scene.pairs)
    for row in range(len(scene.labels)):
        other.look(row, list(controls.given))
        chances.append(other.means(other.mean)["label"][7])
    controls.hardest.value = True
    order = scene.rows(7, hardest=True).tolist()
    own = [chances[row] for row in order]
    assert sorted(order) == scene.rows(7).tolist() and (np.diff(own) >= -1e-6).all()
    assert scene.row == order[0] and "least probable first" in explorer.message.value
    controls.number.value = len(order) - 1
    assert scene.row == order[-1]
    controls.hardest.value = False
    seen = set()
    for _ in range(30):
        controls.random.click()
        assert scene.labels[scene.row] == controls.digit.value and controls.number.value <= controls.number.max
        seen.add(scene.row)
    assert len(seen) > 5


def test_the_hardest_are_looked_for_beside_the_sliders(explorer, monkeypatch):
    go_on, find, controls = threading.Event(), explorer.scene.find_hardest, explorer.controls
    monkeypatch.setattr(explorer.scene, "find_hardest", lambda: (go_on.wait(10), find()))

    async def in_a_kernel() -> None:
        controls.hardest.value = True
        assert "Reading" in explorer.message.value
        still = png_of(explorer)
        controls.sliders[0].value = 3.0
        assert png_of(explorer) != still and explorer.scene.hardest is None
        go_on.set()
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if "least probable" in explorer.message.value:
                return
        pytest.fail("no answer")

    asyncio.run(in_a_kernel())
    assert controls.sliders[0].value == 3.0


def test_a_control_used_in_another_thread_waits_for_its_turn(explorer, monkeypatch):
    """As JupyterLab does it: the messages of two controls, in two threads of the kernel."""
    controls = explorer.controls
    controls.digit.value = 7
    seven = explorer.image.value
    controls.digit.value = 3
    begun, on = threading.Event(), threading.Event()
    look = explorer.scene.look

    def slow(row, given):
        look(row, given)
        if not begun.is_set():
            begun.set()
            assert on.wait(60)

    monkeypatch.setattr(explorer.scene, "look", slow)
    threads = [threading.Thread(target=setattr, args=(controls.number, "value", 1))]
    threads += [threading.Thread(target=lambda: (controls.number.set_trait("value", 0), setattr(controls.digit, "value", 7)))]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()
    on.set()
    for thread in threads:
        thread.join(60)
    assert explorer.image.value == seven and not any(thread.is_alive() for thread in threads)


def test_memory_stays_flat_over_ten_thousand_moves(model, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as in a reader's kernel
    explorer = Explorer(model, triplets("test"))

    def moves(n: int) -> float:
        for k in range(n):
            explorer.controls.sliders[k % 9].value = (k % 81) / 10 - 4
        return clocks.peak_mib()

    before = moves(1_000)
    if before != before:
        pytest.skip("this system does not tell how much memory a process holds")
    assert moves(9_000) - before < 2  # MiB; the images sent are some 70


def test_any_dimension_by_number_and_reset(explorer):
    still, controls = png_of(explorer), explorer.controls
    controls.sliders[-1].value = 3.0
    controls.dimension.value = 0
    first = png_of(explorer)
    controls.dimension.value = 5
    assert explorer.moves() == [(5, 3.0)] and len({still, first, png_of(explorer)}) == 3
    controls.reset.click()
    assert png_of(explorer) == still and explorer.moves() == []


def test_any_triplet_can_be_chosen_by_digit_and_number(model):
    data = triplets("test")
    explorer = Explorer(model, data)
    controls = explorer.controls
    assert (controls.digit.value, controls.number.value, controls.number.max) == (7, 0, 3)
    controls.digit.value, controls.number.value = 2, 3
    assert explorer.scene.row == 32
    x = explorer.picture.areas["kannada"].x
    original = shown(explorer)[ROWS[0] : ROWS[0] + SIDE : SIDE // 28, x : x + SIDE : SIDE // 28, 0]
    assert np.array_equal(original.ravel() == 0, data.pools["kannada"][32].numpy() == 255)
    controls.number.value = 99  # kept to what there is
    assert controls.number.value == 3


def test_the_last_modality_cannot_be_taken_away(explorer):
    given = explorer.controls.given
    given["farsi"].value = given["speech"].value = False
    alone = png_of(explorer)
    given["kannada"].value = False
    assert given["kannada"].value and explorer.scene.given == ("kannada",) and png_of(explorer) == alone
    assert "At least one modality" in explorer.message.value
    given["farsi"].value = True
    assert explorer.scene.given == ("farsi", "kannada") and "At least one" not in explorer.message.value


def test_an_error_in_a_callback_shows_in_the_panel_and_goes_away(explorer, monkeypatch):
    monkeypatch.setattr(module, "perturb", lambda *_: 1 / 0)
    explorer.controls.sliders[0].value = 1.0
    assert "ZeroDivisionError" in explorer.message.value
    monkeypatch.undo()
    explorer.controls.sliders[0].value = 2.0
    assert explorer.note in explorer.message.value


def test_saving_a_view(explorer, tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    for _ in range(2):
        explorer.controls.keep.click()
    assert "Saved: " in explorer.message.value, explorer.message.value
    names = sorted(path.name for path in style.folder().iterdir())
    assert len(names) == 4 and names[0].startswith("06_view_01") and names[-1].startswith("06_view_02")
    figure, frame = explorer.snapshot()
    assert list(frame.columns) == ["split", "place", "digit", "given", "moved", "label", "probability"]
    assert frame["probability"].sum() == pytest.approx(1, abs=1e-5) and set(frame["digit"]) == {7}


def test_what_it_refuses(model):
    with pytest.raises(ValueError, match="These pairs are real data"):
        Explorer(model, dataclasses.replace(triplets("test"), source="real data"))
    with pytest.raises(ValueError, match="no card of its latent"):
        Explorer(build(run()).eval())
