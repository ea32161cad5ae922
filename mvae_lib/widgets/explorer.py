"""The latent explorer: what its controls do. Whatever is moved, one latent is decoded and one image is sent."""

import asyncio
import itertools
import os
import random
import time
from collections import deque
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.data.sources import ROOT
from mvae_lib.evaluate import perturb
from mvae_lib.figures import latent, style
from mvae_lib.model import MVAE
from mvae_lib.widgets.controls import FILM, MEANING, RANGES, SD, TICKS, UNITS, Controls
from mvae_lib.widgets.scene import Move, Scene
from mvae_lib.widgets.strip import LINES, png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PAUSE, STEPS = 0.5, 200
"""Seconds of rest that part one step of undo from the next, and how many steps are kept."""


class Explorer(Controls):
    """Rebuilds all modalities from one latent while its indices are dragged. Leave it as a cell's last expression.

    Args:
        model: a shipped model (`mvae_lib.load`): its card lists the latent's indices and a few stored posterior means.
        triplets: of the model's own recipe and source: any of them can be chosen, and its originals are shown. None: only the
            card's examples, from their stored posterior means, and the originals' panels say that they need the data.
    Raises:
        ValueError: the model has no such card, or the triplets are not what it was trained on.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        self.scene = Scene(model, triplets)
        self.sd, self.source = self.scene.sd, self.scene.source
        super().__init__(model.spec, self.scene.kl)
        self._busy, self._past, self._moved = False, deque(maxlen=STEPS), float("-inf")
        does: dict[Any, Callable[[Any], None]]
        does = {control: self._choose for control in (self.digit, self.number, *self.given.values())}
        does |= {control: self._paint for control in (*self.sliders, self.view)}
        does |= {control: self._aim for control in (self.across, self.up, self.index)}
        does |= {self.hardest: self._sort, self.random: self._any, self.range: self._set_range, self.play: self._sweep}
        does |= {self.reset: self._zero, self.undo: self._back, self.copy: self._copy, self.keep: self._keep}
        for control, handler in does.items():
            self._on(control, handler)
        self.pad.on_msg(lambda pad, content, buffers: self._run(self._copied, content))
        self._choose()
        self._aim()
        self._now = self._values()
        self._say(self.note)

    # ------------------------------------------------------------------ a control is used

    def _on(self, control: Any, handler: Callable[[Any], None]) -> None:
        if isinstance(control, widgets.Button):
            control.on_click(lambda button: self._run(handler, button))
        else:
            control.observe(lambda change: self._run(handler, change), "value")

    def _run(self, handler: Callable[[Any], None], change: Any) -> None:
        """Call `handler`, and show in the panel what it raises, which ipywidgets would swallow."""
        if self._busy:  # a handler is moving other controls
            return
        self._busy = True
        try:
            self._say(self.note)
            handler(change)
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", "bad")
        finally:
            self._busy = False
            self._remember()

    def _remember(self) -> None:
        """Keep what stood before this move, unless it goes on with one of a moment ago: a drag is one step of undo."""
        now, time_now = self._values(), time.monotonic()
        if now != self._now:
            if time_now - self._moved > PAUSE:
                self._past.append(self._now)
            self._now, self._moved = now, time_now

    def _values(self) -> list[Any]:
        return [control.value for control in self.remembered()]

    def _later(self, work: Callable[[], None], then: Callable[[Any], None]) -> None:
        """Some slow work beside the sliders, which go on, and then an answer; where no loop runs, as in a script, at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            then(work())
            return self._say(self.note)
        loop.run_in_executor(None, work).add_done_callback(lambda done: self._run(lambda _: then(done.result()), None))

    def _say(self, text: str, kind: str = "plain") -> None:
        colour = {"plain": "--jp-ui-font-color2", "bad": "--jp-error-color1"}[kind]
        self.message.value = f'<span style="color: var({colour})">{escape(text)}</span>'

    @property
    def note(self) -> str:
        """What stands in the panel when there is nothing else to say: what one looks at."""
        sort = ", the least probable first" if self.hardest.value and self.scene.hardest is not None else ""
        triplets = f"{len(self.scene.labels):,} triplets of {self.scene.split}, {self.number.max + 1:,} of this digit{sort}"
        return f"{self.source}; {triplets}."

    # ------------------------------------------------------------------ which triplet, and what is given of it

    def _choose(self, change: Any = None) -> None:
        """Another triplet, or other modalities given: its originals, its posterior mean, and a new picture."""
        given = [name for name, box in self.given.items() if box.value]
        if not given:
            change["owner"].value = True
            return self._say("At least one modality must be given: with none there is only the prior.", "bad")
        rows = self.scene.rows(self.digit.value, self.hardest.value)
        self.number.max = len(rows) - 1
        self.scene.look(int(rows[self.number.value]), given)
        self.strip.originals(self.scene.originals(), given)
        self._paint()

    def _sort(self, _: Any) -> None:
        self.number.value = 0
        if self.hardest.value and self.scene.hardest is None:
            self._say(f"Reading {len(self.scene.labels):,} triplets, once, to find the hardest. The sliders go on.")
            return self._later(self.scene.find_hardest, self._choose)
        self._choose()

    def _any(self, _: Any) -> None:
        self.digit.value = random.choice(self.digit.options)
        self.number.max = len(self.scene.rows(self.digit.value)) - 1
        self.number.value = random.randint(0, self.number.max)
        self._choose()

    # ------------------------------------------------------------------ where in the latent

    def _paint(self, _: Any = None) -> None:
        """All that a slider's move does: one latent decoded (a hundred for a film), one image sent."""
        self.image.value = png(self.picture())

    def _set_range(self, _: Any = None) -> None:
        """Sliders in the other unit, and at zero: the whole of ±4 sd is less than one step of ±1500."""
        chosen = str(self.range.value)
        for slider in self.sliders:
            with slider.hold_sync():  # one message a slider
                slider.value = 0.0
                for option, value in RANGES[chosen].items():
                    setattr(slider, option, value)
        self.unit.value, self.meaning.value = UNITS[chosen], MEANING[chosen]
        self._paint()

    def _aim(self, _: Any = None) -> None:
        """The pad over another pair of sliders, or another index under the last one."""
        with self.pad.hold_sync():
            self.pad.across, self.pad.up = self.sliders[self.across.value], self.sliders[self.up.value]
            self.pad.names = [f"z{index}" for index in self._axes()]
        self._paint()

    def _sweep(self, _: Any) -> None:
        slider = self.sliders[self.across.value]
        ticks = np.array([0, 0.25, 0.75, 1]) * TICKS
        slider.value = slider.max * float(np.interp(self.play.value, ticks, [0, 1, -1, 0]))  # there, back, and to zero
        self._paint()

    def _zero(self, _: Any) -> None:
        for slider in self.sliders:
            slider.value = 0.0
        self._paint()

    def _back(self, _: Any) -> None:
        if not self._past:
            return self._say("Nothing to undo.")
        self._now, self._moved = self._past.pop(), float("-inf")
        values = dict(zip(self.remembered(), self._now, strict=True))
        if self.range.value != values[self.range]:
            self.range.value = values[self.range]
            self._set_range()
        self.number.max = max(self.number.max, values[self.number])
        for control, value in values.items():
            control.value = value
        self._choose()
        self._aim()

    # ------------------------------------------------------------------ what it amounts to

    def moves(self) -> list[Move]:
        """Every index moved, and by how much, in the sliders' unit."""
        indices = (*self.top, self.index.value)
        return [(index, slider.value) for index, slider in zip(indices, self.sliders, strict=True) if slider.value]

    def step(self) -> Tensor:
        """What one unit of the sliders adds to each latent index: ``[D]``."""
        return self.sd if self.range.value == SD else torch.ones_like(self.sd)

    @torch.inference_mode()
    def latent(self) -> Tensor:
        """The triplet's posterior mean with every index moved: ``[D]``."""
        z = self.scene.mean
        for index, amount in self.moves():
            z = perturb(z, index, amount * self.step()[index : index + 1])[0]
        return z

    def picture(self) -> np.ndarray:
        """What stands in the image: palette indices, uint8 ``[height, width]``."""
        return self.film() if self.view.value == FILM else self.strip.picture(self.scene.means(self.latent()))

    def film(self) -> np.ndarray:
        """The index that lies across, moved through its slider's whole range in a hundred steps (the report's Figure 5)."""
        slider, (index, _) = self.sliders[self.across.value], self._axes()
        amounts = np.linspace(slider.min, slider.max, LINES**2, endpoint=False)
        from_here = torch.tensor(amounts - slider.value, dtype=torch.float32) * self.step()[index]
        means = self.scene.means(perturb(self.latent(), index, from_here))  # [100, features]
        here = int(abs(amounts - slider.value).argmin())
        steps = f"{amounts[1] - amounts[0]:g} a tile, {amounts[LINES] - amounts[0]:g} a line"
        return self.strip.film(means, amounts, here, f"z{index}, in {self.unit.value}: {steps}; framed: where its slider stands")

    def _axes(self) -> tuple[int, int]:
        """The latent indices that lie across and up on the pad."""
        indices = (*self.top, self.index.value)
        return indices[self.across.value], indices[self.up.value]

    def snapshot(self) -> "tuple[Figure, pd.DataFrame]":
        """This view as a figure, and the class probabilities in it."""
        moved = ", ".join(f"z{index} {amount:+g} {self.unit.value}" for index, amount in self.moves()) or "nothing moved"
        given = " ".join(style.MARK["given" if box.value else "missing"] + " " + box.description for box in self.given.values())
        title = f"A {self.digit.value}, number {self.number.value}: {given}; {moved}"
        figure = self.strip.figure(self.picture(), title, heads=self.view.value != FILM)
        probability = self.scene.means(self.latent())["label"]
        return figure, self.scene.frame(moved=moved, label=range(len(probability)), probability=probability)

    def walk(self, index: int, steps: Tensor) -> "tuple[Figure, pd.DataFrame]":
        """This view with one index moved by each of `steps`, in sd: both scripts as a figure, and the labels read on the way."""
        means = self.scene.means(perturb(self.latent(), index, steps * self.sd[index]))  # [K, features]
        label = {"label": means["label"].argmax(-1), "probability": means["label"].max(-1)}
        frame = self.scene.frame(index=index, sd=steps, **label)
        return latent.walk(frame, {name: means[name] for name in self.strip.images}), frame

    def save(self, figure: "Figure", frame: "pd.DataFrame", name: str) -> str:
        """Write a figure and its frame to `style.folder()`; returns the PNG's path from the repository's root."""
        path = style.save(figure, name if self.scene.triplets else f"{name}-stored", frame, self.source)
        return os.path.relpath(path, ROOT)

    def _keep(self, _: Any) -> None:
        names = (f"06_view_{n:02}" for n in itertools.count(1))
        name = next(name for name in names if not list(style.folder().glob(f"{name}*.png")))
        self._say("Saved: " + self.save(*self.snapshot(), name))

    def _copy(self, _: Any) -> None:
        self._say("Asking the browser for its clipboard …")
        self.pad.send({"copy": self.code()})

    def _copied(self, answer: dict[str, bool]) -> None:
        refused = f"The browser gave no access to its clipboard. Mark it by hand:\n{self.code()}"
        self._say("Copied: Python that rebuilds this view. Paste it anywhere." if answer["copied"] else refused)

    def code(self) -> str:
        """Lines of Python that rebuild, with the library alone, what is rebuilt here."""
        return self.scene.code(self.moves(), in_sd=self.range.value == SD)
