"""Hear it: one triplet's recording, and what the model rebuilds of it from speech and from an image alone."""

import io
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import torch

from mvae_lib.data import Triplets
from mvae_lib.data.sound import wav
from mvae_lib.evaluate import heard
from mvae_lib.figures.sound import PANELS, spectrograms
from mvae_lib.model import MVAE
from mvae_lib.widgets.panel import MARGIN, Panel, sized
from mvae_lib.widgets.scene import Scene

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PLAYER = 160
"""Width of a player in pixels."""


class Listener(Panel):
    """Five players in a row, their spectrograms beneath.

    Args:
        model, triplets: as `Explorer` takes them, of a model whose speech has its time axis (`mvae_lib.load("spoken")`). Without
            triplets there are no recordings: what is rebuilt from the stored posterior means can be heard.
    Raises:
        ValueError: the model's speech cannot be heard, or as `Scene` raises it.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        heard.scaler(model)
        super().__init__()
        self.scene = Scene(model, triplets)
        self.digit = sized(widgets.Dropdown(options=range(model.spec.model.classes), value=7, description="digit"), 94, 34)
        self.number = sized(widgets.BoundedIntText(0, min=0, description="number"), 126, 54)
        self.players = {name: sized(widgets.Audio(autoplay=False, loop=False), PLAYER) for name in self._sounds()}
        self.image = sized(widgets.Image(format="png"), len(self.players) * (PLAYER + MARGIN))
        columns = [widgets.VBox([widgets.Label(name), player]) for name, player in self.players.items()]
        self.children = [widgets.HBox([self.digit, self.number]), widgets.HBox(columns), self.image, self.message]
        for control in (self.digit, self.number):
            self.on(control, self._choose)
        self._choose()

    def _choose(self, _: Any = None) -> None:
        self.number.max = len(self.scene.rows(self.digit.value)) - 1
        found = self._sounds()
        for name, player in self.players.items():
            player.value = wav(found[name])
        import matplotlib.pyplot as plt

        figure, file = spectrograms(found), io.BytesIO()
        figure.savefig(file, format="png")
        plt.close(figure)  # or the notebook would show it too
        self.image.value = file.getvalue()

    def _row(self) -> int:
        return int(self.scene.rows(self.digit.value)[self.number.value])

    def _sounds(self) -> dict[str, np.ndarray]:
        """Those of `PANELS` that can be had: heard from -> int16 ``[n]``."""
        if self.scene.triplets:
            found, _ = heard.sounds_of(self.scene.model, self.scene.triplets, self._row())
            return {name: found[name] for name in PANELS}
        found = {}
        for name, given in heard.GIVEN.items():
            self.scene.look(self._row(), given)
            found[f"rebuilt from {name}"] = heard.audible(
                self.scene.model, torch.from_numpy(self.scene.means(self.scene.mean)["speech"])
            )
        return {name: found[name] for name in PANELS if name in found}

    def snapshot(self) -> "tuple[Figure, pd.DataFrame]":
        """The spectrograms as a figure, and what is to be said of each sound; no sample in it."""
        if self.scene.triplets:
            found, frame = heard.sounds_of(self.scene.model, self.scene.triplets, self._row())
            return spectrograms(found), frame
        found = self._sounds()
        return spectrograms(found), self.scene.frame(heard_from=list(found))
