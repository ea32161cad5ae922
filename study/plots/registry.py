"""Binds each table under figures/ to its picture, as figures.json says: the one list, for `draw` and for `make figures`.

An entry has `draw`, a kind or a function of own.py (none: a table without a picture), and its settings. First `tidy`, a function
of this file, remakes the table; `add` (column -> expression) gives it columns; `where`, an expression, chooses rows. `needs` is
the method of `redraw.Inputs` for what else is drawn ("notebook": its notebook alone has it); `as`, another figure whose entry
holds where this one says nothing. `looks` may be one of the file's.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from study.plots import kinds, own, style
from study.plots.chart import Look, chart

_FILE = json.loads(Path(__file__).with_name("figures.json").read_text())
_KNOWN = _FILE["figures"]
FIGURES: dict[str, dict[str, Any]] = {name: {**_KNOWN.get(entry.get("as"), {}), **entry} for name, entry in _KNOWN.items()}
_CHARTS = ("dots", "lines", "bars", "heat")
_KINDS = {name: partial(chart, kind=getattr(kinds, name), upright=name != "dots") for name in _CHARTS} | {"grid": kinds.grid}
FAR = ["to_class_mean", "to_other_mean", "to_original"]


def draw(name: str, frame: pd.DataFrame, **inputs: Any) -> Figure:
    """The figure of a table, as `FIGURES` has it. `inputs`: what it needs besides, and settings that are to be others.

    Raises:
        ValueError: no figure has this name, or it is a table and has none.
    """
    entry = FIGURES.get(name, {})
    if "draw" not in entry:
        raise ValueError(f"{name!r} is {'a table' if name in FIGURES else 'no figure'}; the figures are {', '.join(FIGURES)}.")
    settings = {key: value for key, value in entry.items() if key not in ("draw", "where", "tidy", "add", "needs", "as")} | inputs
    if looks := settings.get("looks"):
        looks = _FILE["looks"][looks] if isinstance(looks, str) else looks
        settings["looks"] = {series: Look(**look) for series, look in looks.items()}
    frame = globals()[entry["tidy"]](frame) if "tidy" in entry else frame
    for column, how in entry.get("add", {}).items():
        frame = frame.assign(**{column: frame.eval(how, engine="python")})
    frame = frame.query(entry["where"], engine="python") if "where" in entry else frame
    with style.look():
        return (_KINDS.get(entry["draw"]) or getattr(own, entry["draw"]))(frame, **settings)


def report_table() -> pd.DataFrame:
    """The report's Table 2, as printed (training data); its "ELBO" is `reported_bound`, its "MSE" `sse_speech`."""
    return pd.read_csv(Path(__file__).with_name("report_table2.csv"), index_col="given")


def seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Results over seeds; beside those of a preset stand the report's, whose speech is in `as_run`'s units alone."""
    names, report = set(frame["name"]), report_table().reset_index().assign(split="report")
    report = report if names == {"as_run"} else report.drop(columns="sse_speech")
    return pd.concat([frame, report], ignore_index=True) if names <= {"as_run", "as_written"} else frame


def convergence(frame: pd.DataFrame) -> pd.DataFrame:
    """A history -> its objective over all subsets, and the share misread from one modality and from all of them."""
    every = frame.groupby(["split", "epoch"], sort=False)["reported_bound"].sum().reset_index(name="amount")
    every = every.assign(series="all", panel="objective, summed over subsets (nats per tuple)")
    some = frame[~frame["subset"].str.contains(",") | (frame["subset"] == max(frame["subset"], key=len))]
    some = some.assign(series=some["subset"], panel="share of labels read wrong", amount=1 - some["accuracy"])
    return pd.concat([every, some[every.columns]], ignore_index=True)


def paired_gain(frame: pd.DataFrame) -> pd.DataFrame:
    """Changes, of accuracy in points; whether a reconstruction was given before; whether chance explains a change."""
    label, recon = frame["metric"] == "accuracy", [m for m in frame["metric"].unique() if m != "accuracy"]
    number = frame["metric"].map({metric: f"m{k + 1}" for k, metric in enumerate(recon)})
    held = [m in given.split(",") for m, given in zip(number, frame["given"], strict=True)]
    state = np.where(label, "(points)", np.where(held, "(already given)", "(not given before)"))
    better = np.where((frame["change"] > 0) == label, "better (Holm's p < .05)", "worse (Holm's p < .05)")
    effect, scale = np.where(frame["p_holm"] < 0.05, better, "may be chance"), np.where(label, 100, 1)
    return frame.assign(state=state, effect=effect, **{name: scale * frame[name] for name in ("change", "low", "high")})


def missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Distances and stroke widths, one a row: panel, what, amount."""
    far = frame.melt(frame.columns.drop(FAR).tolist(), FAR, "what", "amount").assign(panel="distance of a pixel (rms)")
    wide = np.where(frame["held"], "rebuilt, given", "rebuilt, not given")
    wide = frame.assign(what=wide, amount=frame["width"], panel="stroke width (pixels)")
    return pd.concat([far, wide], ignore_index=True)


def densities(frame: pd.DataFrame) -> pd.DataFrame:
    """Gaussians -> their densities along z."""
    reach = float((frame["mu"].abs() + 3 * frame["sd"]).clip(upper=8).max())
    z = np.linspace(-reach, reach, 600)
    parts = [frame.iloc[[k] * 600].assign(z=z, density=norm.pdf(z, row.mu, row.sd)) for k, row in enumerate(frame.itertuples())]
    return pd.concat(parts, ignore_index=True)


def ellipses(frame: pd.DataFrame) -> pd.DataFrame:
    """Gaussians in two dimensions -> their ellipses of one and of two standard deviations."""
    turn, parts = np.linspace(0, 2 * np.pi, 100), []
    for sd in (1, 2):
        for k, row in enumerate(frame.itertuples()):
            path = {"x": row.mu_x + sd * row.sd_x * np.cos(turn), "y": row.mu_y + sd * row.sd_y * np.sin(turn)}
            parts.append(frame.iloc[[k] * 100].assign(reach=f"{sd} sd", **path))
    return pd.concat(parts, ignore_index=True)
