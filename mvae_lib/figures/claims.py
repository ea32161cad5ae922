"""Pictures of the report's claims, each beside what it would have to beat."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from mvae_lib.evaluate import REPORT_ORDER
from mvae_lib.figures import style
from mvae_lib.figures.results import METRIC, report_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = ("farsi", "kannada", "speech")
SPLIT = {"train": "train", "val": "validation", "test": "test", "test_dig": "Dig-MNIST"}
LOOK = {"train": ("s", "prior"), "val": ("v", "farsi"), "test": ("o", "joint"), "test_dig": ("^", "kannada")}


def seeds(frame: "pd.DataFrame") -> "Figure":
    """Accuracy and reconstructions by combination and split, a mark a seed, with mean and sd; the report's beside them.

    `frame`: `evaluate.over_seeds` of one preset.
    """
    metrics = ("accuracy", "bce_farsi", "bce_kannada", "sse_speech")
    figure, axes = style.new(1, 4, (10.0, 4.2), sharey=True)
    report, looks = report_table(), {split: look for split, look in LOOK.items() if split in set(frame["split"])}
    for axis, metric in zip(axes[0], metrics, strict=True):
        for shift, (split, (mark, colour)) in enumerate(looks.items()):
            table = frame[frame["split"] == split].pivot_table(index="seed", columns="given", values=metric)[list(REPORT_ORDER)]
            y = np.arange(7) + 0.18 * (shift - 1.5)
            axis.plot(table.T, y, mark, ms=2.5, color=style.COLOUR[colour], alpha=0.45)
            axis.errorbar(
                table.mean(), y, xerr=table.std(), fmt=mark, ms=5, mfc="white", color=style.COLOUR[colour], label=SPLIT[split]
            )
        if metric != "sse_speech" or (frame["name"] == "as_run").all():  # the presets' speech is in different units
            axis.plot(report[metric], range(7), "D", mfc="none", ms=6, color=style.COLOUR["report"], label="report (training)")
        axis.set(xlabel=METRIC[metric])
    axes[0, 0].set_yticks(range(7), [style.marks(given, NAMES) for given in REPORT_ORDER])
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_ylabel("given")
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, ncols=5, loc="outside upper center", fontsize=8)
    return figure


def classifiers(frame: "pd.DataFrame") -> "Figure":
    """Accuracy of plain classifiers beside the model's. `frame`: classifier, given, split, accuracy; the model is one of them."""
    splits = list(dict.fromkeys(frame["split"]))
    figure, axes = style.new(1, len(splits), (4.6 * len(splits), 3.0), sharey=True)
    kinds = list(dict.fromkeys(frame["classifier"]))
    looks = dict(zip(kinds, ("joint", "farsi", "speech", "kannada"), strict=False))
    marks = dict(zip(kinds, ("D", "s", "^", "o"), strict=False))
    for axis, split in zip(axes[0], splits, strict=True):
        givens = list(dict.fromkeys(frame["given"]))
        for shift, kind in enumerate(kinds):
            rows = frame[(frame["split"] == split) & (frame["classifier"] == kind)].set_index("given").loc[givens]
            y = np.arange(len(givens)) + 0.15 * (shift - 1.5)
            axis.plot(rows["accuracy"], y, marks[kind], color=style.COLOUR[looks[kind]], label=kind)
        axis.set_yticks(range(len(givens)), [style.marks(given, NAMES) for given in givens])
        axis.set(title=SPLIT[split], xlabel="label accuracy")
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_ylabel("given")
    axes[0, -1].legend(loc="best", fontsize=8)
    return figure


