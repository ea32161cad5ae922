"""Every figure again from its saved CSV, no training; those with samples find them by split and index, so these need the data."""

from functools import cache
from pathlib import Path

import pandas as pd
import torch

from mvae_lib import data, load
from mvae_lib.data.digits import FORMS
from study.evidence.audibility import sounds_of
from study.evidence.latent import reconstruction_grid, walk
from study.evidence.missing import beside_class_means
from study.plots import style
from study.plots.registry import FIGURES, draw

IMAGES = ("farsi", "kannada")


class Inputs:
    """The shipped model and its splits, each loaded once; and what a figure's table stands for, as `draw` takes it."""

    def __init__(self) -> None:
        self.model = load("as_run")
        self.split = cache(lambda name: data.load(name, self.model.spec.data))

    def pool(self, frame: pd.DataFrame) -> dict:
        parts = {name: rows["index"].tolist() for name, rows in frame.groupby("modality", sort=False)}
        return {"images": {name: self.split("train").pools[name][index] / 255 for name, index in parts.items()}}

    def class_means(self, frame: pd.DataFrame) -> dict:
        return {"images": {name: torch.tensor(self.model.card["class_means"][name]) for name in IMAGES}}

    def crops(self, frame: pd.DataFrame) -> dict:
        crops = data.farsi_crops(int(frame["index"].max()) + 1)[0]
        cut = [crops[i] for i in frame["index"]]
        return {"images": {"as cut": cut} | {name: [form(crop) / 255 for crop in cut] for name, form in FORMS.items()}}

    def tuples(self, frame: pd.DataFrame) -> dict:
        pairs, epochs = self.split(frame["split"].iloc[0]), frame.get("epoch", pd.Series(0, frame.index))
        each = [pairs.repaired(epoch).gather([index])[0] for epoch, index in zip(epochs, frame["index"], strict=True)]
        return {"x": {name: torch.cat([x[name] for x in each]) for name in each[0]}}

    def recordings(self, frame: pd.DataFrame) -> dict:
        known = {recording.name: recording for recording in data.recordings()}
        return {"sounds": {f"{known[name].digit} ({known[name].speaker})": known[name].samples for name in frame["index"]}}

    def sounds(self, frame: pd.DataFrame) -> dict:
        spoken, first = load("spoken"), frame.iloc[0]
        return {"sounds": sounds_of(spoken, data.load(first["split"], spoken.spec.data), int(first["place"]))[0]}

    def reconstructions(self, frame: pd.DataFrame) -> dict:
        places = frame.loc[frame["given"] == "original", "place"].tolist()
        return {"images": {name: reconstruction_grid(self.model, self.split("test"), places, name)[0] for name in IMAGES}}

    def walk(self, frame: pd.DataFrame) -> dict:
        each = []
        for _, rows in frame.groupby("factor" if "factor" in frame else "index", sort=False):
            place, dimension = rows[["place", "index"]].iloc[0].tolist()
            amounts = torch.tensor(rows["amount"].to_numpy(), dtype=torch.float32)
            each.append(walk(self.model, self.split("test"), place, dimension, amounts)[0])
        return {"images": {name: torch.cat([images[name] for images in each]) for name in IMAGES}}

    def beside(self, frame: pd.DataFrame) -> dict:
        places = frame.loc[(frame["row"] == "original") & (frame["target"] == "farsi"), "place"].tolist()
        return {"images": beside_class_means(self.model, self.split("test"), places)[0]}


def redraw(where: Path = style.SAVED) -> pd.DataFrame:
    """Draw every figure whose CSV lies in `where`, into `style.folder`; a row a figure: its name, and what became of it."""
    inputs, rows = Inputs() if data.is_real() else None, []
    for path in sorted(where.glob("*.csv")):
        name, entry = path.stem, FIGURES.get(path.stem, {"needs": "notebook"})
        (frame, source), needs = style.saved(name, where), entry.get("needs")
        if needs == "notebook":
            became = "skipped: drawn by its notebook alone"
        elif needs and not inputs:
            became = "skipped: its samples need the real data (data/README.md)"
        else:
            figure = draw(name, frame, **(getattr(inputs, needs)(frame) if needs else {})) if "draw" in entry else None
            style.save(figure, name, frame, source)
            became = "drawn" if figure else "a table, without a picture"
        rows.append((name, became))
    return pd.DataFrame(rows, columns=["figure", "became"])
