"""The five kinds of picture: dots with intervals, lines, bars, heat tables, image grids.

The first four draw a panel, which `chart.chart` lays out; a grid is a figure by itself."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.plots import style
from study.plots.chart import GREY, INK, Cell, texts


def dots(
    cell: Cell, y: str = "given", spread: str = "", join: bool = False, mean: str = "", written: str = "", dodge: float = 0.0
) -> None:
    """Values along a horizontal axis, a place on the vertical one for each value of `y` (so `upright` is False).

    `spread`: a place's rows are small, and over them stand their mean and standard deviation ("sd"), or their median and a line
    to the 95th percentile ("p95"). `join`: a line between a place's series. `mean`: an expression that chooses rows; their mean
    is a stroke. `written`: a format string for a number over each dot. `dodge`: how far apart series stand.
    """
    axis, value, places = cell.axis, cell.value, style.words(cell.whole[y])
    at = {place: k for k, place in enumerate(places)}
    for k, (look, rows) in enumerate(cell.series):
        face = "white" if look.hollow else look.colour
        paint: dict[str, Any] = {"marker": look.mark or "o", "color": look.colour, "mfc": face, "ls": ""}
        where = rows[y].map(at) + dodge * (k - (len(cell.looks) - 1) / 2)
        middle, low, high = rows[value], rows["low"], rows["high"]
        if spread:
            axis.plot(middle, where, **paint, ms=2.5, alpha=0.45)
            by, where = middle.groupby(where), np.unique(where)
            middle, sd = (by.mean(), by.std()) if spread == "sd" else (by.median(), 0.0)
            low, high = middle - sd, middle + sd if spread == "sd" else by.quantile(0.95)
        axis.hlines(where, low, high, color=look.colour, lw=1.4)
        axis.plot(middle, where, **paint, ms=look.size, label=look.words)
        for number, place in zip(middle, where, strict=True) if written else ():
            axis.annotate(written.format(number), (number, place), (0, 5), textcoords="offset points", ha="center", fontsize=7)
    if join:
        spans = cell.rows.groupby(y, sort=False)[value].agg(["min", "max"])
        axis.hlines(spans.index.map(at), spans["min"], spans["max"], color="#C8C8C8", lw=2, zorder=1)
    if mean:
        means = cell.rows.query(mean).groupby(y)[value].mean()
        axis.vlines(means, means.index.map(at) - 0.25, means.index.map(at) + 0.25, color=GREY, label="their mean")
    axis.set_yticks(range(len(places)), list(places.values()))
    axis.set_ylim(len(places) - 0.4, -0.6)


def lines(cell: Cell, x: str = "rank", dash: str = "", points: str = "", direct: bool = False, **how: Any) -> None:
    """Values along `x`, a line a series: the mean, where it has several at one place. By "rank", the values fall.

    `dash`: a column with a dash for each of its values. `points`: a column of
    dots beside the line. `direct`: a line's name stands at its end, not in the legend. `how`: as `seaborn.lineplot` takes it.
    """
    axis, value, ends = cell.axis, cell.value, []
    dashes = dict(zip(cell.whole[dash].unique(), ("-", "--", ":"), strict=False))
    for look, rows in cell.series:
        rows = rows.assign(rank=rows[value].rank(ascending=False, method="first") - 1)
        paint = {"color": look.colour, "marker": look.mark or None, "mec": look.colour, "errorbar": None, "legend": False} | how
        for part, run in rows.groupby(dash, sort=False):
            sns.lineplot(run, x=x, y=value, ax=axis, ls=dashes[part] if dash else look.dash, **paint)
        axis.fill_between(rows[x], rows["low"], rows["high"], color=look.colour, alpha=0.25, lw=0)
        if points:
            beside: dict[str, Any] = {"color": look.colour} if points == value else {"color": INK, "label": points}
            axis.plot(rows[x], rows[points], "o", ms=3.5, **beside)
        axis.plot([], [], color=look.colour, ls=look.dash, marker=look.mark, label="" if direct else look.words)
        ends += [(rows.iloc[-1][[x, value]].tolist(), look)] if direct and len(rows) else []
    for part, ls in dashes.items():
        axis.plot([], [], color="#555555", ls=ls, label=style.word(part))
    axis.autoscale_view()
    into, step = axis.transData - axis.transAxes, 0.08 * np.arange(len(ends))
    ends = sorted(((into.transform(end)[1], look) for end, look in ends), key=lambda end: end[0])
    places = np.maximum.accumulate(np.array([place for place, _ in ends]) - step) + step  # names do not touch
    for place, (_, look) in zip(np.minimum(places, 1 - step[::-1]), ends, strict=True):
        axis.text(1.02, place, look.words, transform=axis.transAxes, va="center", fontsize=6.5, color=look.colour)


def bars(cell: Cell, x: str = "", dodge: bool = True, count: str = "") -> None:
    """A bar for each value of `x`, series side by side, or, without `dodge`, one upon another; `count`: how often each value
    occurs (as a "count", or a "proportion" of its series) in place of the values."""
    axis, looks = cell.axis, cell.looks if dodge else dict(reversed(cell.looks.items()))  # of a stack, the last is drawn first
    hues = {"hue": cell.hue, "hue_order": list(looks), "palette": [look.colour for look in looks.values()], "legend": False}
    how = {"x": cell.value, "stat": count, "common_norm": False} if count else {"x": x, "weights": cell.value}
    sns.histplot(
        cell.rows, discrete=True, multiple="dodge" if dodge else "stack", shrink=0.8, alpha=1, lw=0, ax=axis, **how, **hues
    )
    axis.grid(axis="x", visible=False)
    for look in cell.looks.values():
        axis.plot([], [], color=look.colour, lw=5, label=look.words)


def heat(cell: Cell, index: str, columns: str, written: str = "{:.1%}", least: float = -np.inf, **scale: Any) -> None:
    """A number and a colour for each pair of `index` (down) and `columns` (across): of several rows, mean and ± sd.

    `least`: smaller numbers are not written. `scale`: as `seaborn.heatmap` takes it.
    """
    by: dict[str, Any] = {"index": index, "columns": columns, "values": cell.value, "sort": False}
    table, sd = (cell.rows.pivot_table(aggfunc=how, **by) for how in ("mean", "std"))
    table, places = table.reindex(list(style.words(table.index))), style.words(table.columns)
    text = table.map(lambda number: written.format(number) if number >= least else "")
    text += sd.reindex_like(table).map(lambda number: "" if np.isnan(number) else f"\n± {written.format(number)}")
    scale = {"vmax": 1.0, "cmap": "cividis", "cbar": False, "annot_kws": {"fontsize": 8 if len(places) < 9 else 7}} | scale
    sns.heatmap(table, annot=text, fmt="", ax=cell.axis, **scale)
    cell.axis.set_xticks(np.arange(len(places)) + 0.5, list(places.values()), rotation=0)
    cell.axis.set_yticks(np.arange(len(table)) + 0.5, list(style.words(table.index).values()), rotation=0)
    cell.axis.grid(False)


def grid(
    frame: pd.DataFrame, images: Mapping[str, Any], *, line: str = "", over: str | Mapping[str, str] = "", framed: str = "False",
    colour: str = "", only: str = "", wrap: int = 99, scale: float = 0.7, font: int = 8, heading: str = "",
) -> Figure:  # fmt: skip
    """Images ``[s * s]`` or ``[h, w]`` in [0, 1], `wrap` in a line at most, each `scale` inches wide, in one pair of axes.

    Args:
        images: an image for each row of `frame`, in its order, however nested; or, by name, one for each row of each name.
        line: a format string (`texts`): rows for which it is the same make a line, called so.
        over: one for the words over an image, of each name its own if need be; not written where the line above has the same.
        framed: an expression of `frame`'s columns, and of the images' `@name`: which stand in a frame.
        colour: the modality whose colour a line has, or the column that says it; without, it is that of the images' name.
        only: the one name that is drawn.
    """
    images = {only: images[only]} if only in images else images
    named = all(not isinstance(stack, Mapping) and len(stack) == len(frame) for stack in images.values())
    images = images if named else {only: _flat(images)}
    frame = frame.assign(line=texts(frame, line)).reset_index(drop=True)
    figure, ((axis,),) = style.new()
    bottom, across, above, room = 0.0, 0, [""], 0.0175 * font / scale  # of a line of words, in images
    for text, part in frame.groupby("line", sort=False):
        for start, (name, stack) in product(range(0, len(part), wrap), images.items()):
            run = part.iloc[start : start + wrap]
            run = run.assign(held=run.eval(framed, engine="python", local_dict={"name": name}))
            paint = style.colour(run[colour].iloc[0] if colour in run else colour or name, list(images))
            words = texts(run, over if isinstance(over, str) else over[name])
            said, above = words if words != above else [""] * len(run), words
            bottom += 0.06 + room * max(word.count("\n") + bool(word) for word in said)
            label = "\n".join(dict.fromkeys(filter(None, ("" if only else style.title(name), text)))) if start == 0 else ""
            axis.text(-0.08, bottom + 0.47, label, ha="right", va="center", fontsize=font, color=paint)
            for k, (place, held, word) in enumerate(zip(run.index, run["held"], said, strict=True)):
                edge = {"ec": paint, "lw": 1.6} if held else {"ec": "#DDDDDD", "lw": 0.5}
                extent = (k, k + 0.94, bottom + 0.94, bottom)
                axis.imshow(style.square(stack[place]), style.INK, vmin=0, vmax=1, extent=extent, interpolation="nearest")
                axis.add_patch(Rectangle((k, bottom), 0.94, 0.94, fc="none", **edge))
                axis.text(k + 0.47, bottom - 0.03, word, ha="center", va="bottom", fontsize=font)
            bottom, across = bottom + 0.94, max(across, len(run))
    left = 0.1 + max(text.get_window_extent().width for text in axis.texts if text.get_ha() == "right") / figure.dpi
    wide, high = scale * across, scale * bottom  # inches, as `left` is
    figure.set_layout_engine("none")
    figure.set_size_inches(left + wide, 0.2 + high + 0.25 * bool(heading))
    axis.set_position((left / (left + wide), 0.18 / figure.get_figheight(), wide / (left + wide), high / figure.get_figheight()))
    axis.set(xlim=(-0.02, across - 0.02), ylim=(bottom + 0.02, 0), title=heading)
    axis.axis("off")
    return figure


def _flat(images: Any) -> list[Any]:
    return [image for one in images.values() for image in _flat(one)] if isinstance(images, Mapping) else list(images)