def speakers(frame: "pd.DataFrame") -> "Figure":
    """Accuracy with a voice never heard, by speaker, beside voices heard. `frame`: left_out, given, accuracy."""
    givens = [given for given in REPORT_ORDER if "m3" in given]
    table = frame.pivot_table(index="left_out", columns="given", values="accuracy", sort=False)[givens]
    figure, ((axis,),) = style.new(1, 1, (8.0, 2.8))
    for row, given in enumerate(givens):
        unheard = table[given].drop("none")
        axis.plot(unheard, [row] * len(unheard), "o", color=style.COLOUR["kannada"], alpha=0.7)
        axis.plot(unheard.mean(), row, "|", ms=16, mew=2, color=style.COLOUR["kannada"])
        axis.plot(table.loc["none", given], row, "D", color=style.COLOUR["joint"])
        if row == 0:
            for place, (name, value) in enumerate(unheard.sort_values().items()):
                axis.annotate(
                    str(name), (value, row), (0, 7 + 9 * (place % 3)), textcoords="offset points", ha="center", fontsize=7
                )
    axis.plot([], [], "D", color=style.COLOUR["joint"], label="all six voices heard")
    axis.plot([], [], "o", color=style.COLOUR["kannada"], label="a voice never heard (line: mean of six)")
    axis.set_yticks(range(len(givens)), [style.marks(given, NAMES) for given in givens])
    axis.set(xlabel="label accuracy on test", ylabel="given", ylim=(len(givens) - 0.5, -1.1))
    axis.legend(loc="lower left", fontsize=8)
    return figure


def added(frame: "pd.DataFrame") -> "Figure":
    """What one modality more changes, mean and sd over seeds; filled where p < .05. `frame`: `evaluate.added` of one split."""
    metrics = list(dict.fromkeys(frame["metric"]))
    figure, axes = style.new(1, len(metrics), (10.0, 3.4), sharey=True)
    steps = frame[["given", "then"]].drop_duplicates().itertuples(index=False)
    places = {(given, then): place for place, (given, then) in enumerate(steps)}
    for axis, metric in zip(axes[0], metrics, strict=True):
        scale = 100 if metric == "accuracy" else 1
        better = 1 if metric == "accuracy" else -1
        for row in frame[frame["metric"] == metric].itertuples():
            sure = row.p < 0.05
            helps = row.change * better > 0
            colour = style.COLOUR["prior" if not sure else "speech" if helps else "kannada"]
            y = places[row.given, row.then]
            axis.errorbar(
                scale * row.change,
                y,
                xerr=scale * row.sd,
                fmt="^" if helps else "v",
                color=colour,
                mfc=colour if sure else "white",
            )
        axis.axvline(0, color=style.COLOUR["joint"], lw=0.8)
        axis.set_xscale("symlog", linthresh={"accuracy": 1, "sse_speech": 0.002}.get(metric, 1.0))
        axis.set(xlabel="accuracy (points)" if metric == "accuracy" else METRIC[metric])
        axis.tick_params(axis="x", labelsize=7)
    words = [f"{style.marks(given, NAMES)} → {style.marks(then, NAMES)}" for given, then in places]
    axes[0, 0].set_yticks(range(len(places)), words)
    axes[0, 0].invert_yaxis()
    looks = (("^", "speech", "better"), ("v", "kannada", "worse"))
    handles = [axes[0, 0].plot([], [], mark, color=style.COLOUR[colour], label=f"{w} (p < .05)")[0] for mark, colour, w in looks]
    handles += [axes[0, 0].plot([], [], "^", mfc="white", color=style.COLOUR["prior"], label="within the seeds' spread")[0]]
    figure.legend(handles=handles, ncols=3, loc="outside upper center", fontsize=8)
    return figure


def likelihood(frame: "pd.DataFrame") -> "Figure":
    """log p(target | given) by what is given, with standard errors. `frame`: target, given, log_p, standard_error."""
    figure, axes = style.new(1, 3, (9.5, 2.6))
    for axis, (target, rows) in zip(axes[0], frame.groupby("target", sort=False), strict=True):
        words = [style.marks(given, NAMES) if isinstance(given, str) else "○○○" for given in rows["given"]]
        axis.errorbar(
            rows["log_p"], range(len(rows)), xerr=rows["standard_error"], fmt="o", color=style.COLOUR[str(target)], capsize=3
        )
        axis.set_yticks(range(len(rows)), words)
        axis.invert_yaxis()
        axis.set(title=style.TITLE[str(target)], xlabel="log p(target | given), nats")
    axes[0, 0].set_ylabel("given")
    return figure


