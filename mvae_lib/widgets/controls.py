"""The explorer's widgets and their places. What they do when used stands in `explorer.py`."""

from typing import Any

import ipywidgets as widgets
from torch import Tensor
from traitlets import Bool, CFloat

from mvae_lib.figures import style
from mvae_lib.spec import RunSpec
from mvae_lib.widgets.pad import Pad
from mvae_lib.widgets.panel import MARGIN, Panel, sized
from mvae_lib.widgets.strip import HEIGHT, Strip

SLIDERS = 8
"""How many of the most active indices have a slider of their own."""
RANGES: dict[str, dict[str, Any]] = {
    "±4 sd": dict(min=-4.0, max=4.0, step=0.1, readout_format="+.1f"),
    "±1500 raw": dict(min=-1500.0, max=1500.0, step=30.0, readout_format="+.0f"),
}
SD, REPORT = RANGES
UNITS = {SD: "sd", REPORT: "raw"}
MEANING = {SD: "sd: of aggregate posterior", REPORT: "raw: added to z as it is"}
KL, DIGIT = "KL to the prior", "MI with the digit"
"""What the sliders can be sorted by, both in nats."""
PANELS, FILM = "Panels", "Film 10×10"
SPEECH = {"ratio": (-0.5, 1.5), "mean": (-4.0, 4.0), "frames": (-3.0, 3.0)}
"""Bottom and top of the speech bars, white and black of the map of frames, in the scaled units of each view."""
TICKS, INTERVAL = 100, 100
"""Of one round of "play", and the milliseconds from one to the next."""
ROW, FIELD = 26, 30
"""Height of a row of sliders, and of one with a field to type in, in pixels."""


class Slider(widgets.FloatSlider):
    """Not echoed by the kernel: a message less a move. (An echo is for a second page at the same kernel; that one would lag.)"""

    value = CFloat(0.0).tag(sync=True, echo_update=False)


class Tick(widgets.Checkbox):
    """Not echoed either."""

    value = Bool(False).tag(sync=True, echo_update=False)


class Controls(Panel):
    """All widgets, made once: from here on only their values change. Sizes are fixed, so that nothing moves.

    Args:
        spec: of the model to explore.
        nats: by KL and by DIGIT, how much every latent index holds, ``[D]`` each.
    """

    def __init__(self, spec: RunSpec, nats: dict[str, Tensor]) -> None:
        super().__init__()
        self.nats = nats
        self.strip = Strip(spec.model.modalities, spec.model.classes, SPEECH[spec.data.speech])
        last = len(nats[KL]) - 1

        # which triplet, and what is given of it
        self.digit = sized(widgets.Dropdown(options=range(spec.model.classes), value=7, description="digit"), 94, 34)
        self.number = sized(widgets.BoundedIntText(0, min=0, description="number"), 126, 54)
        self.hardest = sized(Tick(description="hardest first", indent=False), 110)
        self.random = sized(widgets.Button(description="Random", tooltip="Any triplet of any digit"), 74)
        self.sort = sized(widgets.Dropdown(options=[KL, DIGIT], description="sliders by"), 206, 70)
        self.meaning = sized(widgets.Label(MEANING[SD]), 180)
        self.given = {name: Tick(True, description=style.TITLE.get(name, name), indent=False) for name in spec.model.names}

        # the picture, and what is to be said of it
        self.image = sized(widgets.Image(format="png"), self.strip.width)
        self.image.layout.height = f"{HEIGHT}px"
        self.message.layout.width = self.image.layout.width

        # the latent's indices
        self.sliders = [sized(Slider(0.0, **RANGES[SD]), 338, 116) for _ in range(SLIDERS)]
        self.sliders.append(sized(Slider(0.0, **RANGES[SD]), 206, 0))
        self.index = sized(widgets.BoundedIntText(min(201, last), min=0, max=last, description="any index"), 128, 66)
        self.unit = sized(widgets.Label(UNITS[SD]), 26)
        self.range = sized(widgets.ToggleButtons(options=list(RANGES), style={"button_width": "106px"}), 228)

        # two of them at once, one of them by itself
        self.across = sized(widgets.Dropdown(description="across"), 118, 42)
        self.up = sized(widgets.Dropdown(description="up"), 98, 22)
        self.name_sliders(0, 1)
        self.pad = Pad(across=self.sliders[0], up=self.sliders[1])
        self.play = sized(widgets.Play(max=TICKS, interval=INTERVAL, repeat=True), 118)
        self.view = sized(widgets.ToggleButtons(options=[PANELS, FILM], style={"button_width": "106px"}), 228)

        # and the rest
        self.reset = sized(widgets.Button(description="Reset", tooltip="All sliders back to zero"), 108)
        self.undo = sized(widgets.Button(description="Undo", tooltip="Back to what stood before"), 108)
        self.copy = sized(widgets.Button(description="Copy as code", tooltip="Lines of Python that rebuild this"), 108)
        self.keep = sized(widgets.Button(description="Save PNG", tooltip="This view as a figure, with its CSV"), 108)
        self.children = self._placed()

    def name_sliders(self, across: int, up: int) -> None:
        """Name the sliders, and the pad's axes, after the indices that hold most: sets `top`."""
        nats = self.nats[str(self.sort.value)]
        self.top = nats.argsort(descending=True, stable=True)[:SLIDERS].tolist()
        for slider, index in zip(self.sliders, self.top, strict=False):
            slider.description = f"z{index} · {nats[index]:.2f} nats"
        axes = [*((f"z{index}", i) for i, index in enumerate(self.top)), ("any index", SLIDERS)]
        for axis, place in ((self.across, across), (self.up, up)):
            axis.options = axes
            axis.value = place

    def _placed(self) -> list[widgets.Widget]:
        heads, edges = [*self.given.values(), widgets.Label("label: class probabilities")], self.strip.edges
        for head, left, right in zip(heads, edges, edges[1:], strict=False):
            sized(head, right - left - MARGIN)
        sliders = [[slider, self.unit] for slider in self.sliders[:-1]] + [[self.index, self.sliders[-1], self.unit]]
        sweeps = sized(widgets.Label("sweeps across"), 106)
        side = [[self.range], [self.view], [self.across, self.up], [self.play, sweeps]]
        side += [[self.reset, self.undo], [self.copy, self.keep]]
        for control in (*self.sliders, self.unit):
            control.layout.height = f"{ROW}px"
        heights = [ROW] * (len(sliders) - 1) + [FIELD]
        rows = [widgets.HBox(row, layout={"height": f"{height}px"}) for row, height in zip(sliders, heights, strict=True)]
        size = f"{sum(heights) - 2 * MARGIN}px"
        self.pad.layout = {"width": size, "height": size, "margin": f"{MARGIN}px {MARGIN}px 0 0", "flex": "0 0 auto"}
        below = [
            widgets.VBox(rows),
            self.pad,
            widgets.VBox([widgets.HBox(row) for row in side], layout={"justify_content": "space-between"}),
        ]
        return [
            widgets.HBox([self.digit, self.number, self.hardest, self.random, self.sort, self.meaning]),
            widgets.HBox(heads, layout={"padding": f"0 0 0 {edges[0]}px"}),
            self.image,
            widgets.HBox(below),
            self.message,
        ]

    def remembered(self) -> list[Any]:
        """The controls that undo puts back, in an order in which each admits its value."""
        triplet = [self.digit, self.hardest, self.number, *self.given.values()]
        return [*triplet, self.range, self.sort, self.index, *self.sliders, self.across, self.up]
