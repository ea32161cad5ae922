"""What the kinds of picture share: how a series looks, a panel for each part of a table, bounds, scales, names, one legend."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
    """One panel: its axes, its rows, all rows that share its places, the column drawn, the series with their looks."""

    axis: Axes
    rows: pd.DataFrame
    whole: pd.DataFrame
    value: str
    hue: str
    looks: dict[Any, Look]

    def series(self) -> Iterator[tuple[Any, Look, pd.DataFrame]]:
        """Each series, its look, its rows."""
        for value, look in self.looks.items():
            yield value, look, self.rows[self.rows[self.hue] == value] if self.hue else self.rows

    def entry(self, words: str, **paint: Any) -> None:
        """A line in the legend, of a mark that is nowhere."""
        if words:
            self.axis.plot([], [], label=words, **paint)


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
    values = list(style.words(frame[hue].dropna())) if hue else [""]
    values = [value for value in given if value in values] or values
    words, singles = style.words(values) if hue else {}, {f"m{k + 1}": style.colour(n, names) for k, n in enumerate(names)}
    known, turns = style.COLOUR | {",".join(singles): INK} | singles, [*style.COLOUR.values(), *style.CYCLE]
    looks = {}
    for k, value in enumerate(values):
        look = given.get(value, Look())
        turn = INK if not hue else "#A8A8A8" if style.is_given(value) else turns[k % len(turns)]
        colour = style.COLOUR.get(look.colour, look.colour) or known.get(value, turn)
        looks[value] = look._replace(colour=colour, words=look.words or words.get(value, ""))
    return looks


def chart(
    frame: pd.DataFrame, kind: Callable[..., None], value: str | Sequence[str], *, hue: str = "", looks: Mapping[Any, Look] = {},
    panel: str = "", row: str = "", wrap: int = 99, limits: str = "", levels: Sequence[Mapping[str, Any]] = (),
    log: bool | Sequence[str] = False, ends: Sequence[float | None] = (), sharex: bool = False, sharey: bool | str = False,
    upright: bool = True, xlabel: str = "", ylabel: str = "", legend: str | None = "", size: Sequence[float] = (9.0, 3.0),
    **options: Any,
) -> Figure:  # fmt: skip
    """A picture of one kind: what `kind` draws of each part of a table. For a column, a format string makes one (`texts`).

    Args:
        value: the column drawn; each of several has a panel (or is a series, or a column, where an option says "measure"). "*" is
            every reconstruction; a column that is not there, or is empty, is left out.
        hue: the column that tells series apart, each in its look of `looks`; one that is not there tells none apart.
        panel, row: columns whose values have a panel, or a line of panels, each; `wrap` panels in a line at most.
        limits: the column of combinations in which rows may be the class mean or the floor: a line each, in their series' colour.
        levels: more lines: "at" (a number, or a column that says it), and, if need be, "words", "dash", "colour", "panel".
        log: whether the values' axis is logarithmic, or in which panels.  `ends`: of that axis.  `upright`: it runs upwards.
        legend: its title; None: series are not named.  `options`: the kind's.
    """
    recon, hue = style.metric_of(frame), hue if hue in (*frame, "measure") or "{" in hue else ""
    forms = {form for form in (hue, panel, row, *options.values()) if isinstance(form, str) and re.search(r"{\w", form)}
    frame = frame.assign(**{form: texts(frame, form) for form in sorted(forms)})
    if not isinstance(value, str):
        columns = [column for one in value for column in (recon.values() if one == "*" else [one])]
        columns = [column for column in columns if column in frame and frame[column].notna().any()]
        frame, value = frame.melt([c for c in frame if c not in columns], columns, "measure", "amount"), "amount"
        panel = panel or ("" if "measure" in (hue, row, *options.values()) else "measure")
    frame = frame.dropna(subset=[value])
    bounds = frame[frame[limits].isin(list(LIMITS))] if limits else frame.iloc[:0]
    frame = frame[frame[limits].map(style.is_given)] if limits else frame
    looks = looks_of(frame, hue, looks, list(recon) or NAMES)
    looks = looks if legend is not None else {series: look._replace(words="") for series, look in looks.items()}
    across, down = (style.words(frame[column]) if column else {"": ""} for column in (panel, row))
    width = min(wrap, len(across))
    lines = len(down) * -(-len(across) // width)
    figure, axes = style.new(lines, width, size, sharex=sharex, sharey=sharey)
    for axis in axes.flat[len(down) * len(across) :]:
        axis.remove()
    for k, (line, place) in enumerate((line, place) for line in down for place in across):
        rows = frame[(frame[panel] == place if panel else True) & (frame[row] == line if row else frame[value].notna())]
        cell = Cell(axes.flat[k], rows, frame if sharey else rows, value, hue, looks)
        logarithmic = log is True or bool(log) and place in log
        if logarithmic:
            cell.axis.set(**{"yscale" if upright else "xscale": "log"})
        every = [level for level in levels if level.get("panel", place) == place]
        for bound in (bounds[bounds[panel] == place] if panel else bounds).to_dict("records"):
            series = looks.get(bound[hue]) if hue not in ("", limits) else Look(colour=GREY)
            if series and not (logarithmic and bound[value] <= 0):
                name = bound[limits]
                every.append({"at": bound[value], "words": style.word(name), "dash": LIMITS[name], "colour": series.colour})
        for level in every:
            at = rows[level["at"]].iloc[0] if isinstance(level["at"], str) else level["at"]
            draw, thin = cell.axis.axhline if upright else cell.axis.axvline, {"ls": level.get("dash", ":"), "lw": 1.1}
            draw(at, color=level.get("colour", GREY), **thin)
            cell.entry(level.get("words", ""), color=GREY, **thin)
        kind(cell, **options)
        if logarithmic:
            one = cell.axis.yaxis if upright else cell.axis.xaxis
            low, high = one.get_view_interval()
            one.set_minor_locator(NullLocator())
            if high < 1e6 * low:
                one.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
                one.set_major_formatter("{x:,g}")
        if ends:
            cell.axis.set(**{"ylim" if upright else "xlim": ends})
        cell.axis.set(xlabel="", ylabel="", title=across[place] if k < width or not row else "")
    for axis in axes[-1] if width < 4 else [axes[-1, width // 2]]:
        axis.set_xlabel(xlabel)
    for axis, name in zip(axes[:, 0], [*down.values(), *[""] * lines], strict=False):
        axis.set_ylabel("\n".join(filter(None, (name, ylabel))))
    entries = {words: handle for axis in axes.flat for handle, words in zip(*axis.get_legend_handles_labels(), strict=True)}
    if len(entries) > (legend is not None):
        lines = 1 if sum(0.5 + 0.07 * len(words) for words in entries) < size[0] else 2
        figure.legend(entries.values(), entries.keys(), ncols=-(-len(entries) // lines), loc="outside upper center", title=legend)
    return figure
