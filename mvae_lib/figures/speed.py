"""Pictures of what `make bench` measured: where a step's time goes, and how it grows."""

import json
from typing import TYPE_CHECKING

from mvae_lib.data.sources import ROOT
from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BENCH = ROOT / "data" / "out" / "bench"
"""Where `make bench` leaves its results."""
WAYS = ("plain", "stacked", "leaner formulas", "oneDNN", "compiled", "ours")
"""The ladder, from what one writes first to what `mvae_lib.train` does."""
SHADE = {"float32": style.COLOUR["farsi"], "bfloat16": style.COLOUR["kannada"]}
WORK = {
    "matrix products": style.COLOUR["joint"],
    "activations": style.COLOUR["report"],
    "fused element-wise work": style.COLOUR["speech"],
    "optimiser": style.COLOUR["farsi"],
    "casts and copies": style.COLOUR["label"],
    "noise": style.COLOUR["prior"],
    "the rest": "#D0D0D0",
}


def measured(name: str) -> "tuple[pd.DataFrame, str]":
    """One result of `make bench` and the machine it is from: this machine's if it was run here, else the committed one."""
    import pandas as pd

    here = BENCH / f"{name}.csv"
    if here.exists() and (BENCH / "machine.json").exists():
        machine = json.loads((BENCH / "machine.json").read_text())
        return pd.read_csv(here), "{cpu} ({flags}), {threads} threads, torch {torch}".format(**machine)
    return style.saved(f"speed_{name}")


def targets(frame: "pd.DataFrame") -> "Figure":
    """Each ratio before its target; what was not measured stays empty. `frame`: `make bench`'s targets."""
    figure, ((axes,),) = style.new(1, 1, (9.0, 0.42 * len(frame) + 1.0))
    for place, row in enumerate(frame.itertuples()):
        axes.barh(place, row.target, height=0.75, color="#E4E4E4")
        if row.measured == row.measured:  # not NaN
            colour = style.COLOUR["speech" if row.met == "yes" else "report"]
            axes.barh(place, row.measured, height=0.4, color=colour)
            axes.plot([row.lowest, row.highest], [place, place], color=style.COLOUR["joint"], lw=1.2)
            axes.text(max(row.highest, row.target) + 0.08, place, f"{row.measured:.2f} ({row.sign} {row.target:g})", va="center")
        else:
            axes.text(row.target + 0.08, place, f"not measured ({row.sign} {row.target:g})", va="center", color="#777777")
    axes.set_yticks(range(len(frame)), frame["what"])
    axes.set(xlabel="green: met, orange: missed, line: lowest to highest round; grey: the target", xlim=(0, 8.2))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


