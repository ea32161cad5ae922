"""Draw it, say it: what is given by hand goes to the experts as the data would, and all the rest is rebuilt."""

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from mvae_lib.data import Triplets, speech
from mvae_lib.data.digits import drawn
from mvae_lib.data.sound import heard, wav
from mvae_lib.evaluate.heard import audible, recorded, scaler
from mvae_lib.figures import style
from mvae_lib.model import MVAE
from mvae_lib.widgets.controls import SPEECH
from mvae_lib.widgets.panel import MARGIN, Panel, sized
from mvae_lib.widgets.pen import EXAMPLES, Pen
from mvae_lib.widgets.scene import rebuilt
from mvae_lib.widgets.strip import HEIGHT, Strip, png

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCRIPTS = ("farsi", "kannada")
SQUARE, COLUMN, PLAYER = 206, 380, 300
"""Side of a square to draw on, width of the column of speech and of a player in it, in pixels."""
NONE = -1
"""A choice that stands for none."""
NOTE = "Draw, or load a sound, in any combination: what is not given is rebuilt from what is."


class Studio(Panel):
    """Two squares to draw on and a place for a sound; below, what the model was given and what it rebuilds.

    Args:
        model: a shipped model of speech with a time axis: ``mvae_lib.load("spoken")``.
        triplets: of the model's own recipe: any of their recordings can be picked. None: a sound can only be loaded.
    Raises:
        ValueError: the model's speech cannot be heard.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        super().__init__()
        self.model, self.triplets, self.scaler = model, triplets, scaler(model)
        self.strip = Strip(model.spec.model.modalities, model.spec.model.classes, SPEECH["frames"], "given")
        self.given: dict[str, Tensor] = {}
        """What the experts are given, ``[1, *shape]`` each, in the recipe's units."""

        self.pens = {script: Pen(label=f"Draw a {style.TITLE[script].split()[1]} digit") for script in SCRIPTS}
        digits = [("e.g.", NONE), *((str(digit), digit) for digit in range(model.spec.model.classes))]
        self.examples = {script: sized(widgets.Dropdown(options=digits), 74) for script in SCRIPTS}
        self.undo, self.clear = (
            {script: sized(widgets.Button(description=word), 62) for script in SCRIPTS} for word in ("Undo", "Clear")
        )
        names = [(name, row) for row, name in enumerate(triplets.speech_names)] if triplets else []
        self.file = sized(widgets.FileUpload(accept="audio/*", description="Sound file"), 130)
        self.pick = sized(
            widgets.Dropdown(options=[("a test recording" if names else "(no recordings here)", NONE), *names]), 160
        )
        self.pick.disabled = not names
        self.forget = sized(widgets.Button(description="Clear"), 70)
        self.said, self.rebuilt = (sized(widgets.Audio(autoplay=False, loop=False), PLAYER) for _ in range(2))
        self.image = sized(widgets.Image(format="png"), self.strip.width)
        self.image.layout.height = f"{HEIGHT}px"
        self.message.layout.width = self.image.layout.width
        self.children = self._placed()

        for script in SCRIPTS:
            self.on(self.pens[script], lambda _, script=script: self._drawn(script), "strokes")
            self.on(self.undo[script], lambda _, script=script: self.draw(script, self.pens[script].strokes[:-1]))
            self.on(self.clear[script], lambda _, script=script: self.draw(script, []))
            self.on(self.examples[script], lambda _, script=script: self._example(script))
        self.on(self.file, self._load)
        self.on(self.pick, self._pick)
        self.on(self.forget, self._silence)
        self.say(self.note)
        self._rebuild()

    def _placed(self) -> list[Any]:
        columns = []
        for script in SCRIPTS:
            self.pens[script].layout = {"width": f"{SQUARE}px", "height": f"{SQUARE}px"}
            buttons = widgets.HBox([self.undo[script], self.clear[script], self.examples[script]])
            columns.append(widgets.VBox([widgets.Label(f"{style.TITLE[script]}: draw it"), self.pens[script], buttons]))
        words = [sized(widgets.Label(text), COLUMN - PLAYER - 20) for text in ("as given", "as rebuilt")]
        pairs = zip(words, (self.said, self.rebuilt), strict=True)
        players = [widgets.HBox(pair, layout={"align_items": "center"}) for pair in pairs]
        title = widgets.Label(f"{style.TITLE['speech']}: say it, and hear it")
        columns.append(widgets.VBox([title, widgets.HBox([self.file, self.pick, self.forget]), *players]))
        for player in (self.said, self.rebuilt):
            player.layout.height = "40px"
        for column in columns:
            column.layout.margin = "0 12px 0 0"
        edges, names = self.strip.edges, [*self.model.names, "label"]
        heads = [
            sized(widgets.Label(style.TITLE[name]), right - left - MARGIN)
            for name, left, right in zip(names, edges, edges[1:], strict=False)
        ]
        return [widgets.HBox(columns), widgets.HBox(heads, layout={"padding": f"0 0 0 {edges[0]}px"}), self.image, self.message]

    @property
    def note(self) -> str:
        return NOTE if self.given else "Nothing is given: what is rebuilt is the mean of the prior. Draw, or load a sound."

    # ------------------------------------------------------------------ what is given

    def _drawn(self, script: str) -> None:
        """A stroke has ended, or the square was cleared."""
        pen = self.pens[script]
        self.give(script, drawn(pen.strokes, script, pen.width) if pen.strokes else None)

    def draw(self, script: str, strokes: list) -> None:
        self.pens[script].strokes = strokes
        self._drawn(script)

    def _example(self, script: str) -> None:
        digit = self.examples[script].value
        if digit != NONE:
            self.draw(script, EXAMPLES[script][digit])
            self.examples[script].value = NONE  # the same one can be taken again

    def _load(self, _: Any) -> None:
        if self.file.value:
            upload, self.file.value = self.file.value[0], ()
            samples = heard(bytes(upload["content"]))
            self.pick.value = NONE
            self.listen(samples)
            self.say(f"{upload['name']}: {len(samples) / speech.RATE:.2f} s of sound. {self.note}")

    def _pick(self, _: Any) -> None:
        if self.triplets and self.pick.value != NONE:
            self.listen(recorded(self.triplets, self.pick.value))

    def _silence(self, _: Any) -> None:
        self.pick.value = NONE
        self.listen(None)

    def give(self, name: str, image: np.ndarray | None) -> None:
        """Give the model an image, uint8 ``[28, 28]``, or take it away."""
        self._give(name, None if image is None else torch.from_numpy(image.reshape(1, -1) / np.float32(255)))  # [1, 784]

    def listen(self, samples: np.ndarray | None) -> None:
        """Give the model a sound, int16 ``[n]`` at 8 kHz, or take it away."""
        self.said.value = b"" if samples is None else wav(samples)
        raw = None if samples is None else torch.from_numpy(speech.frames(samples))  # [n] -> [13, 64]
        self._give("speech", None if raw is None else ((raw - self.scaler["offset"]) / self.scaler["scale"])[None])  # [1, 13, 64]

    def _give(self, name: str, value: Tensor | None) -> None:
        given = {**self.given, name: value}
        self.given = {key: given[key] for key in self.model.names if given.get(key) is not None}
        self.say(self.note)
        self._rebuild()

    # ------------------------------------------------------------------ what is made of it

    @torch.inference_mode()
    def means(self) -> dict[str, np.ndarray]:
        """All modalities, and "label", from what is given, by the posterior mean; from none of them, by the prior's."""
        latent = self.model.spec.model.latent
        return rebuilt(self.model, self.model.posterior(self.given).mean[0] if self.given else torch.zeros(latent))

    def _rebuild(self) -> None:
        """The picture first, and then the sound, which takes longer."""
        means = self.means()
        self.strip.originals({name: value[0].numpy() for name, value in self.given.items()}, tuple(self.given), "not\ngiven")
        self.image.value = png(self.strip.picture(means))
        self.rebuilt.value = wav(audible(self.model, torch.from_numpy(means["speech"])))

    def snapshot(self) -> "tuple[Figure, pd.DataFrame]":
        """This view as a figure, and the class probabilities in it."""
        import pandas as pd

        means = self.means()
        given = " ".join(style.MARK["given" if n in self.given else "missing"] + " " + style.TITLE[n] for n in self.model.names)
        frame = pd.DataFrame({"given": given, "label": range(len(means["label"])), "probability": means["label"]})
        return self.strip.figure(self.strip.picture(means), f"By hand: {given}"), frame
