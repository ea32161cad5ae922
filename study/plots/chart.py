"""What the kinds of picture share: how a series looks, a panel for each part of a table, bounds, scales, names, one legend."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from mvae_lib.tables import CLASS_MEAN, FLOOR
from study.plots import style
from study.profiles import NAMES

GREY, INK = style.COLOUR["prior"], style.COLOUR["joint"]
LIMITS = {CLASS_MEAN: ":", FLOOR: "-"}  # rows of a table that are no results but bounds -> the dash of their lines


class Look(NamedTuple):
    """How a series is drawn: mark, colour (a name in `style.COLOUR`, or one of matplotlib's), words in the legend, dash, size."""

    mark: str = ""
    colour: str = ""
    words: str = ""
    dash: str = "-"
    hollow: bool = False
    size: float = 5.0


class Cell(NamedTuple):
    """One panel: its axes, its rows, all rows that share its places, the column drawn, the series, each with its rows."""

    axis: Axes
    rows: pd.DataFrame
    whole: pd.DataFrame
    value: str
    hue: str
    looks: dict[Any, Look]
    series: list[tuple[Look, pd.DataFrame]]


def texts(frame: pd.DataFrame, form: str) -> list[str]:
    """A format string filled from every row, in words (``{given_}``: as it is): ``"{given} → {then}"`` -> ``"●○○ → ●●○"``."""
    named = {name: frame[name.removesuffix("_")] for name in re.findall(r"{(\w[\w ]*)", form)}
    given = style.words(value for column in named.values() for value in column if style.is_given(value))
    said = [column if name[-1] == "_" else column.map(lambda v: given.get(v, style.word(v))) for name, column in named.items()]
    rows = zip(*said, strict=True) if said else [()] * len(frame)
    return [form.format(**dict(zip(named, row, strict=True))) for row in rows]


def looks_of(frame: pd.DataFrame, hue: str, given: Mapping[Any, Look], names: Sequence[str]) -> dict[Any, Look]:
    """Series -> its look with colour and words filled in: of those that `given` names, if it names any; else of all, in turn.

    A single modality has its own colour, all of them together the joint's; other combinations are light grey.
    """
    values = list(style.words(frame[hue].dropna()))
    values = [value for value in given if value in values] or values
    words, singles = style.words(values), {f"m{k + 1}": style.colour(n, names) for k, n in enumerate(names)}
    known, turns = style.COLOUR | {"": INK, ",".join(singles): INK} | singles, [*style.COLOUR.values(), *style.CYCLE]
    looks = {}
    for k, value in enumerate(values):
        look, turn = given.get(value, Look()), "#A8A8A8" if style.is_given(value) else turns[k % len(turns)]
        colour = style.COLOUR.get(look.colour, look.colour) or known.get(value, turn)
        looks[value] = look._replace(colour=colour, words=look.words or words[value])
    return looks


def chart(
    frame: pd.DataFrame, kind: Callable[..., None], value: str | Sequence[str], *, hue: str = "", looks: Mapping[Any, Look] = {},
    panel: str = "", row: str = "", wrap: int = 99, limits: str = "", levels: Sequence[Mapping[str, Any]] = (),
    interval: Sequence[str] = (), log: Literal[True] | Sequence[str] = (), sharex: bool | str = False, sharey: bool | str = False,
    upright: bool = True, xlabel: str = "", ylabel: str = "", legend: str | None = "", size: Sequence[float] = (9.0, 3.0),
    axes: Mapping[str, Any] = {}, **options: Any,
) -> Figure:  # fmt: skip
    """A picture of one kind: what `kind` draws of each part of a table. For a column, a format string makes one (`texts`).

    Args:
        value: the column drawn; each of several has a panel (or is a series, or a column, where an option says "measure"). "*" is
            every reconstruction; a column that is not there, or is empty, is left out.
        hue: the column that tells series apart, each in its look of `looks`; one that is not there tells none apart.
        panel, row: columns whose values have a panel, or a line of panels, each; `wrap` panels in a line at most.
        limits: the column of combinations in which rows may be the class mean or the floor: a line each, in their series' colour.
        interval: expressions of a lower and an upper bound of each value, which a kind finds as "low" and "high".
        levels: more lines: "at" (a number, or a column that says it), and, if need be, "words", "dash", "colour", "panel".
        log: whether the values' axis is logarithmic, or in which panels.  `upright`: it runs upwards.
        legend: its title; None: series are not named.  `axes`: settings of matplotlib's.  `options`: the kind's.
    """
    recon = {column[4:]: column for column in frame if column.startswith(("bce_", "sse_"))}  # modality -> reconstruction's column
    hue = hue if hue in (*frame, "measure") or "{" in hue else ""
    forms = {form for form in (hue, panel, row, *options.values()) if isinstance(form, str) and re.search(r"{\w", form)}
    frame = frame.assign(**{"": ""}, **{form: texts(frame, form) for form in sorted(forms)})  # "": a column that parts nothing
    if not isinstance(value, str):
        columns = [column for one in value for column in (recon.values() if one == "*" else [one])]
        columns = [column for column in columns if column in frame and frame[column].notna().any()]
        frame, value = frame.melt([c for c in frame if c not in columns], columns, "measure", "amount"), "amount"
        panel = panel or ("" if "measure" in (hue, row, *options.values()) else "measure")
    frame = frame.dropna(subset=[value])
    bounds, frame = frame[frame[limits].isin(list(LIMITS))], frame[frame[limits].map(style.is_given)]
    low, high = [frame.eval(bound, engine="python") for bound in interval] or (frame[value], frame[value])
    frame = frame.assign(low=low, high=high)
    looks = looks_of(frame, hue, looks, list(recon) or NAMES)
    looks = looks if legend is not None else {series: look._replace(words="") for series, look in looks.items()}
    bounds = bounds[bounds[hue].isin([*looks, *LIMITS])]
    across, down = style.words(frame[panel]), style.words(frame[row])
    width = min(wrap, len(across))
    lines = len(down) * -(-len(across) // width)
    figure, cells = style.new(lines, width, size, sharex=sharex, sharey=sharey)
    for axis in cells.flat[len(down) * len(across) :]:
        axis.remove()
    for axis, (line, place) in zip(cells.flat, product(down, across), strict=False):
        rows = frame[(frame[panel] == place) & (frame[row] == line)]
        along, scale, draw = (axis.yaxis, "yscale", axis.axhline) if upright else (axis.xaxis, "xscale", axis.axvline)
        if logarithmic := log is True or place in log:
            axis.set(**{scale: "log"})
        every = [level for level in levels if level.get("panel", place) == place]
        for bound in bounds[bounds[panel] == place].to_dict("records"):
            name, series = bound[limits], looks.get(bound[hue], Look(colour=GREY))
            every.append({"at": bound[value], "words": style.word(name), "dash": LIMITS[name], "colour": series.colour})
        for level in every:
            at, thin = level["at"], {"ls": level.get("dash", ":"), "lw": 1.1}
            draw(rows[at].iloc[0] if isinstance(at, str) else at, color=level.get("colour", GREY), **thin)
            axis.plot([], [], color=GREY, label=level.get("words", ""), **thin)
        series = [(look, rows[rows[hue] == name]) for name, look in looks.items()]
        kind(Cell(axis, rows, frame if sharey else rows, value, hue, looks, series), **options)
        if logarithmic:
            low, high = along.get_view_interval()
            ticks = LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,))
            along.set(minor_locator=NullLocator(), major_locator=ticks, major_formatter="{x:,g}")
        axis.set(xlabel="", ylabel="", title=across[place] if line == next(iter(down)) else "", **axes)
    for axis in cells[-1] if width < 4 else [cells[-1, width // 2]]:
        axis.set_xlabel(xlabel)
    for axis, name in zip(cells[:, 0], [*down.values(), *[""] * lines], strict=False):
        axis.set_ylabel("\n".join(filter(None, (name, ylabel))))
    entries = {words: handle for axis in cells.flat for handle, words in zip(*axis.get_legend_handles_labels(), strict=True)}
    if len(entries) > (legend is not None):
        lines = 1 if sum(0.5 + 0.07 * len(words) for words in entries) < size[0] else 2
        figure.legend(entries.values(), entries.keys(), ncols=-(-len(entries) // lines), loc="outside upper center", title=legend)
    return figure
