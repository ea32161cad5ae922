"""Hear it: one triplet's recording, and what the model rebuilds of it from speech and from an image alone."""

import io

import ipywidgets as widgets
import pandas as pd
import torch
from ipywidgets import HBox, VBox
from matplotlib.figure import Figure

from mvae_lib import MVAE
from mvae_lib.data import Triplets
from study.app.panel import MARGIN, Panel, sized
from study.app.scene import Scene
from study.app.sound import wav
from study.evidence.audibility import GIVEN, audible, scaler, sounds_of
from study.plots import draw, style
from study.plots.own import HEARD

PLAYER = 160  # width of a player in pixels


class Listener(Panel):
    """Five players in a row, their spectrograms beneath.

    Args:
        model, pairs: as `Scene` takes them, of ``mvae_lib.load("spoken")``; ValueError: the model's speech has no time axis.
            Without pairs there are no recordings: what is rebuilt from the stored posterior means can be heard.
    """

    def __init__(self, model: MVAE, pairs: Triplets | None = None) -> None:
        scaler(model)
        super().__init__()
        self.scene, self.pairs = Scene(model, pairs), pairs
        self.digit = sized(widgets.Dropdown(options=self.scene.classes, value=7, description="digit"), 94, 34)
        self.number = sized(widgets.BoundedIntText(0, min=0, description="number"), 126, 54)
        names = [name for name in HEARD if pairs or name.startswith("rebuilt")]
        self.players = {name: sized(widgets.Audio(autoplay=False, loop=False), PLAYER) for name in names}
        self.image = sized(widgets.Image(format="png"), len(names) * (PLAYER + MARGIN))
        columns = [VBox([widgets.Label(name), player]) for name, player in self.players.items()]
        self.children = [HBox([self.digit, self.number]), HBox(columns), self.image, self.message]
        for control in (self.digit, self.number):
            self.on(control, self._choose)
        self._choose()

    def _choose(self) -> None:
        scene, rows, file = self.scene, self.scene.rows(self.digit.value), io.BytesIO()
        self.number.max = len(rows) - 1
        row = int(rows[self.number.value])
        if self.pairs:
            self.sounds, self.frame = sounds_of(scene.model, self.pairs, row)
        else:
            self.sounds = {}
            for name, given in GIVEN.items():
                scene.look(row, given)
                speech = torch.from_numpy(scene.means(scene.mean)["speech"])
                self.sounds[f"rebuilt from {name}"] = audible(scene.model, speech)
            self.frame = scene.frame(heard_from=list(self.players))  # no sample in it
        for name, player in self.players.items():
            player.value = wav(self.sounds[name])
        with style.look():
            self.snapshot()[0].savefig(file, format="png")
        self.image.value = file.getvalue()

    def snapshot(self) -> tuple[Figure, pd.DataFrame]:
        """The spectrograms as a figure, and what is to be said of each sound."""
        return draw("spectrograms", self.frame, sounds=self.sounds), self.frame
