"""Draw it, say it: what is given by hand goes to the experts as the data would, and all the rest is rebuilt."""

import ipywidgets as widgets
import pandas as pd
import torch
from ipywidgets import HBox, VBox
from jaxtyping import Int16
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor

from mvae_lib import MVAE
from mvae_lib.data import Triplets, speech
from study.app.controls import headed
from study.app.drawing import drawn
from study.app.panel import Panel, sized
from study.app.pen import EXAMPLES, Pen
from study.app.picture import Picture
from study.app.scene import Scene
from study.app.sound import SPAN, read_upload, wav
from study.app.upload import Upload
from study.evidence.audibility import audible, recorded, scaler
from study.plots import style

NONE = -1  # a choice that stands for none
STRANGE = 1.5  # sd of the training frames from a sound to what is rebuilt of it: recordings in noise reach 1.34, tones pass 3


class Studio(Panel):
    """Two squares to draw on and a place for a sound; below, what the model was given and what it rebuilds.

    Args:
        model: a shipped model of speech with a time axis, ``mvae_lib.load("spoken")``; ValueError: its speech cannot be heard.
        pairs: of the model's own recipe: any of their recordings can be picked. None: a sound can only be loaded.
    """

    def __init__(self, model: MVAE, pairs: Triplets | None = None) -> None:
        self.model, self.pairs, self.scaler, self.scene = model, pairs, scaler(model), Scene(model, pairs)
        self.picture = Picture(self.scene.kinds, self.scene.limits(), "given")
        self.given: dict[str, Tensor] = {}  # what the experts are given, [1, *shape] each, in the recipe's units
        super().__init__(self.picture.width)
        self.pens, self.undo, self.clear, self.examples = {}, {}, {}, {}
        columns = [*map(self._paper, EXAMPLES), self._speech()]
        for column in columns:
            column.layout.margin = "0 12px 0 0"
        self.image = self.picture.widget()
        heads = headed([widgets.Label(title) for title in self.picture.titles.values()], self.picture.edges)
        self.children = [HBox(columns), heads, self.image, self.message]
        self._rebuild()

    @property
    def note(self) -> str:
        if self.given:
            return "Draw, or load a sound, in any combination: what is not given is rebuilt from what is."
        return "Nothing is given: what is rebuilt is the mean of the prior. Draw, or load a sound."

    def _paper(self, script: str) -> VBox:
        """A square to draw on, and what is under it."""
        title = style.TITLE[script]
        pen = self.pens[script] = Pen(label=f"Draw a {title.split()[1]} digit", layout={"width": "206px", "height": "206px"})
        undo, clear = (sized(widgets.Button(description=word), 62) for word in ("Undo", "Clear"))
        digits = [("e.g.", NONE), *((str(digit), digit) for digit in range(len(EXAMPLES[script])))]
        example = sized(widgets.Dropdown(options=digits), 74)
        self.undo[script], self.clear[script], self.examples[script] = undo, clear, example
        self.on(pen, lambda: self.draw(script, pen.strokes), trait="strokes")
        self.on(undo, lambda: self.draw(script, pen.strokes[:-1]))
        self.on(clear, lambda: self.draw(script, []))
        self.on(example, lambda: self._example(script))
        return VBox([widgets.Label(f"{title}: draw it"), pen, HBox([undo, clear, example])])

    def _speech(self) -> VBox:
        """A sound to load or to pick, and two players."""
        names = [(name, row) for row, name in enumerate(self.pairs.speech_names)] if self.pairs else []
        options = [("a test recording" if names else "(no recordings here)", NONE), *names]
        self.file = sized(Upload(), 130)
        self.pick = sized(widgets.Dropdown(options=options, disabled=not names), 160)
        self.forget = sized(widgets.Button(description="Clear"), 70)
        self.said, self.rebuilt = (sized(widgets.Audio(autoplay=False, loop=False), 300, height=40) for _ in range(2))
        rows = [HBox([self.file, self.pick, self.forget])]
        for words, player in (("as given", self.said), ("as rebuilt", self.rebuilt)):
            rows.append(HBox([sized(widgets.Label(words), 60), player], layout={"align_items": "center"}))
        self.file.on_msg(lambda _, about, parts: self.run(lambda: self._load(parts=parts, **about)))
        self.on(self.pick, self._pick)
        self.on(self.forget, lambda: self.listen(None))
        return VBox([widgets.Label(f"{style.TITLE['speech']}: say it, and hear it"), *rows])

    def draw(self, script: str, strokes: list) -> None:
        """Give the model a drawing, or, with no stroke, none."""
        pen = self.pens[script]
        pen.strokes = strokes
        image = torch.tensor(drawn(strokes, script, pen.width)).reshape(1, -1) / 255 if strokes else None
        self._give(script, image)  # [1, 784]

    def _example(self, script: str) -> None:
        digit = self.examples[script].value
        if digit != NONE:
            self.draw(script, EXAMPLES[script][digit])
            self.examples[script].value = NONE  # the same one can be taken again

    def _load(self, name: str, size: int, parts: list) -> None:
        samples = read_upload(self.file.content(size, parts))
        self.listen(samples)
        known = "" if self._away() < STRANGE else " This is no word that I know."
        self.say(f"{name}: {len(samples) / speech.RATE:.2f} s of sound.{known} {self.note}")

    @torch.inference_mode()
    def _away(self) -> float:
        """How far what is rebuilt of the sound alone is from it: root mean square, in sd of the training frames."""
        said = self.given["speech"]
        return float((self.model.reconstruct({"speech": said})["speech"] - said.flatten(1)).square().mean().sqrt())

    def _pick(self) -> None:
        if self.pairs and self.pick.value != NONE:
            self.listen(recorded(self.pairs, self.pick.value), self.pick.value)

    def listen(self, samples: Int16[ndarray, "n"] | None, pick: int = NONE) -> None:
        """Give the model a sound at 8 kHz, or none; what it hears of it is played. `pick`: which of the recordings it is."""
        samples = None if samples is None else samples[:SPAN]
        self.pick.value, self.said.value = pick, b"" if samples is None else wav(samples)
        raw = None if samples is None else torch.from_numpy(speech.frames(samples))  # [n] -> [13, 64]
        self._give("speech", None if raw is None else ((raw - self.scaler["offset"]) / self.scaler["scale"])[None])  # [1, 13, 64]

    def _give(self, name: str, value: Tensor | None) -> None:
        given = {**self.given, name: value}
        self.given = {key: given[key] for key in self.model.names if given.get(key) is not None}
        self._rebuild()

    def means(self) -> dict[str, ndarray]:
        """All modalities, and "label", from what is given, by the posterior mean; from none of them, by the prior's."""
        return self.scene.means(self.scene.posterior_mean(self.given))

    def _rebuild(self) -> None:
        """The picture first, and then the sound, which takes longer."""
        self.say(self.note)
        means, given = self.means(), {name: value[0].flatten().numpy() for name, value in self.given.items()}
        self.picture.originals(given, tuple(given), "not\ngiven")
        self.image.value = self.picture.png(self.picture.rebuilt(means))
        self.rebuilt.value = wav(audible(self.model, torch.from_numpy(means["speech"])))

    def snapshot(self) -> tuple[Figure, pd.DataFrame]:
        """This view as a figure, and the class probabilities in it."""
        means = self.means()
        given = " ".join(style.MARK["given" if n in self.given else "missing"] + " " + style.TITLE[n] for n in self.model.names)
        frame = pd.DataFrame({"given": given, "label": range(len(means["label"])), "probability": means["label"]})
        return self.picture.figure(self.picture.rebuilt(means), f"By hand: {given}"), frame
