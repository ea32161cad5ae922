"""The one look: colours, marks, order, and how a figure becomes a file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mvae_lib.data.sources import ROOT

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy import ndarray

COLOUR = {
    "farsi": "#0072B2",
    "kannada": "#D55E00",
    "speech": "#009E73",
    "label": "#CC79A7",
    "prior": "#8C8C8C",
    "joint": "#222222",
    "report": "#E69F00",
}
"""One colour a modality, and for what is none (Okabe and Ito's set, told apart by the colour-blind)."""
TITLE = {"farsi": "m1 Farsi", "kannada": "m2 Kannada", "speech": "m3 speech", "label": "label"}
MARK = {"given": "●", "missing": "○", "rebuilt": "◆"}
INK = "Greys"
"""Colour map of digits, 0 to 1: black ink on white paper."""
RC = {
    "figure.dpi": 100,
    "savefig.dpi": 130,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
STAND_IN = "stand-in"


def folder() -> Path:
    """Where figures go: ``figures`` in the folder that MVAE_OUT names, by default the git-ignored ``data/out/figures``."""
    return Path(os.environ.get("MVAE_OUT", ROOT / "data" / "out")) / "figures"


def new(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.0, 3.5), **options) -> "tuple[Figure, ndarray]":
    """A figure in the one look, and its axes ``[rows, columns]``. `size` in inches; `options` go to `plt.subplots`."""
    import matplotlib.pyplot as plt

    plt.rcParams.update(RC)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def marks(given: str, names: tuple[str, ...]) -> str:
    """A combination in marks: ``"m1,m3"`` of three -> ``"●○●"``."""
    held = given.split(",")
    return "".join(MARK["given" if f"m{i + 1}" in held else "missing"] for i in range(len(names)))


def digit(axes: "Axes", image: "ndarray", title: str = "", frame: str | None = None) -> None:
    """Draw one image ``[784]`` or ``[28, 28]`` in [0, 1], without ticks, in a frame of the given colour."""
    axes.imshow(image.reshape(28, 28), cmap=INK, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.set_title(title, fontsize=8, pad=2)
    for spine in axes.spines.values():
        spine.set(visible=True, color=frame or "#DDDDDD", linewidth=1.6 if frame else 0.5)


def table(frame: "pd.DataFrame", caption: str, formats: dict) -> "HTML":
    """A table for a notebook. `formats`: column -> format string; a dash where there is no value; the source in the caption."""
    from IPython.display import HTML

    styler = frame.style.format(formats, na_rep="–").set_caption(caption).set_uuid("t")  # the same bytes each time
    return HTML(styler.to_html())


def saved(name: str, where: Path = ROOT / "figures") -> "tuple[pd.DataFrame, str]":
    """A committed figure's table and its source: a measurement that takes longer than a notebook should."""
    import pandas as pd

    frame = pd.read_csv(where / f"{name}.csv", dtype={"answer": str})  # an answer may look like a number
    return frame.drop(columns="source"), frame["source"].iloc[0]


def save(figure: "Figure", name: str, frame: "pd.DataFrame", source: str) -> Path:
    """Write ``<name>.png`` and, beside it, the CSV it was drawn from; the stand-in shows in both names and in the picture.

    Args:
        frame: what was drawn, tidy; an image grid's has split, index, label, metric and no pixels.
        source: whose data it is ("real data" or "stand-in"), with what else a caption should say of the run.
    """
    import matplotlib.pyplot as plt

    if source.startswith(STAND_IN):
        name = f"{name}-{STAND_IN}"
        figure.text(0.005, 0.002, "STAND-IN DATA", ha="left", va="bottom", fontsize=8, weight="bold", color=COLOUR["kannada"])
    figure.text(0.995, 0.002, source, ha="right", va="bottom", fontsize=6.5, color="#777777")
    margin = 0.14 / figure.get_figheight()  # room for that line
    if layout := figure.get_layout_engine():
        layout.set(rect=(0, margin, 1, 1 - margin))  # type: ignore[call-arg]
    path = folder() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)  # a notebook shows the figure that a cell ends with; pyplot would show it again
    frame.assign(source=source).to_csv(path.with_suffix(".csv"), index=False)
    return path