def ladder(frame: "pd.DataFrame") -> "Figure":
    """Milliseconds a step, way by way, with the matrix products alone as a line. `frame`: way, precision, round, ms."""
    figure, axes = style.new(1, 2, (9.0, 3.2), sharey=True)
    for ax, (precision, colour) in zip(axes[0], SHADE.items(), strict=True):
        here = frame[(frame["precision"] == precision) | (frame["way"] == "plain")]
        median = here.groupby("way")["ms"].median()
        ways = [way for way in WAYS if way in median.index]
        bars = ax.bar(range(len(ways)), median[ways], color=["#9A9A9A" if way == "plain" else colour for way in ways], width=0.7)
        ax.bar_label(bars, fmt="%.0f", padding=2, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        for floor, line in (("floor", "-"), ("floor by oneDNN", "--")):
            if floor in median.index:
                words = "its matrix products alone" + (" by oneDNN" if "oneDNN" in floor else "")
                ax.axhline(median[floor], color=style.COLOUR["joint"], ls=line, lw=1, label=f"{words}: {median[floor]:.0f}")
        ax.set_xticks(range(len(ways)), [way.replace(" ", "\n") + ("\n(float32)" if way == "plain" else "") for way in ways])
        ax.set(title=precision, ylabel="ms a step (median of rounds)" if precision == "float32" else "")
        ax.legend(loc="upper right")
        ax.grid(axis="x", visible=False)
    return figure


def profile(frame: "pd.DataFrame") -> "Figure":
    """Where a step's time goes, by kind of work. `frame`: way, precision, work, ms."""
    figure, ((axes,),) = style.new(1, 1, (9.0, 2.7))
    table = frame.pivot_table(index=["precision", "way"], columns="work", values="ms", sort=False)
    left = 0.0 * table.iloc[:, 0].to_numpy()
    for work, colour in WORK.items():
        axes.barh(range(len(table)), table[work], left=left, color=colour, label=work, height=0.65)
        left = left + table[work].to_numpy()
    for place, total in enumerate(left):
        axes.text(total + 1, place, f"{total:.0f}", va="center")
    words = {"leaner": "uncompiled", "ours": "compiled"}
    axes.set_yticks(range(len(table)), [f"{precision}, {words[way]}" for precision, way in table.index])
    axes.set(xlabel="ms a step, as the profiler counts it")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def scale(frame: "pd.DataFrame") -> "Figure":
    """Step time and peak memory against the number of modalities. `frame`: subsets, rebuild, modalities, ms, peak_mib."""
    figure, axes = style.new(1, 2, (9.0, 3.2))
    for (subsets, rebuild), rows in frame.groupby(["subsets", "rebuild"], sort=False):
        look = {
            "color": style.COLOUR["kannada" if subsets == "all" else "speech"],
            "ls": "-" if rebuild == "all" else "--",
            "marker": "o" if subsets == "all" else "s",
            "ms": 4,
            "label": f"{'every subset' if subsets == 'all' else 'sampled subsets'}, rebuild {rebuild}",
        }
        for ax, value in zip(axes[0], ("ms", "peak_mib"), strict=True):
            ax.plot(rows["modalities"], rows[value], **look)
    for ax, label in zip(axes[0], ("ms a step (log)", "peak memory of the process, MiB (log)"), strict=True):
        ax.set(yscale="log", xlabel="modalities", ylabel=label, xticks=sorted(frame["modalities"].unique()))
    axes[0, 0].legend()
    return figure


def batch(frame: "pd.DataFrame") -> "Figure":
    """Triplets a second against batch size. `frame`: precision, batch_size, samples_per_second."""
    figure, ((axes,),) = style.new(1, 1, (5.5, 3.0))
    for precision, rows in frame.groupby("precision", sort=False):
        axes.plot(rows["batch_size"], rows["samples_per_second"], "o-", ms=4, color=SHADE[str(precision)], label=precision)
    axes.axvline(128, color=style.COLOUR["prior"], lw=1, ls=":", label="the presets' 128")
    sizes = sorted(frame["batch_size"].unique())
    axes.set(xscale="log", xlabel="batch size (log)", ylabel="triplets a second", ylim=(0, None))
    axes.set_xticks(sizes, sizes, minor=False)
    axes.minorticks_off()
    axes.legend()
    return figure


def precision(frame: "pd.DataFrame") -> "Figure":
    """The results of both precisions, seed by seed, metric by metric. `frame`: combination tables with precision, seed."""
    metrics = {
        "accuracy": "accuracy",
        "bce_farsi": "Farsi BCE (nats)",
        "bce_kannada": "Kannada BCE (nats)",
        "sse_speech": "speech SSE",
    }
    figure, axes = style.new(1, 4, (9.0, 2.9), sharey=True)
    order = list(dict.fromkeys(frame["given"]))
    for ax, (metric, title) in zip(axes[0], metrics.items(), strict=True):
        for shift, (name, colour) in zip((-0.15, 0.15), SHADE.items(), strict=True):
            rows = frame[frame["precision"] == name]
            places = [order.index(given) + shift for given in rows["given"]]
            ax.plot(rows[metric], places, "o", ms=4, mfc="none", color=colour, label=name)
        ax.set(xlabel=title)
    axes[0, 0].set_yticks(range(len(order)), [style.marks(given, ("m1", "m2", "m3")) for given in order])
    axes[0, 0].invert_yaxis()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def start(frame: "pd.DataFrame") -> "Figure":
    """What one waits for before anything happens, start by start. `frame`: way, round, ms."""
    figure, ((axes,),) = style.new(1, 1, (6.5, 1.7))
    ways = list(dict.fromkeys(frame["way"]))
    axes.plot(frame["ms"], [ways.index(way) for way in frame["way"]], "o", ms=5, mfc="none", color=style.COLOUR["joint"])
    axes.set_yticks(range(len(ways)), ways)
    axes.set(xlabel="ms, each in a fresh interpreter", xlim=(0, None), ylim=(len(ways) - 0.5, -0.5))
    return figure


def browser(frame: "pd.DataFrame") -> "Figure":
    """The explorer's latencies, event by event, before their targets. `frame`: what, number, ms, p50_target, p95_target."""
    names = list(dict.fromkeys(frame["what"]))
    figure, ((axes,),) = style.new(1, 1, (9.0, 0.62 * len(names) + 0.9))
    for place, name in enumerate(names):
        rows = frame[frame["what"] == name]
        target, (median, high) = rows["p95_target"].fillna(0).iloc[0], rows["ms"].quantile([0.5, 0.95])
        axes.barh(place, target, height=0.8, color="#E4E4E4")
        spread = 0.5 * ((rows["number"] * 0.618) % 1 - 0.5)  # beside each other, the same each time
        axes.plot(rows["ms"], place + spread, ".", ms=3, alpha=0.4, color=style.COLOUR["prior"], mec="none")
        colour = style.COLOUR["prior" if not target else "speech" if high <= target else "report"]
        axes.plot([median, median], [place - 0.35, place + 0.35], color=style.COLOUR["joint"], lw=2)
        axes.plot([high, high], [place - 0.35, place + 0.35], color=colour, lw=3)
        words = f"p50 {median:.1f}, p95 {high:.1f}" + (f" (≤ {target:g})" if target else "")
        axes.text(max(high, target, rows["ms"].max()) + 2, place, words, va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="ms; black: median, green or orange: 95th percentile, met or missed; grey: its target")
    axes.set_xlim(0, 1.35 * max(frame["ms"].max(), frame["p95_target"].max()))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


def page(frame: "pd.DataFrame") -> "Figure":
    """What was measured once of the explorer's page, as part of its target. `frame`: what, measured, target."""
    figure, ((axes,),) = style.new(1, 1, (9.0, 0.4 * len(frame) + 0.8))
    part = frame["measured"] / frame["target"]
    axes.barh(range(len(frame)), part, height=0.6, color=[style.COLOUR["speech" if p <= 1 else "report"] for p in part])
    axes.axvline(1, color=style.COLOUR["joint"], lw=1)
    for place, (measured, target) in enumerate(zip(frame["measured"], frame["target"], strict=True)):
        axes.text(max(part[place], 0) + 0.02, place, f"{measured:.2f} (≤ {target:g})", va="center", fontsize=8)
    axes.set_yticks(range(len(frame)), frame["what"])
    axes.set(xlabel="part of its target (line: the target)", xlim=(min(0, 1.1 * part.min()), max(1.3, 1.3 * part.max())))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure
