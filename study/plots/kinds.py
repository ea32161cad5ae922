"""The five kinds of picture: dots with intervals, lines, bars, heat tables, image grids.

The first four draw a panel, which `chart.chart` lays out; a grid is a figure by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.plots import style
from study.plots.chart import INK, Cell, texts


def dots(
    cell: Cell, y: str = "given", sd: str = "", interval: Mapping[str, Sequence[str]] = {}, spread: str = "", join: bool = False,
    dodge: float = 0.17,
) -> None:  # fmt: skip
    """Values along a horizontal axis, a place on the vertical one for each value of `y` (so `upright` is False).

    Intervals are plus and minus `sd`, an expression, or lie between two columns: `interval`, by measure. `spread`: a place's rows
    are small, and over them stand their mean and standard deviation ("sd"), or their median and a line to the 95th percentile
    ("p95"). `join`: a line between a place's series.
    """
    axis, value, places = cell.axis, cell.value, style.words(cell.whole[y])
    at = {place: k for k, place in enumerate(places)}
    for k, (_, look, rows) in enumerate(cell.series()):
        face = "white" if look.hollow else look.colour
        paint: dict[str, Any] = {"marker": look.mark or "o", "color": look.colour, "ls": "", "mfc": face}
        where = rows[y].map(at) + dodge * (k - (len(cell.looks) - 1) / 2)
        low, high = (rows.get(c) for c in interval.get(rows["measure"].iloc[0] if interval and len(rows) else "", ("", "")))
        if sd:
            low, high = rows[value] - rows.eval(sd), rows[value] + rows.eval(sd)
        if spread:
            axis.plot(rows[value], where, **{**paint, "ms": 2.5}, alpha=0.45)
            by, where = rows[value].groupby(where), np.unique(where)
            mean, std = (by.mean(), by.std()) if spread == "sd" else (by.median(), 0.0)
            low, high, rows = mean - std, mean + std if spread == "sd" else by.quantile(0.95), mean.to_frame(value)
        if low is not None:
            axis.hlines(where, low, high, color=look.colour, lw=1.4)
        axis.plot(rows[value], where, **paint, ms=look.size)
        cell.entry(look.words if cell.hue != y else "", **paint, ms=look.size)
    if join:
        spans = cell.rows.groupby(y, sort=False)[value].agg(["min", "max"])
        axis.hlines(spans.index.map(at), spans["min"], spans["max"], color="#C8C8C8", lw=2, zorder=1)
    axis.set_yticks(range(len(places)), list(places.values()))
    axis.set_ylim(len(places) - 0.4, -0.6)


def lines(
    cell: Cell, x: str = "", dash: str = "", band: str = "", points: str = "", fill: Sequence[str] = (), direct: bool = False,
    steps: str = "default", path: bool = False,
) -> None:  # fmt: skip
    """Values along `x`, a line a series: the mean, where it has several at one place. Without `x`, the values in falling order.

    `dash`: a column with a dash for each of its values. `band`: the column of a half width about a line. `points`: a column of
    dots beside it. `fill`: series whose area is shaded. `direct`: a line's name stands at its end, not in the legend. `path`: in
    the order of the rows, on equal scales.
    """
    axis, value, ends = cell.axis, cell.value, []
    dashes = dict(zip(cell.whole[dash].unique(), ("-", "--", ":"), strict=False)) if dash else {}
    for name, look, rows in cell.series():
        if not x:
            rows = rows.sort_values(value, ascending=False, kind="stable").assign(rank=range(len(rows)))
        at, paint = rows[x or "rank"], {"color": look.colour, "drawstyle": steps, "marker": look.mark or None, "mec": look.colour}
        how = {"sort": not path, "estimator": None if path else "mean", "errorbar": None, "legend": False}
        for part, run in rows.groupby(dash, sort=False) if dash else [("", rows)]:
            sns.lineplot(run, x=x or "rank", y=value, ax=axis, ls=dashes.get(part, look.dash), **paint, **how)
        if name in fill:
            axis.fill_between(at, rows[value], color=look.colour, alpha=0.2, lw=0)
        if band:
            axis.fill_between(at, rows[value] - rows[band], rows[value] + rows[band], color=look.colour, alpha=0.25, lw=0)
        if points:
            axis.plot(at, rows[points], "o", ms=3.5, color=look.colour if points == value else INK)
        cell.entry("" if direct else look.words, color=look.colour, ls=look.dash, marker=look.mark)
        cell.entry(points if points in rows and points != value else "", color=INK, marker="o", ls="", ms=3.5)
        ends += [(rows.iloc[-1][[x, value]].tolist(), look)] if direct and len(rows) else []
    for part, ls in dashes.items():
        cell.entry(style.word(part), color="#555555", ls=ls)
    axis.set_aspect("equal" if path else "auto")
    axis.autoscale_view()
    into, step = axis.transData - axis.transAxes, 0.08 * np.arange(len(ends))
    ends = sorted(((into.transform(end)[1], look) for end, look in ends), key=lambda end: end[0])
    places = np.maximum.accumulate(np.array([place for place, _ in ends]) - step) + step  # names do not touch
    for place, (_, look) in zip(np.minimum(places, 1 - step[::-1]), ends, strict=True):
        axis.text(1.02, place, look.words, transform=axis.transAxes, va="center", fontsize=6.5, color=look.colour)


def bars(cell: Cell, x: str = "", dodge: bool = True, stack: bool = False, count: str = "") -> None:
    """A bar for each value of `x`, series side by side; `stack`: one after another, lying; `count`: how often each value occurs
    (as a "count", or a "proportion" of its series) in place of the values."""
    axis, looks = cell.axis, dict(reversed(cell.looks.items())) if stack else cell.looks  # of a stack, the last is drawn first
    hues = {"hue": cell.hue, "hue_order": list(looks), "palette": [look.colour for look in looks.values()], "legend": False}
    how = {"x": cell.value, "stat": count, "common_norm": False} if count else {"y" if stack else "x": x, "weights": cell.value}
    multiple = "dodge" if dodge and not stack else "stack"
    sns.histplot(cell.rows, discrete=True, multiple=multiple, shrink=0.8, alpha=1, lw=0, ax=axis, **how, **hues)
    axis.grid(axis="y" if stack else "x", visible=False)
    for look in cell.looks.values():
        cell.entry(look.words, color=look.colour, lw=5)


def heat(
    cell: Cell, index: str, columns: str, written: str = "{:.1%}", cmap: str = "cividis", low: float | None = None,
    middle: float | None = None, bar: str = "", least: float = -np.inf, given: bool = False,
) -> None:  # fmt: skip
    """A number and a colour for each pair of `index` (down) and `columns` (across).

    `least`: smaller numbers are not written. `given`: `index` are combinations and `columns` modalities, in the model's order; a
    mark stands where the one holds the other. `bar`: what the colours' scale is called, if it is drawn.
    """
    table = cell.rows.pivot_table(index=index, columns=columns, values=cell.value, sort=False)
    table, places = table.reindex(list(style.words(table.index))), style.words(table.columns)
    text = table.map(lambda number: written.format(number) if number >= least else "")
    for k, name in enumerate(table.columns if given else ()):
        text[name] += [f" {style.MARK['given']}" if f"m{k + 1}" in place.split(",") else "" for place in table.index]
    scale = {"vmin": low, "vmax": 1.0 if middle is None else None, "center": middle, "cmap": cmap}
    scale |= {"cbar": bool(bar), "cbar_kws": {"label": bar}, "annot_kws": {"fontsize": 8 if len(places) < 9 else 7}}
    sns.heatmap(table, annot=text, fmt="", ax=cell.axis, **scale)
    cell.axis.set_xticks(np.arange(len(places)) + 0.5, list(places.values()), rotation=0)
    cell.axis.set_yticks(np.arange(len(table)) + 0.5, list(style.words(table.index).values()), rotation=0)
    cell.axis.grid(False)


def grid(
    frame: pd.DataFrame, images: Mapping[str, Any], *, line: str = "", over: str | Mapping[str, str] = "", framed: str = "False",
    colour: str = "", only: str = "", wrap: int = 99, beside: bool = False, scale: float = 0.7, font: int = 8, heading: str = "",
) -> Figure:  # fmt: skip
    """Images ``[s * s]`` or ``[h, w]`` in [0, 1], `wrap` in a line at most, each `scale` inches wide, in one pair of axes.

    Args:
        images: an image for each row of `frame`, in its order, however nested; or, by name, one for each row of each name.
        line: a format string (`texts`): rows for which it is the same make a line, called so.
        over: one for the words over an image, of each name its own if need be; not written where the line above has the same.
        framed: an expression of `frame`'s columns: which images stand in a frame.
        colour: the modality whose colour a line has, or the column that says it; without, it is that of the images' name.
        only: the one name that is drawn.  `beside`: names stand beside each other, not under.
    """
    images = {only: images[only]} if only in images else images
    named = all(not isinstance(stack, Mapping) and len(stack) == len(frame) for stack in images.values())
    images = images if named else {only: _flat(images)}
    frame = frame.assign(line=texts(frame, line), held=frame.eval(framed, engine="python")).reset_index(drop=True)
    strips: list[tuple[str, str, list[tuple]]] = []  # a line's name, its colour, its images with their words and frames
    for text, part in frame.groupby("line", sort=False):
        for start in range(0, len(part), wrap):
            run = part.iloc[start : start + wrap]
            for name, stack in images.items():
                paint = style.colour(run[colour].iloc[0] if colour in run else colour or name, list(images))
                words = texts(run, over if isinstance(over, str) else over[name])
                tiles = list(zip((stack[k] for k in run.index), words, np.where(run["held"], paint, ""), strict=True))
                if beside and name != next(iter(images)):
                    strips[-1][2].extend(tiles)
                    continue
                label = "\n".join(dict.fromkeys(filter(None, ("" if only or beside else style.title(name), text))))
                strips.append((label if start == 0 else "", paint, tiles))
    figure, ((axis,),) = style.new()
    bottom, above, room = 0.0, [""], 0.0175 * font / scale  # of a line of words, in images
    for label, paint, tiles in strips:
        words = [said for _, said, _ in tiles] if [said for _, said, _ in tiles] != above else [""] * len(tiles)
        above, bottom = [said for _, said, _ in tiles], bottom + 0.06 + room * max(w.count("\n") + bool(w) for w in words)
        axis.text(-0.08, bottom + 0.47, label, ha="right", va="center", fontsize=font, color=paint)
        for k, (tile, _, edge) in enumerate(tiles):
            place = (k, k + 0.94, bottom + 0.94, bottom)
            axis.imshow(style.square(tile), style.INK, vmin=0, vmax=1, extent=place, interpolation="nearest")
            axis.add_patch(Rectangle((k, bottom), 0.94, 0.94, fc="none", ec=edge or "#DDDDDD", lw=1.6 if edge else 0.5))
            axis.text(k + 0.47, bottom - 0.03, words[k], ha="center", va="bottom", fontsize=font)
        bottom += 0.94
    width = max(len(tiles) for *_, tiles in strips) - 0.02
    left = 0.2 + 0.0102 * font * max(len(part) for label, *_ in strips for part in label.split("\n"))  # inches
    figure.set_layout_engine("none")
    figure.set_size_inches(across := left + scale * width + 0.05, up := 0.2 + scale * bottom + 0.25 * bool(heading))
    axis.set_position((left / across, 0.18 / up, scale * width / across, scale * bottom / up))
    axis.set(xlim=(-0.02, width - 0.02), ylim=(bottom + 0.02, 0), title=heading)
    axis.axis("off")
    return figure


def _flat(images: Any) -> list[Any]:
    return [image for one in images.values() for image in _flat(one)] if isinstance(images, Mapping) else list(images)
