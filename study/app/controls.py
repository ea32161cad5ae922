"""The explorer's widgets, and what they do among themselves. `controls.json`: what each is, how wide, and the rows of them."""

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
from ipywidgets import HBox, VBox, Widget, widget_serialization
from traitlets import Bool, CFloat, Instance, List, Unicode

from mvae_lib.objectives import UNLABELLED
from study.app.panel import MARGIN, sized
from study.app.scene import Scene
from study.plots import style

LAYOUT = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
RANGES = LAYOUT["ranges"]
SD, RAW = RANGES
PANELS, FILM = LAYOUT["controls"]["view"][-1]["options"]
SLIDERS, LABEL, ANY = 8, 7, 201  # the most active dimensions that have a slider; the label, and the dimension, to begin with
ROW, FIELD = 26, 30  # height of a row of sliders, and of one with a field to type in, in pixels


class Slider(widgets.FloatSlider):
    """Not echoed by the kernel: a message less a move. (An echo is for a second page at the same kernel; that one would lag.)"""

    value = CFloat(0.0).tag(sync=True, echo_update=False)


class Tick(widgets.Checkbox):
    value = Bool(False).tag(sync=True, echo_update=False)


class Pad(anywidget.AnyWidget):
    """Two sliders' values as a point, which the browser sets and follows: by mouse or finger, or by the arrow keys."""

    _esm = Path(__file__).with_name("pad.js")
    across = Instance(Widget).tag(sync=True, **widget_serialization)
    up = Instance(Widget).tag(sync=True, **widget_serialization)
    names = List(Unicode()).tag(sync=True)


class Controls(SimpleNamespace):
    """All widgets, made once: from here on only their values change. Sizes are fixed, so that nothing moves.

    Args:
        edges: left edges of the picture's columns, and its width.
    """

    def __init__(self, scene: Scene, edges: list[int]) -> None:
        kinds = {"Tick": Tick, **vars(widgets)}
        made = {name: sized(kinds[kind](**options), *widths) for name, (kind, *widths, options) in LAYOUT["controls"].items()}
        super().__init__(**made, scene=scene)
        last, names = len(scene.sd) - 1, scene.model.names
        self.digit.options = [("none" if label == UNLABELLED else str(label), label) for label in scene.classes]
        self.digit.value, self.digit.description = LABEL if LABEL in scene.classes else scene.classes[0], scene.noun
        self.random.tooltip = f"Any {scene.nouns[:-1]} of any {scene.noun}"
        self.sort.options, self.sort.value = list(scene.ranks), next(iter(scene.ranks))
        self.dimension.max, self.dimension.value = last, min(ANY, last)
        self.given = {name: Tick(True, description=style.title(name, names), indent=False) for name in names}
        self.sliders = [sized(Slider(), 338, 116, ROW) for _ in range(min(SLIDERS, last + 1))] + [sized(Slider(), 206, 0, ROW)]
        self.rank()
        self.set_range()
        edge = ROW * len(self.top) + FIELD - 2 * MARGIN
        self.pad = sized(Pad(across=self.sliders[0], up=self.sliders[1]), edge, height=edge)
        self.pad.layout.margin = f"{MARGIN}px {MARGIN}px 0 0"

        which, *side = [HBox([getattr(self, name) for name in row]) for row in LAYOUT["rows"]]
        if not scene.labelled:
            which.children = [each for each in which.children if each not in (self.digit, self.hardest)]
        rows = [HBox([slider, self.unit], layout={"height": f"{ROW}px"}) for slider in self.sliders[:-1]]
        rows.append(HBox([self.dimension, self.sliders[-1], self.unit], layout={"height": f"{FIELD}px"}))
        self.above = [which, headed([*self.given.values(), widgets.Label("label: class probabilities")], edges)]
        self.below = HBox([VBox(rows), self.pad, VBox(side, layout={"justify_content": "space-between"})])

    @property
    def dimensions(self) -> list[int]:
        """The dimension under each slider."""
        return [*self.top, self.dimension.value]

    def rank(self) -> None:
        """Under the sliders, at zero, the dimensions that hold most: sets `top`. The pad stays over the same two sliders."""
        amounts, unit = self.scene.ranks[self.sort.value], "" if self.sort.value.startswith("variance") else " nats"
        self.top = amounts.argsort(descending=True, stable=True)[:SLIDERS].tolist()
        for slider, dimension in zip(self.sliders, self.top, strict=False):
            slider.value, slider.description = 0.0, f"z{dimension} · {amounts[dimension]:.2f}{unit}"
        axes = [*((f"z{dimension}", place) for place, dimension in enumerate(self.top)), ("dimension", len(self.top))]
        for axis in (self.across, self.up):
            place, axis.options = axis.value, axes
            axis.value = place

    def aim(self) -> None:
        """The pad over the two sliders that are chosen."""
        with self.pad.hold_sync():
            self.pad.across, self.pad.up = self.sliders[self.across.value], self.sliders[self.up.value]
            self.pad.names = [f"z{self.dimensions[axis.value]}" for axis in (self.across, self.up)]

    def zero(self) -> None:
        for slider in self.sliders:
            slider.value = 0.0

    def set_range(self) -> None:
        """Sliders in the other unit, and at zero: the whole of ±4 sd is less than one step of ±1500."""
        chosen = RANGES[self.range.value]
        for slider in self.sliders:
            with slider.hold_sync():  # one message a slider
                slider.value = 0.0
                for option, value in chosen["slider"].items():
                    setattr(slider, option, value)
        self.unit.value, self.meaning.value = chosen["unit"], chosen["meaning"]

    def sweep(self) -> None:
        """The slider that lies across: there, back, and to zero, as "play" goes."""
        slider, ticks = self.sliders[self.across.value], np.array([0, 0.25, 0.75, 1]) * self.play.max
        slider.value = slider.max * float(np.interp(self.play.value, ticks, [0, 1, -1, 0]))

    def any_tuple(self) -> None:
        self.digit.value = random.choice(self.scene.classes)
        self.number.max = len(self.scene.rows(self.digit.value)) - 1
        self.number.value = random.randint(0, self.number.max)

    def state(self) -> dict[Widget, Any]:
        """What undo puts back, in an order in which each admits its value."""
        which = [self.digit, self.hardest, self.number, *self.given.values(), self.range, self.sort, self.dimension]
        return {control: control.value for control in (*which, *self.sliders, self.across, self.up)}

    def put_back(self, state: dict[Widget, Any]) -> None:
        self.number.max = max(self.number.max, state[self.number])
        self.range.value, self.sort.value = state[self.range], state[self.sort]
        self.set_range()
        self.rank()
        for control, value in state.items():
            control.value = value


def headed(heads: list[Widget], edges: list[int]) -> HBox:
    """Widgets over the picture's columns."""
    for head, left, right in zip(heads, edges, edges[1:], strict=False):
        sized(head, right - left - MARGIN)
    return HBox(heads[: len(edges) - 1], layout={"padding": f"0 0 0 {edges[0]}px"})
