"""What the explorer's controls amount to: a latent, a picture, a figure to save, lines of code. Nothing here reacts to them."""

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.data.sources import ROOT
from mvae_lib.evaluate import perturb
from mvae_lib.figures import latent, style
from mvae_lib.model import MVAE
from mvae_lib.widgets.controls import DIGIT, FILM, KL, SD, Controls
from mvae_lib.widgets.scene import Move, Scene
from mvae_lib.widgets.strip import LINES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class View(Controls):
    """The controls over a scene.

    Args:
        model, triplets: as the scene takes them.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        self.scene = Scene(model, triplets)
        self.sd, self.source = self.scene.sd, self.scene.source
        super().__init__(model.spec, {KL: self.scene.kl, DIGIT: self.scene.mi})

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

    def code(self) -> str:
        """Lines of Python that rebuild, with the library alone, what is rebuilt here."""
        return self.scene.code(self.moves(), in_sd=self.range.value == SD)