def beside_class_means(frame: "pd.DataFrame", images: "dict[str, dict[str, torch.Tensor]]") -> "Figure":
    """Originals, what the other modalities rebuild, and class means, with distances to the class mean under them.

    `frame`: target, row, label, metric (root mean square distance to the class mean); `images`: target -> row -> ``[n, 784]``.
    """
    rows = [(target, row) for target, strips in images.items() for row in strips]
    figure, axes = style.new(len(rows), 10, (9.0, 0.98 * len(rows)))
    for line, (target, row) in zip(axes, rows, strict=True):
        part = frame[(frame["target"] == target) & (frame["row"] == row)]
        for axis, image, distance in zip(line, images[target][row], part["metric"], strict=True):
            style.digit(axis, image.numpy(), f"{distance:.3f}" if distance > 0 else "")
        line[0].set_ylabel(row, rotation=0, ha="right", va="center", color=style.COLOUR[target], fontsize=8)
    return figure


def missing(frame: "pd.DataFrame") -> "Figure":
    """Distance of what is rebuilt to class means and original, and its stroke width. `frame`: `evaluate.missing_table`."""
    figure, axes = style.new(2, 2, (9.5, 4.6), width_ratios=(2.2, 1))
    looks = {
        "to_class_mean": ("o", "joint", "to its class mean"),
        "to_other_mean": ("s", "prior", "to the nearest other class mean"),
        "to_original": ("D", "report", "to its original"),
    }
    for (far, wide), (target, rows) in zip(axes, frame.groupby("target", sort=False), strict=True):
        rows = rows.set_index("given").loc[list(REPORT_ORDER)]
        for column, (mark, colour, words) in looks.items():
            far.plot(rows[column], range(7), mark, color=style.COLOUR[colour], label=words)
        far.axvline(rows["original_to_class_mean"].iloc[0], color=style.COLOUR["report"], ls=":", lw=1)
        colours = [style.COLOUR[str(target)] if held else "#9A9A9A" for held in rows["held"]]
        wide.barh(range(7), rows["width"], color=colours)
        wide.axvline(rows["width_original"].iloc[0], color=style.COLOUR["joint"], lw=1.2, label="originals")
        wide.axvline(rows["width_class_mean"].iloc[0], color=style.COLOUR["joint"], lw=1.2, ls="--", label="class means")
        for axis in (far, wide):
            axis.set_yticks(range(7), [style.marks(given, NAMES) for given in rows.index])
            axis.set_ylim(6.6, -0.6)
        far.set(title=f"{style.TITLE[str(target)]}, rebuilt", xlabel="root mean square distance of a pixel", xlim=(0, None))
        wide.set(title="stroke width", xlabel="pixels (grey: it was not given)")
    handles = [handle for axis in axes[0] for handle in axis.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, ncols=5, fontsize=8, loc="outside upper center")
    return figure


def verdicts(frame: "pd.DataFrame") -> "Figure":
    """The claims and what became of them, as a picture. `frame`: claim, the report, verdict, measured."""
    from textwrap import wrap

    columns = {"the report": (0.04, 30), "verdict": (0.25, 30), "measured": (0.46, 84)}
    cells = [{name: wrap(str(row[name]), width) for name, (_, width) in columns.items()} for _, row in frame.iterrows()]
    lines = [max(len(words) for words in row.values()) + 0.8 for row in cells]
    figure, ((axis,),) = style.new(1, 1, (10.0, 0.165 * (sum(lines) + 2.5)))
    axis.set(xlim=(0, 1), ylim=(sum(lines) + 2, 0))
    axis.axis("off")
    for name, (x, _) in columns.items():
        axis.text(x, 0.2, name, weight="bold", va="top", fontsize=8.5)
    y = 1.8
    for (_, row), words, height in zip(frame.iterrows(), cells, lines, strict=True):
        axis.axhline(y - 0.35, color="#CCCCCC", lw=0.8)
        axis.text(0.0, y, str(row["claim"]), weight="bold", va="top", fontsize=8.5)
        for name, (x, _) in columns.items():
            axis.text(x, y, "\n".join(words[name]), va="top", fontsize=8, linespacing=1.25)
        y += height
    return figure
