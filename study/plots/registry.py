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

from study.plots import style
from study.plots.chart import Look, chart

_FILE = json.loads(Path(__file__).with_name("figures.json").read_text())
_KNOWN = _FILE["figures"]
FIGURES: dict[str, dict[str, Any]] = {name: {**_KNOWN.get(entry.get("as"), {}), **entry} for name, entry in _KNOWN.items()}


def draw(name: str, frame: pd.DataFrame, **inputs: Any) -> Figure:
    """The figure of a table, as `FIGURES` has it. `inputs`: what it needs besides, and settings that are to be others.

    Raises:
        ValueError: no figure has this name, or it is a table and has none.
    """
    from study.plots import kinds, own  # they import seaborn: seconds, for which an explorer need not wait

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
        if entry["draw"] in ("dots", "lines", "bars", "heat"):
            lying = entry["draw"] == "dots"
            return partial(chart, upright=not lying, sharey=lying)(frame, getattr(kinds, entry["draw"]), **settings)
        return getattr(own, entry["draw"])(frame, **settings)


def report_table() -> pd.DataFrame:
    """The report's Table 2, as printed (training data); its "ELBO" is `reported_bound`, its "MSE" `sse_speech`."""
    return pd.read_csv(Path(__file__).with_name("report_table2.csv"), index_col="given")


def seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Results over seeds; beside those of a preset stand the report's, whose speech is in `as_run`'s units alone."""
    names, report = set(frame["name"]), report_table().reset_index().assign(split="report")
    report = report if names == {"as_run"} else report.drop(columns="sse_speech")
    return pd.concat([frame, report], ignore_index=True) if names <= {"as_run", "as_written"} else frame


def validation(frame: pd.DataFrame) -> pd.DataFrame:
    """The validation curves, whole and, on a scale of their own, from epoch 10."""
    return pd.concat({"all epochs": frame, "from epoch 10": frame.query("epoch >= 10")}, names=["panel"]).reset_index("panel")


def convergence(frame: pd.DataFrame) -> pd.DataFrame:
    """A history -> its objective over all subsets, and of each subset the share of labels read wrong."""
    every = frame.groupby(["split", "epoch"], sort=False, as_index=False)["reported_bound"].sum().assign(subset="all")
    panels = {
        "objective, summed over subsets (nats per tuple)": every.rename(columns={"reported_bound": "amount"}),
        "share of labels read wrong": frame.assign(amount=1 - frame["accuracy"]),
    }
    return pd.concat(panels, names=["panel"]).reset_index("panel")


def paired_gain(frame: pd.DataFrame) -> pd.DataFrame:
    """Changes, of accuracy in points, of costs in per cent of what they were; of which modality, and if it was or is given."""
    label, recon = frame["metric"] == "accuracy", [m for m in frame["metric"].unique() if m != "accuracy"]
    number = frame["metric"].map({metric: f"m{k + 1}" for k, metric in enumerate(recon)})
    held, now = ([m in each.split(",") for m, each in zip(number, frame[of], strict=True)] for of in ("given", "then"))
    state = np.select([held, now], ["already given", "now given"], "not given")
    scaled = {name: 100 * frame[name] / np.where(label, 1, frame["before"]) for name in ("change", "low", "high")}
    return frame.assign(modality=frame["metric"].str[4:], state=state, **scaled)


def missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Distances and stroke widths, one a row: panel, what, amount."""
    far = ["to_class_mean", "to_other_mean", "to_original"]
    far = frame.melt(frame.columns.drop(far).tolist(), far, "what", "amount")
    wide = frame.assign(what=np.where(frame["held"], "rebuilt, given", "rebuilt, not given"), amount=frame["width"])
    return pd.concat({"distance of a pixel (rms)": far, "stroke width (pixels)": wide}, names=["panel"]).reset_index("panel")


def densities(frame: pd.DataFrame) -> pd.DataFrame:
    """Gaussians -> their densities along z."""
    from scipy.stats import norm  # as seaborn

    reach = float((frame["mu"].abs() + 3 * frame["sd"]).clip(upper=8).max())
    each = frame.merge(pd.DataFrame({"z": np.linspace(-reach, reach, 600)}), how="cross")
    return each.assign(density=norm.pdf(each["z"], each["mu"], each["sd"]))


def ellipses(frame: pd.DataFrame) -> pd.DataFrame:
    """Gaussians in two dimensions -> their ellipses of one and of two standard deviations."""
    turns = pd.DataFrame({"turn": np.linspace(0, 2 * np.pi, 100)})
    each = frame.merge(pd.DataFrame({"reach": [1, 2]}), how="cross").merge(turns, how="cross")
    x, y = each["sd_x"] * np.cos(each["turn"]), each["sd_y"] * np.sin(each["turn"])
    return each.assign(x=each["mu_x"] + each["reach"] * x, y=each["mu_y"] + each["reach"] * y)
