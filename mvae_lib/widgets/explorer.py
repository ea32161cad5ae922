"""The latent explorer: one triplet, what is given of it, and sliders for the latent's indices. No maths here, only calls."""

import itertools
import os
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import torch
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.data.sources import ROOT
from mvae_lib.evaluate import perturb
from mvae_lib.figures import latent, style
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name
from mvae_lib.widgets.strip import HEIGHT, Strip, png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SLIDERS = 8
"""How many of the most active indices have a slider of their own."""
RANGES: dict[str, dict[str, Any]] = {
    "±4 sd": dict(min=-4.0, max=4.0, step=0.1, readout_format="+.1f"),
    "±1500, the report's": dict(min=-1500.0, max=1500.0, step=30.0, readout_format="+.0f"),
}
SD, REPORT = RANGES
UNITS = {SD: "sd", REPORT: "raw"}
MEANING = {
    SD: "sd: of the aggregate posterior; nats: mean KL to the prior.",
    REPORT: "raw: added to z as it is, the way the report did.",
}
SPEECH = {"ratio": (-0.5, 1.5), "mean": (-4.0, 4.0)}
"""Bottom and top of the speech bars, in the scaled units of the two views of 13 values."""
MARGIN = 4
"""Pixels to the right of every control."""


class Explorer(widgets.VBox):
    """Rebuilds all modalities from one latent while its indices are dragged. Leave it as a cell's last expression.

    Args:
        model: a shipped model (`mvae_lib.load`): its card lists the latent's indices and a few stored posterior means.
        triplets: of the model's own recipe and source: any of them can be chosen, and its originals are shown. None: only the
            card's examples, from their stored posterior means, and the originals' panels say that they need the data.
    Raises:
        ValueError: the model has no such card, or the triplets are not what it was trained on.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        if not {"latent", "examples"} <= model.card.keys():
            raise ValueError(f"{model.spec.name!r} has no card of its latent; take a shipped run: mvae_lib.load('as_run').")
        if triplets and (triplets.recipe, triplets.source) != (model.spec.data, model.card["source"]):
            takes = f"this model takes {model.card['source']}, {model.spec.data}"
            raise ValueError(f"These triplets are {triplets.source}, {triplets.recipe}; {takes}. Or give it none.")
        self.model, self.triplets, self.examples = model, triplets, model.card["examples"]
        self.labels = triplets.labels if triplets else torch.tensor(self.examples["label"])
        self.split = triplets.split if triplets else self.examples["split"]
        self.source = f"{model.card['source']}, {model.spec.name}, epoch {model.epochs}"
        self.source += "" if triplets else ", stored posterior means"
        self.note = f"{self.source}; {len(self.labels):,} triplets of {self.split}."
        self.sd, kl = (torch.tensor(model.card["latent"][column]) for column in ("sd", "kl"))
        self.top = kl.argsort(descending=True, stable=True)[:SLIDERS].tolist()
        self._busy = False
        super().__init__(self._build(kl))
        self._say(self.note)
        self._choose()

    def _build(self, kl: Tensor) -> list[widgets.Widget]:
        """All widgets, made once: from here on only their values change. Sizes are fixed, so that nothing moves."""
        spec, last = self.model.spec.model, len(kl) - 1
        self.strip = Strip(spec.modalities, spec.classes, SPEECH[self.model.spec.data.speech])
        self.digit = _sized(widgets.Dropdown(options=range(spec.classes), value=7, description="digit"), 94, 34)
        self.number = _sized(widgets.BoundedIntText(0, min=0, description="number"), 130, 54)
        self.range = widgets.ToggleButtons(options=list(RANGES), style={"button_width": "150px"})
        self.reset = _sized(widgets.Button(description="Reset", tooltip="All sliders back to zero"), 76)
        self.keep = _sized(widgets.Button(description="Save this view", tooltip="As a figure, with its CSV"), 124)
        self.given = {name: widgets.Checkbox(True, description=style.TITLE.get(name, name), indent=False) for name in spec.names}
        names = [f"z{index} · {kl[index]:.1f} nats" for index in self.top]
        self.sliders = [_sized(widgets.FloatSlider(0.0, **RANGES[SD], description=name), 380, 104) for name in names]
        self.sliders.append(_sized(widgets.FloatSlider(0.0, **RANGES[SD]), 244, 0))
        self.index = _sized(widgets.BoundedIntText(min(201, last), min=0, max=last, description="any index"), 132, 66)
        self.unit, self.meaning = _sized(widgets.Label(UNITS[SD]), 26), _sized(widgets.Label(MEANING[SD]), 380)
        self.image, self.message = _sized(widgets.Image(format="png"), self.strip.width), _sized(widgets.HTML(), self.strip.width)
        self.image.layout.height, self.message.layout.height = f"{HEIGHT}px", "28px"

        does = {control: self._choose for control in (self.digit, self.number, *self.given.values())}
        does |= {control: self._paint for control in (self.index, *self.sliders)}
        for control, handler in (does | {self.range: self._set_range, self.reset: self._zero, self.keep: self._keep}).items():
            self._on(control, handler)

        heads, edges = [*self.given.values(), widgets.Label("label: class probabilities")], self.strip.edges
        for head, left, right in zip(heads, edges, edges[1:], strict=False):
            _sized(head, right - left - MARGIN)
        rows = [widgets.HBox([slider, self.unit]) for slider in self.sliders[:-1]]
        rows += [widgets.HBox([self.index, self.sliders[-1], self.unit]), self.meaning]
        return [
            widgets.HBox([self.digit, self.number, self.range, self.reset, self.keep]),
            widgets.HBox(heads, layout={"padding": f"0 0 0 {edges[0]}px"}),
            self.image,
            widgets.GridBox(rows, layout={"grid_template_columns": "414px 414px"}),
            self.message,
        ]

    def _on(self, control: Any, handler: Callable[[Any], None]) -> None:
        """Call `handler` when the control is used; show in the panel what it raises, which ipywidgets would swallow."""

        def guarded(change: Any) -> None:
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

        if isinstance(control, widgets.Button):
            control.on_click(guarded)
        else:
            control.observe(guarded, "value")

    def _say(self, text: str, kind: str = "plain") -> None:
        colour = {"plain": "--jp-ui-font-color2", "bad": "--jp-error-color1"}[kind]
        self.message.value = f'<span style="color: var({colour})">{escape(text)}</span>'

    @torch.inference_mode()
    def _choose(self, change: Any = None) -> None:
        """Another triplet, or other modalities given: its originals, its posterior mean, and a new picture."""
        given = [name for name, box in self.given.items() if box.value]
        if not given:
            change["owner"].value = True
            return self._say("At least one modality must be given: with none there is only the prior.", "bad")
        rows = (self.labels == self.digit.value).nonzero()[:, 0]
        self.number.max = len(rows) - 1
        self.row = int(rows[self.number.value])
        originals = {"label": torch.eye(self.model.spec.model.classes)[self.digit.value]}
        if self.triplets:
            x, _ = self.triplets.gather([self.row])
            originals |= {name: value[0] for name, value in x.items()}
            self.mean = self.model.posterior({name: x[name] for name in given}).mean[0]
        else:
            self.mean = torch.tensor(self.examples["posterior_mean"][self.combination()][self.row])
        self.strip.originals({name: value.numpy() for name, value in originals.items()}, given)
        self._paint()

    def _paint(self, _: Any = None) -> None:
        """All that a slider's move does: one latent decoded, one image sent."""
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

    def _zero(self, _: Any = None) -> None:
        for slider in self.sliders:
            slider.value = 0.0
        self._paint()

    def _keep(self, _: Any = None) -> None:
        names = (f"06_view_{n:02}" for n in itertools.count(1))
        name = next(name for name in names if not list(style.folder().glob(f"{name}*.png")))
        self._say("Saved: " + self.save(*self.snapshot(), name))

    def combination(self) -> str:
        """What is given, as the report names it: "m1,m3"."""
        return subset_name(tuple(i for i, box in enumerate(self.given.values()) if box.value))

    def moves(self) -> list[tuple[int, float]]:
        """Every index moved, and by how much, in the sliders' unit."""
        indices = (*self.top, self.index.value)
        return [(index, slider.value) for index, slider in zip(indices, self.sliders, strict=True) if slider.value]

    def step(self) -> Tensor:
        """What one unit of the sliders adds to each latent index: ``[D]``."""
        return self.sd if self.range.value == SD else torch.ones_like(self.sd)

    @torch.inference_mode()
    def latent(self) -> Tensor:
        """The triplet's posterior mean with every index moved: ``[D]``."""
        z = self.mean
        for index, amount in self.moves():
            z = perturb(z, index, amount * self.step()[index : index + 1])[0]
        return z

    @torch.inference_mode()
    def means(self, z: Tensor) -> dict[str, Any]:
        """Latents ``[..., D]`` -> what is rebuilt from them, and "label", the class probabilities: numpy ``[..., features]``."""
        everything = self.model.rebuild(z) | {"label": self.model.label_decoder(z).softmax(-1)}
        return {name: value.numpy() for name, value in everything.items()}

    def picture(self) -> Any:
        """The strip as it stands: palette indices, uint8 ``[height, width]``."""
        return self.strip.picture(self.means(self.latent()))

    def snapshot(self) -> "tuple[Figure, pd.DataFrame]":
        """This view as a figure, and the class probabilities in it."""
        moved = ", ".join(f"z{index} {amount:+g} {self.unit.value}" for index, amount in self.moves()) or "nothing moved"
        given = " ".join(style.MARK["given" if box.value else "missing"] + " " + box.description for box in self.given.values())
        figure = self.strip.figure(self.picture(), f"A {self.digit.value}, number {self.number.value}: {given}; {moved}")
        probability = self.means(self.latent())["label"]
        return figure, self._frame(moved=moved, label=range(len(probability)), probability=probability)

    def walk(self, index: int, steps: Tensor) -> "tuple[Figure, pd.DataFrame]":
        """This view with one index moved by each of `steps`, in sd: both scripts as a figure, and the labels read on the way."""
        means = self.means(perturb(self.latent(), index, steps * self.sd[index]))  # [K, features]
        label = {"label": means["label"].argmax(-1), "probability": means["label"].max(-1)}
        frame = self._frame(index=index, sd=steps, **label)
        return latent.walk(frame, {name: means[name] for name in self.strip.images}), frame

    def _frame(self, **columns: Any) -> "pd.DataFrame":
        """A frame that begins with which triplet it is of; no sample and no pixel in it."""
        import pandas as pd

        place = self.row if self.triplets else self.examples["place"][self.row]
        return pd.DataFrame(dict(split=self.split, place=place, digit=self.digit.value, given=self.combination(), **columns))

    def save(self, figure: "Figure", frame: "pd.DataFrame", name: str) -> str:
        """Write a figure and its frame to `style.folder()`; returns the PNG's path from the repository's root."""
        path = style.save(figure, name if self.triplets else f"{name}-stored", frame, self.source)
        return os.path.relpath(path, ROOT)


def _sized(control: Any, width: int, description: int | None = None) -> Any:
    """The control at a fixed width, of which its description has so much; in pixels."""
    control.layout = {"width": f"{width}px", "min_width": f"{width}px", "margin": f"0 {MARGIN}px 0 0"}
    if description is not None:
        control.style.description_width = f"{description}px"
    return control
