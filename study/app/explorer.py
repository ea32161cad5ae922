"""The latent explorer: what its controls do. Whatever is moved, one latent is decoded and one image is sent."""

import itertools
import os
import time
from collections import deque

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from mvae_lib import MVAE
from mvae_lib.pairs import Pairs
from mvae_lib.storage import ROOT
from study.app.controls import FILM, SD, Controls
from study.app.panel import ERROR, Panel
from study.app.picture import LINES, Picture
from study.app.scene import Scene
from study.evidence.latent import STEPS, perturb
from study.plots import draw, style

PAUSE, KEPT = 0.5, 200  # seconds of rest that part one step of undo from the next, and how many steps are kept


class Explorer(Panel):
    """Rebuilds all modalities from one latent while its dimensions are dragged. Leave it as a cell's last expression.

    It holds a `scene` (which tuple, its latent, what is rebuilt from there), a `picture` of it, and `controls`.

    Args:
        model, pairs: as `Scene` takes them. Without pairs, the originals' areas say that they need the data.
    """

    def __init__(self, model: MVAE, pairs: Pairs | None = None) -> None:
        self.scene = Scene(model, pairs)
        self.picture = Picture(self.scene.kinds, self.scene.limits())
        self.controls = c = Controls(self.scene, self.picture.edges)
        super().__init__(self.picture.width)
        self.image, self._past, self._moved, self._looked_at = self.picture.widget(), deque(maxlen=KEPT), float("-inf"), (-1, [])
        self.children = [*c.above, self.image, c.below, self.message]
        for control in (c.digit, c.number, *c.given.values(), *c.sliders, c.dimension, c.across, c.up, c.view):
            self.on(control, self._show)
        acts = {c.range: c.set_range, c.sort: c.rank, c.play: c.sweep, c.reset: c.zero, c.random: c.any_tuple}
        for control, act in acts.items():  # first among the controls, and then what they show
            self.on(control, act, self._show)
        for control, handler in {c.hardest: self._sort, c.undo: self._undo, c.copy: self._copy, c.keep: self._keep}.items():
            self.on(control, handler)
        c.pad.on_msg(lambda pad, answer, buffers: self.run(lambda: self._copied(answer["copied"])))
        self._now = c.state()
        self._show()
        self.say(self.note)

    @property
    def note(self) -> str:
        """What one looks at."""
        scene, c = self.scene, self.controls
        here = f", {c.number.max + 1:,} of this {scene.noun}" if scene.labelled else ""
        sort = ", the least probable first" if c.hardest.value and scene.hardest is not None else ""
        return f"{scene.source}; {len(scene.labels):,} {scene.nouns} of {scene.split}{here}{sort}."

    def moves(self) -> list[tuple[int, float]]:
        """Every dimension moved, and by how much, in the sliders' unit."""
        c = self.controls
        return [(k, slider.value) for k, slider in zip(c.dimensions, c.sliders, strict=True) if slider.value]

    def step(self) -> Float[Tensor, "D"]:
        """What one unit of the sliders adds to each dimension."""
        return self.scene.sd if self.controls.range.value == SD else torch.ones_like(self.scene.sd)

    @torch.inference_mode()
    def latent(self) -> Float[Tensor, "D"]:
        """The tuple's posterior mean with every dimension moved."""
        z = self.scene.mean
        for dimension, amount in self.moves():
            z = perturb(z, dimension, amount * self.step()[dimension : dimension + 1])[0]
        return z

    def view(self) -> Image.Image:
        """All areas; or, as a film, the dimension across, moved through its slider's whole range (the report's Figure 5)."""
        c, z = self.controls, self.latent()
        if c.view.value != FILM:
            return self.picture.rebuilt(self.scene.means(z))
        slider, dimension = c.sliders[c.across.value], c.dimensions[c.across.value]
        amounts = slider.max * STEPS.double().numpy()  # without 0, as the report's
        from_here = torch.tensor(amounts - slider.value, dtype=torch.float32) * self.step()[dimension]
        steps = f"{amounts[1] - amounts[0]:g} a tile, {amounts[LINES] - amounts[0]:g} a line"
        title = f"z{dimension}, in {c.unit.value}: {steps}; framed: nearest to where its slider stands"
        means = self.scene.means(perturb(z, dimension, from_here))  # [100, F]
        return self.picture.film(means, amounts, int(abs(amounts - slider.value).argmin()), title)

    def snapshot(self) -> tuple[Figure, pd.DataFrame]:
        """This view as a figure, and the class probabilities in it."""
        c, scene = self.controls, self.scene
        moved = ", ".join(f"z{index} {amount:+g} {c.unit.value}" for index, amount in self.moves()) or "nothing moved"
        given = " ".join(style.MARK["given" if box.value else "missing"] + " " + box.description for box in c.given.values())
        number = f"A {c.digit.value}, number" if scene.labelled else "Number"
        figure = self.picture.figure(self.view(), f"{number} {c.number.value}: {given}; {moved}", c.view.value != FILM)
        probability = scene.means(self.latent()).get("label", [np.nan])
        return figure, scene.frame(moved=moved, label=range(len(probability)), probability=probability)

    def walk(self, dimension: int, steps: Float[Tensor, "K"]) -> tuple[Figure, pd.DataFrame]:
        """This view with one dimension moved by each of `steps`, in sd: all images as a figure, and the labels read."""
        means = self.scene.means(perturb(self.latent(), dimension, steps * self.scene.sd[dimension]))  # [K, F]
        images = {name: means[name].reshape(len(steps), *self.picture.areas[name].shape) for name in self.picture.images}
        read = {"label": means["label"].argmax(-1), "probability": means["label"].max(-1)} if "label" in means else {}
        frame = self.scene.frame(index=dimension, sd=steps, **read)
        return draw("walk_top", frame, images=images, over="{sd:+g} sd" + ("\nread as {label}" if read else "")), frame

    def save(self, figure: Figure, frame: pd.DataFrame, name: str) -> str:
        """Write a figure and its frame to `style.folder()`; returns the PNG's path from the repository's root."""
        path = style.save(figure, name if self.scene.pairs else f"{name}-stored", frame, self.scene.source)
        return os.path.relpath(path, ROOT)

    def code(self) -> str:
        """Lines of Python that rebuild, with the library alone, what is rebuilt here."""
        scene = self.scene
        about = f"  # a {int(scene.labels[scene.row])}" if scene.labelled else ""
        if scene.ours:
            other = "from mvae_lib import data" if scene.pairs else "import torch"
            lines = ["import mvae_lib", other, "", f'model = mvae_lib.load("{scene.model.spec.name}")']
        else:
            lines = ["import torch", "", "# model, pairs: those of this explorer"]
        if scene.pairs:
            pairs = f'data.load("{scene.split}", recipe=model.spec.data)' if scene.ours else "pairs"
            posterior = f"model.posterior({{name: x[name] for name in {list(scene.given)}}})"
            lines += [f"x, _ = {pairs}.gather([{scene.row}]){about}", f"z = {posterior}.mean[0].detach()  # [{len(scene.sd)}]"]
        else:
            stored = f'model.card["examples"]["posterior_mean"]["{scene.combination(scene.given)}"][{scene.row}]'
            lines += [f"z = torch.tensor({stored}){about}"]
        unit = ' * model.card["latent"]["sd"][{}]' if self.controls.range.value == SD else ""
        lines += [f"z[{index}] += {amount:g}{unit.format(index)}" for index, amount in self.moves()]
        return "\n".join([*lines, "rebuilt = model.rebuild(z)", ""])

    def _show(self) -> None:
        """What the controls say: the originals, if the tuple is another; one latent decoded (a film: 100); one image sent."""
        c, scene = self.controls, self.scene
        given = [name for name, box in c.given.items() if box.value]
        if not given:
            c.given[self._looked_at[1][0]].value = True
            return self.say("At least one modality must be given: with none there is only the prior.", ERROR)
        rows = scene.rows(c.digit.value, c.hardest.value)
        c.number.max = len(rows) - 1
        which = int(rows[c.number.value]), given
        if which != self._looked_at:
            scene.look(*which)
            self.picture.originals(scene.originals(), scene.given, "missing" if scene.pairs else "the original\nneeds\nthe data")
            self._looked_at = which
        c.aim()
        self._remember()
        self.image.value = self.picture.png(self.view())

    def _sort(self) -> None:
        self.controls.number.value = 0
        if self.controls.hardest.value and self.scene.hardest is None:
            self._remember()
            self.say(f"Reading {len(self.scene.labels):,} {self.scene.nouns}, once, to find the hardest. The sliders go on.")
            return self.later(self.scene.find_hardest, self._show)
        self._show()

    def _remember(self) -> None:
        """Keep what stood before this move, unless it goes on with one of a moment ago: a drag is one step of undo."""
        state, now = self.controls.state(), time.monotonic()
        if state != self._now:
            if now - self._moved > PAUSE:
                self._past.append(self._now)
            self._now, self._moved = state, now

    def _undo(self) -> None:
        if not self._past:
            return self.say("Nothing to undo.")
        self._now, self._moved = self._past.pop(), float("-inf")
        self.controls.put_back(self._now)
        self._show()

    def _keep(self) -> None:
        names = (f"06_view_{n:02}" for n in itertools.count(1))
        name = next(name for name in names if not list(style.folder().glob(f"{name}*.png")))
        self.say("Saved: " + self.save(*self.snapshot(), name))

    def _copy(self) -> None:
        self.say("Asking the browser for its clipboard …")
        self.controls.pad.send({"copy": self.code()})

    def _copied(self, done: bool) -> None:
        refused = f"The browser gave no access to its clipboard. Mark it by hand:\n{self.code()}"
        self.say("Copied: Python that rebuilds this view. Paste it anywhere." if done else refused)
