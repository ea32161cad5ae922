"""The one look: colours, marks, words, and how a figure becomes a file."""

import json
import os
import re
from collections.abc import Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from math import isqrt
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from IPython.core.pylabtools import print_figure
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from mvae_lib.data.arrays import STANDIN
from mvae_lib.storage import HOME
from mvae_lib.tables import REPORT_ORDER

SAVED = Path(__file__).parents[2] / "figures"
"""The committed figures, each beside its CSV."""
LOOK = json.loads(Path(__file__).with_name("look.json").read_text())
COLOUR, TITLE, WORD = LOOK["colour"], LOOK["title"], LOOK["title"] | LOOK["word"]
"""Of a modality, and of what is none: its one colour (told apart by the colour-blind), and what a picture calls it."""
CYCLE = ("#56B4E9", "#882255", "#44AA99", "#999933", "#661100", "#AA4499")  # of names that are not in `COLOUR`, in turn
MARK = {"given": "●", "missing": "○", "rebuilt": "◆"}
INK = "Greys"  # the colour map of images, 0 to 1: black ink on white paper


def look() -> AbstractContextManager:
    """The study's settings of matplotlib, for a `with` or as a decorator; the reader's own stand again afterwards."""
    return matplotlib.rc_context(LOOK["rc"])


class Picture(Figure):
    """A figure outside pyplot, drawn in the study's look whatever is set when it is drawn (ticks are made only then)."""

    def draw(self, renderer: Any) -> None:
        with look():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        return print_figure(self, bbox_inches=None, dpi=self.dpi)  # type: ignore[arg-type,return-value]


def new(rows: int = 1, columns: int = 1, size: Sequence[float] = (6.0, 3.5), **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure in the one look, and its axes ``[rows, columns]``. `size` in inches; `options` go to `Figure.subplots`."""
    with look():
        figure = Picture(figsize=(size[0], size[1]), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def folder() -> Path:
    """Where figures go: ``figures`` in the folder that MVAE_OUT names, by default the git-ignored ``data/out``."""
    return Path(os.environ.get("MVAE_OUT", HOME / "out")) / "figures"


def colour(name: str, names: Sequence[str] = ()) -> str:
    """A modality's colour; one that the study does not know takes its turn, among those of `names`, in a fixed cycle."""
    unknown = [other for other in names if other not in COLOUR]
    return COLOUR.get(name) or CYCLE[unknown.index(name) % len(CYCLE) if name in unknown else 0]


def title(name: str, names: Sequence[str] = ()) -> str:
    """What a picture calls a modality: ``"m1 Farsi"``; one that the study does not know, its place among `names` and its name."""
    return TITLE.get(name) or (f"m{list(names).index(name) + 1} {name}" if name in names else name)


def is_given(value: Any) -> bool:
    """Whether a value names a combination, such as ``"m1,m3"``, or none: ``""``."""
    return isinstance(value, str) and re.fullmatch(r"(m\d+(,m\d+)*)?", value) is not None


def marks(given: str, n: int) -> str:
    """A combination of `n` modalities in marks: ``"m1,m3"`` of three -> ``"●○●"``; ``""`` is none."""
    return "".join(MARK["given" if f"m{i + 1}" in given.split(",") else "missing"] for i in range(n))


def words(values: Iterable[Hashable]) -> dict[Any, str]:
    """Values, each once, -> what a picture calls them: a combination in marks (all seven of three, in the report's order)."""
    once = list(dict.fromkeys(values))
    n = max((int(m) for value in once if is_given(value) for m in re.findall(r"\d+", str(value))), default=0)
    once = [*REPORT_ORDER, *(v for v in once if v not in REPORT_ORDER)] if set(REPORT_ORDER) <= set(once) else once
    return {value: marks(str(value), n) if n and is_given(value) else str(word(value)) for value in once}


def word(value: Any) -> Any:
    """One value's or column's word: of `WORD`, of a reconstruction's column, or itself."""
    kind, _, name = value.partition("_") if isinstance(value, str) else ("", "", "")
    return WORD[kind].format(title(name)) if kind in ("bce", "sse") and name else WORD.get(value, value)


def square(tile: Tensor | np.ndarray) -> np.ndarray:
    """An image as rows of pixels: ``[s * s]`` -> ``[s, s]``, and ``[h, w]`` as it is."""
    tile = np.asarray(tile)
    return tile.reshape(isqrt(tile.size), -1) if tile.ndim == 1 else tile


def table(frame: pd.DataFrame, caption: str, formats: dict | str | None = None) -> HTML:
    """A table for a notebook. `formats`: column -> format string; a dash where there is no value; the source in the caption."""
    return HTML(frame.style.format(formats, na_rep="–").set_caption(caption).set_uuid("t").to_html())  # the same bytes each time


def saved(name: str, where: Path = SAVED) -> tuple[pd.DataFrame, str]:
    """A committed figure's table and its source: a measurement that takes longer than a notebook should."""
    frame = pd.read_csv(where / f"{name}.csv", dtype={"answer": str})  # an answer may look like a number
    return frame.drop(columns="source"), frame["source"].iloc[0]


def pm(values: pd.Series, form: str = "{:.1f}") -> str:
    """Mean ± sd of the same values, each in the form: no mean stands beside another's sd. One value stands alone."""
    return form.format(values.mean()) + (f" ± {form.format(values.std())}" if values.count() > 1 else "")


def measured(name: str) -> tuple[pd.DataFrame, str]:
    """One result of `make bench` and the machine it is from: this machine's if it was run here, else the committed one."""
    here = HOME / "out" / "bench"
    if (here / f"{name}.csv").exists() and (here / "machine.json").exists():
        machine = json.loads((here / "machine.json").read_text())
        return pd.read_csv(here / f"{name}.csv"), "{cpu} ({flags}), {threads} threads, torch {torch}".format(**machine)
    return saved(f"speed_{name}")


def save(figure: Figure | None, name: str, frame: pd.DataFrame, source: str) -> Path:
    """Write ``<name>.png`` and, beside it, the CSV it was drawn from (of what is a table and no figure, that alone).

    `frame`: what was drawn, tidy and without pixels. `source`: whose data it is ("real data" or "stand-in"), and what else a
    caption should say of the run; the stand-in shows in both names and in the picture.
    """
    standin = source.startswith(STANDIN)
    path = folder() / f"{name}{f'-{STANDIN}' if standin else ''}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.assign(source=source).to_csv(path.with_suffix(".csv"), index=False)
    if figure is None:
        return path.with_suffix(".csv")
    if standin:
        figure.text(0.005, 0.002, "STAND-IN DATA", va="bottom", fontsize=8, weight="bold", color=COLOUR["kannada"])
    figure.text(0.995, 0.002, source, ha="right", va="bottom", fontsize=6.5, color="#777777")
    margin = 0.14 / figure.get_figheight()  # room for that line
    if figure.get_constrained_layout():
        figure.get_layout_engine().set(rect=(0, margin, 1, 1 - margin))  # type: ignore[union-attr,call-arg]
    with look():
        figure.savefig(path)
    return path
