"""The latent explorer: what its controls do. Whatever is moved, one latent is decoded and one image is sent."""

import itertools
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from mvae_lib.data import Triplets
from mvae_lib.figures import style
from mvae_lib.model import MVAE
from mvae_lib.widgets.controls import MEANING, RANGES, TICKS, UNITS
from mvae_lib.widgets.strip import png
from mvae_lib.widgets.view import View

PAUSE, STEPS = 0.5, 200
"""Seconds of rest that part one step of undo from the next, and how many steps are kept."""


class Explorer(View):
    """Rebuilds all modalities from one latent while its indices are dragged. Leave it as a cell's last expression.

    Args:
        model: a shipped model (`mvae_lib.load`): its card lists the latent's indices and a few stored posterior means.
        triplets: of the model's own recipe and source: any of them can be chosen, and its originals are shown. None: only the
            card's examples, from their stored posterior means, and the originals' panels say that they need the data.
    Raises:
        ValueError: the model has no such card, or the triplets are not what it was trained on.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        super().__init__(model, triplets)
        self._past, self._moved = deque(maxlen=STEPS), float("-inf")
        does: dict[Any, Callable[[Any], None]]
        does = {control: self._choose for control in (self.digit, self.number, *self.given.values())}
        does |= {control: self._paint for control in (*self.sliders, self.view)}
        does |= {control: self._aim for control in (self.across, self.up, self.index)}
        does |= {self.hardest: self._harden, self.random: self._any, self.range: self._set_range, self.play: self._sweep}
        does |= {
            self.sort: self._rank,
            self.reset: self._zero,
            self.undo: self._back,
            self.copy: self._copy,
            self.keep: self._keep,
        }
        for control, handler in does.items():
            self.on(control, handler)
        self.pad.on_msg(lambda pad, content, buffers: self.run(self._copied, content))
        self._choose()
        self._aim()
        self._now = self._values()
        self.say(self.note)

    # ------------------------------------------------------------------ a control is used

    def done(self) -> None:
        """Keep what stood before this move, unless it goes on with one of a moment ago: a drag is one step of undo."""
        now, time_now = self._values(), time.monotonic()
        if now != self._now:
            if time_now - self._moved > PAUSE:
                self._past.append(self._now)
            self._now, self._moved = now, time_now

    def _values(self) -> list[Any]:
        return [control.value for control in self.remembered()]

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
            return self.say("At least one modality must be given: with none there is only the prior.", "bad")
        rows = self.scene.rows(self.digit.value, self.hardest.value)
        self.number.max = len(rows) - 1
        self.scene.look(int(rows[self.number.value]), given)
        self.strip.originals(self.scene.originals(), given)
        self._paint()

    def _harden(self, _: Any) -> None:
        self.number.value = 0
        if self.hardest.value and self.scene.hardest is None:
            self.say(f"Reading {len(self.scene.labels):,} triplets, once, to find the hardest. The sliders go on.")
            return self.later(self.scene.find_hardest, self._choose)
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

    def _rank(self, _: Any = None) -> None:
        """Other indices under the eight sliders, and those at zero; the pad stays over the same two."""
        for slider in self.sliders[:-1]:
            slider.value = 0.0
        self.name_sliders(self.across.value, self.up.value)
        self._aim()

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
            return self.say("Nothing to undo.")
        self._now, self._moved = self._past.pop(), float("-inf")
        values = dict(zip(self.remembered(), self._now, strict=True))
        for control, follow in ((self.range, self._set_range), (self.sort, self._rank)):
            if control.value != values[control]:
                control.value = values[control]
                follow()
        self.number.max = max(self.number.max, values[self.number])
        for control, value in values.items():
            control.value = value
        self._choose()
        self._aim()

    # ------------------------------------------------------------------ what is kept of it

    def _keep(self, _: Any) -> None:
        names = (f"06_view_{n:02}" for n in itertools.count(1))
        name = next(name for name in names if not list(style.folder().glob(f"{name}*.png")))
        self.say("Saved: " + self.save(*self.snapshot(), name))

    def _copy(self, _: Any) -> None:
        self.say("Asking the browser for its clipboard …")
        self.pad.send({"copy": self.code()})

    def _copied(self, answer: dict[str, bool]) -> None:
        refused = f"The browser gave no access to its clipboard. Mark it by hand:\n{self.code()}"
        self.say("Copied: Python that rebuilds this view. Paste it anywhere." if answer["copied"] else refused)
