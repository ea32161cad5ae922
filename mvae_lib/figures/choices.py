"""Pictures of the recipe's choices: what each answer to a question costs and gains."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.figures import style
from mvae_lib.figures.claims import NAMES
from mvae_lib.figures.results import HELD, METRIC, _log

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import Tensor

GIVEN = {"m1": ("o", "farsi"), "m2": ("s", "kannada"), "m3": ("^", "speech"), "m1,m2,m3": ("D", "joint")}


def question(frame: "pd.DataFrame") -> "Figure":
    """One question, an answer a place: accuracy, reconstructions with and without, KL. `frame`: `variants.compare` of one."""
    answers = list(dict.fromkeys(frame["answer"]))
    figure, axes = style.new(1, 5, (11.0, 2.9))
    at = {answer: place for place, answer in enumerate(answers)}
    for axis, metric in zip(axes[0], ("accuracy", *HELD, "kl"), strict=True):
        if metric in HELD:
            colour, me = style.COLOUR[metric.split("_")[1]], HELD[metric]
            without = frame[~frame["given"].str.contains(me)].groupby("answer", sort=False)[metric].mean().reset_index()
            for words, rows, look in (
                ("given itself", frame[frame["given"] == me], {"marker": "o"}),
                ("given all", frame[frame["given"] == "m1,m2,m3"], {"marker": "D", "mfc": "white"}),
                ("not given", without, {"marker": "v"}),
            ):
                axis.plot(rows["answer"].map(at), rows[metric], ls="-", lw=0.8, color=colour, label=words, **look)
            axis.legend(fontsize=6.5)
            if metric == "sse_speech":
                _log(axis)
        else:
            for given, (mark, colour) in GIVEN.items():
                rows = frame[frame["given"] == given]
                axis.plot(
                    rows["answer"].map(at),
                    rows[metric],
                    marker=mark,
                    lw=0.8,
                    color=style.COLOUR[colour],
                    label=style.marks(given, NAMES),
                )
        axis.set_xticks(range(len(answers)), [answer.replace(", ", ",\n") for answer in answers])
        axis.tick_params(axis="x", rotation=0 if max(map(len, answers)) < 6 else 60, labelsize=7)
        axis.set_title(METRIC[metric], fontsize=8)
        axis.margins(x=0.15)
    axes[0, 0].legend(title="given", fontsize=6.5, title_fontsize=6.5)
    return figure


def seven(frame: "pd.DataFrame", images: "dict[str, dict[str, Tensor]]") -> "Figure":
    """One triplet's Farsi image from each combination, a row an objective, with nats of BCE.

    `frame`: answer, given, metric; `images`: answer -> given -> ``[1, 784]``.
    """
    columns = list(next(iter(images.values())))
    figure, axes = style.new(len(images), len(columns), (9.0, 1.15 * len(images) + 0.3))
    for line, (answer, strips) in zip(axes, images.items(), strict=True):
        cost = frame[frame["answer"] == answer].set_index("given")["metric"]
        for axis, given in zip(line, columns, strict=True):
            held = "m1" in given.split(",")
            words = f"{style.marks(given, NAMES)}  {cost[given]:.0f}" if given.startswith("m") else given
            style.digit(axis, strips[given][0].numpy(), words, style.COLOUR["farsi"] if held else None)
        line[0].set_ylabel(f"must rebuild\n{answer}", fontsize=8)
    return figure


def widths(frame: "pd.DataFrame") -> "Figure":
    """KL to the prior and posterior entropy as modalities are added. `frame`: answer (beta), given, kl_to_prior, entropy."""
    figure, axes = style.new(1, 2, (9.0, 3.0))
    shades = [style.COLOUR[name] for name in ("prior", "speech", "joint", "kannada")]
    rows = frame.assign(count=frame["given"].str.count(",") + 1)
    for axis, (metric, words) in zip(
        axes[0], {"kl_to_prior": "KL to the prior", "entropy": "entropy of the posterior"}.items(), strict=True
    ):
        for colour, (answer, part) in zip(shades, rows.groupby("answer", sort=False), strict=True):
            axis.plot(part["count"], part[metric], "o", ms=3.5, color=colour)
            axis.plot(part.groupby("count")[metric].mean(), color=colour, label=f"beta {answer}")
        axis.set_xticks([1, 2, 3])
        axis.set(xlabel="modalities given", ylabel=f"{words} (nats)")
    axes[0, 0].legend()
    return figure


def gradients(frame: "pd.DataFrame") -> "Figure":
    """Norm of the gradient at every step of the first epoch. `frame`: answer, step, gradient."""
    figure, ((axis,),) = style.new(1, 1, (8.0, 3.0))
    for colour, (answer, rows) in zip(("kannada", "joint", "farsi"), frame.groupby("answer", sort=False), strict=True):
        axis.plot(rows["step"], rows["gradient"], color=style.COLOUR[colour], lw=0.9, label=f"logvar heads: {answer}", alpha=0.85)
    axis.set(xlabel="step of the first epoch", ylabel="norm of the gradient")
    _log(axis)
    axis.legend()
    return figure


def history(frame: "pd.DataFrame") -> "Figure":
    """The search's trials in order, and the best so far. `frame`: `search.trials_table`."""
    figure, ((axis,),) = style.new(1, 1, (8.0, 2.8))
    for state, mark, colour in (("complete", "o", "joint"), ("pruned", "x", "prior")):
        rows = frame[frame["state"] == state]
        axis.plot(rows["trial"], rows["value"], mark, color=style.COLOUR[colour], label=f"{state} trials")
    axis.step(frame["trial"], frame["best"], where="post", color=style.COLOUR["report"], label="best so far")
    axis.set(xlabel="trial", ylabel="negative ELBO on validation\n(mean over combinations, nats)")
    axis.legend(fontsize=8)
    return figure


