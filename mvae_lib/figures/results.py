"""Pictures of training and of what each combination rebuilds, each with its floor and its class-mean line."""

from pathlib import Path
from typing import TYPE_CHECKING

from mvae_lib.evaluate import CLASS_MEAN, FLOOR, REPORT_ORDER
from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

METRIC = {
    "accuracy": "label accuracy",
    "reported_bound": 'recon + CE + beta KL\n(the report\'s "ELBO", nats)',
    "neg_elbo": "recon + KL (nats)",
    "bce_farsi": "m1 Farsi: BCE (nats)",
    "bce_kannada": "m2 Kannada: BCE (nats)",
    "sse_speech": "m3 speech: sum of squared errors",
    "ce": "label cross-entropy (nats)",
    "kl": "KL to the prior (nats)",
}
"""A column of the results table -> what an axis calls it."""
HELD = {"bce_farsi": "m1", "bce_kannada": "m2", "sse_speech": "m3"}


def _log(axis: "Axes") -> None:
    """A logarithmic value axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def report_table() -> "pd.DataFrame":
    """The report's Table 2, as printed (training data); its "ELBO" is `reported_bound`, its "MSE" `sse_speech`."""
    import pandas as pd

    return pd.read_csv(Path(__file__).with_name("report_table2.csv"), index_col="given")


def convergence(frame: "pd.DataFrame") -> "Figure":
    """The report's Figure 3: loss and label accuracy by epoch. `frame`: a run's history."""
    figure, axes = style.new(1, 2, (9.0, 3.1))
    loss, accuracy = axes[0]
    for split, rows in frame.groupby("split", sort=False):
        line = "-" if split == "train" else "--"
        per_epoch = rows.groupby("epoch")
        label = {"train": "train", "val": "validation", "test": "test (not used for any choice)"}[str(split)]
        loss.plot(per_epoch["reported_bound"].sum(), ls=line, color=style.COLOUR["joint"], label=label)
        for given, colour in (("m1,m2,m3", "joint"), ("m1", "farsi"), ("m2", "kannada"), ("m3", "speech")):
            one = rows[rows["subset"] == given]
            accuracy.plot(
                one["epoch"], one["accuracy"], ls=line, color=style.COLOUR[colour], label=given if split == "train" else None
            )
    loss.set(xlabel="epoch", ylabel="objective, summed over 7 subsets\n(nats per triplet)", title="Loss")
    _log(loss)
    accuracy.set(
        xlabel="epoch", ylabel="share of labels read right", title="Label accuracy, by what is given", ylim=(None, 1.002)
    )
    loss.legend()
    accuracy.legend(title="given")
    return figure


def every_term(frame: "pd.DataFrame") -> "Figure":
    """Each term by epoch, for all combinations. `frame`: a run's history, and rows of `evaluate.baselines` as subsets."""
    terms = ["bce_farsi", "bce_kannada", "sse_speech", "ce", "kl", "accuracy"]
    figure, axes = style.new(2, 3, (10.0, 5.4), sharex=True)
    looks = {"m1": "farsi", "m2": "kannada", "m3": "speech", "m1,m2,m3": "joint"}
    for axis, term in zip(axes.flat, terms, strict=True):
        for given in REPORT_ORDER:
            for split, rows in frame[frame["subset"] == given].groupby("split", sort=False):
                colour, width = (style.COLOUR[looks[given]], 1.6) if given in looks else ("#BBBBBB", 1.0)
                axis.plot(rows["epoch"], rows[term], color=colour, lw=width, ls="-" if split == "train" else "--")
        for name, line in ((CLASS_MEAN, ":"), (FLOOR, "-")):
            level = frame.loc[frame["subset"] == name, term]
            if len(level) and level.iloc[0] > 0:
                axis.axhline(level.iloc[0], color=style.COLOUR["report"], ls=line, lw=1.2)
        axis.set_title(METRIC[term])
        if term != "accuracy":
            _log(axis)
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    handles = [axes[0, 0].plot([], [], color=style.COLOUR[c], label=f"given {g}")[0] for g, c in looks.items()]
    handles += [axes[0, 0].plot([], [], color="#BBBBBB", label="given two")[0]]
    splits = (("-", "train"), ("--", "validation or test"))
    handles += [axes[0, 0].plot([], [], color="#555555", ls=ls, label=t)[0] for ls, t in splits]
    lines = ((":", "class mean"), ("-", "floor"))
    handles += [axes[0, 0].plot([], [], color=style.COLOUR["report"], ls=ls, label=t)[0] for ls, t in lines]
    figure.legend(handles=handles, ncols=5, loc="outside upper center", fontsize=8)
    return figure


def first_steps(frame: "pd.DataFrame") -> "Figure":
    """Gradient norm and objective over the first steps of a few variants. `frame`: variant, step, gradient, objective."""
    figure, axes = style.new(1, 2, (9.0, 3.0))
    looks = [("-", "joint"), ("--", "kannada"), (":", "farsi")]
    labels = {"gradient": "norm of the gradient", "objective": "objective (nats per triplet)"}
    for axis, (column, label) in zip(axes[0], labels.items(), strict=True):
        for (line, colour), (variant, rows) in zip(looks, frame.groupby("variant", sort=False), strict=True):
            axis.plot(rows["step"], rows[column], ls=line, color=style.COLOUR[colour], label=variant)
        axis.set(xlabel="step", ylabel=label)
        _log(axis)
    axes[0, 1].legend()
    return figure


def nearest_rule(frame: "pd.DataFrame") -> "Figure":
    """What hangs on one word: Farsi from itself, by the pixel that "nearest" takes. `frame`: rule, epoch, bce_farsi."""
    figure, axes = style.new(1, 1, (6.0, 3.2))
    axis = axes[0, 0]
    for (rule, rows), line in zip(frame.groupby("rule", sort=False), ("-", "--"), strict=True):
        axis.plot(rows["epoch"], rows["bce_farsi"], ls=line, color=style.COLOUR["farsi"], label=f"pixel under the {rule}")
    axis.axhline(report_table().loc["m1", "bce_farsi"], color=style.COLOUR["report"], ls=":", label="report, epoch 32")
    axis.set(xlabel="epoch", ylabel="m1 Farsi, given m1: BCE (nats, train)")
    _log(axis)
    axis.legend()
    return figure


def combination_table(
    frame: "pd.DataFrame", metrics: tuple[str, ...] = ("accuracy", "bce_farsi", "bce_kannada", "sse_speech")
) -> "Figure":
    """The report's Table 2 as a picture. `frame`: split, given, and the table's columns; `split` "report" is the report's own."""
    figure, axes = style.new(1, len(metrics), (2.75 * len(metrics), 3.5), sharey=True)
    looks = {
        "report": ("D", "report", 44, "report (training data)"),
        "train, running": ("o", "joint", 20, "ours, as the report measured"),
        "test": ("^", "label", 30, "ours, test"),
        "test_dig": ("x", "label", 28, "ours, Dig-MNIST"),
    }
    rows = {given: -k for k, given in enumerate(REPORT_ORDER)}
    lines = frame[frame["split"] == "test"].set_index("given")
    for axis, metric in zip(axes[0], metrics, strict=True):
        for split, (marker, colour, size, label) in looks.items():
            part = frame[(frame["split"] == split) & frame["given"].isin(rows)]
            face = "none" if split == "report" else style.COLOUR[colour]
            paint = {"c": face} if marker == "x" else {"facecolors": face, "edgecolors": style.COLOUR[colour]}
            axis.scatter(part[metric], [rows[g] for g in part["given"]], marker=marker, s=size, label=label, zorder=3, **paint)
        if metric in HELD:
            axis.axvline(lines.loc[CLASS_MEAN, metric], color=style.COLOUR["prior"], ls=":", label="class mean, on test")
            axis.axvline(lines.loc[FLOOR, metric], color=style.COLOUR["prior"], label="floor")
        axis.set(title=METRIC[metric], yticks=list(rows.values()), ylim=(-6.6, 0.6))
        axis.title.set_fontsize(9)
    axes[0, 0].set_yticklabels([f"{style.marks(g, ('', '', ''))}  {g}" for g in rows])
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=len(labels), loc="outside upper center", fontsize=8)
    return figure


def reconstructions(frame: "pd.DataFrame", images: "dict[str, Tensor]", modality: str) -> "Figure":
    """The report's Figure 4: a row what was given, a column a triplet. `frame` and `images`: `evaluate.strips`."""
    names = ("farsi", "kannada", "speech")
    me = f"m{names.index(modality) + 1}"
    columns = len(next(iter(images.values())))
    figure, axes = style.new(len(images), columns, (0.72 * columns + 1.2, 0.80 * len(images)))
    for line, (given, strip) in zip(axes, images.items(), strict=True):
        held = me in given.split(",")
        values = frame[frame["given"] == given]["metric"].to_numpy()
        for k, (axis, image) in enumerate(zip(line, strip, strict=True)):
            style.digit(axis, image.numpy(), f"{values[k]:.0f}", style.COLOUR[modality] if held else None)
        row = given if given not in REPORT_ORDER else f"{style.marks(given, names)}\n{given}"
        line[0].set_ylabel(
            row, rotation=0, ha="right", va="center", fontsize=8, color=style.COLOUR[modality] if held else "#222222"
        )
    return figure


def speech_bars(frame: "pd.DataFrame") -> "Figure":
    """Rebuilt speech beside the recording's own 13 values. `frame`: given (or "original"), coefficient, value."""
    original = frame[frame["given"] == "original"]
    givens = [g for g in frame["given"].unique() if g != "original"]
    figure, axes = style.new(2, 4, (10.0, 4.0), sharex=True, sharey=True)
    for axis, given in zip(axes.flat, givens, strict=False):
        rows = frame[frame["given"] == given]
        colour = style.COLOUR["speech"] if "m3" in given else style.COLOUR["prior"]
        axis.bar(rows["coefficient"], rows["value"], color=colour, alpha=0.75, label="rebuilt")
        axis.plot(original["coefficient"], original["value"], "_", ms=9, mew=2, color="#222222", label="the recording")
        axis.set_title(f"{style.marks(given, ('', '', ''))} {given}" if given in REPORT_ORDER else given)
    for axis in axes[1]:
        axis.set_xlabel("MFCC coefficient")
    for axis in axes[:, 0]:
        axis.set_ylabel("scaled value")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=2, loc="outside upper center", fontsize=8)
    return figure