def importances(frame: "pd.DataFrame") -> "Figure":
    """How much of the spread between trials each parameter explains. `frame`: `search.importance_table`."""
    figure, ((axis,),) = style.new(1, 1, (6.5, 0.3 * len(frame) + 0.8))
    axis.barh(range(len(frame)), frame["mean"], xerr=frame["sd"], color=style.COLOUR["prior"], height=0.6)
    axis.set_yticks(range(len(frame)), frame["parameter"].str.replace("_", " "))
    axis.set(xlabel="share of the spread explained (functional ANOVA; bars: sd over ten forests)", xlim=(0, 1))
    axis.invert_yaxis()
    return figure


def contest(frame: "pd.DataFrame") -> "Figure":
    """The search's winner beside the presets, by combination, on test. `frame`: `variants.contest`."""
    frame = frame[frame["split"] == "test"]
    metrics = ("accuracy", "neg_elbo", *HELD)
    figure, axes = style.new(1, len(metrics), (11.0, 3.0), sharey=True)
    looks = dict(zip(dict.fromkeys(frame["answer"]), (("D", "report"), ("o", "farsi"), ("s", "joint")), strict=True))
    for axis, metric in zip(axes[0], metrics, strict=True):
        for shift, (answer, (mark, colour)) in enumerate(looks.items()):
            rows = frame[(frame["answer"] == answer) & ~frame["given"].str.contains("mean")]
            axis.plot(rows[metric], np.arange(7) + 0.15 * (shift - 1), mark, color=style.COLOUR[colour], label=answer)
        axis.set_xlabel(METRIC[metric], fontsize=8)
    axes[0, 0].set_yticks(range(7), [style.marks(given, NAMES) for given in rows["given"]])
    axes[0, 0].invert_yaxis()
    axes[0, -1].set_xlabel(METRIC[metrics[-1]] + "\n(as_run: another view, other units)", fontsize=8)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
