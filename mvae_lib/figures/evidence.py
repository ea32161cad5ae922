"""Pictures of what the claims were tested with."""

from typing import TYPE_CHECKING

from mvae_lib.evaluate import REPORT_ORDER
from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = ("farsi", "kannada", "speech")


def coherence(frame: "pd.DataFrame") -> "Figure":
    """The share of rebuilt samples read right, given by target. `frame`: z, given, target, right (a fraction)."""
    kinds, low = list(dict.fromkeys(frame["z"])), min(0.85, frame["right"].min())
    figure, axes = style.new(1, len(kinds), (4.3 * len(kinds), 3.4), sharey=True)
    for ax, z in zip(axes[0], kinds, strict=True):
        table = (
            frame[frame["z"] == z]
            .pivot_table(index="given", columns="target", values="right")
            .loc[list(REPORT_ORDER), list(NAMES)]
        )
        ax.imshow(table, cmap="cividis", vmin=low, vmax=1, aspect="auto")
        for row, given in enumerate(table.index):
            for column, name in enumerate(NAMES):
                value = table.loc[given, name]
                held = f"m{column + 1}" in given.split(",")
                words = f"{value:.1%}" + (f" {style.MARK['given']}" if held else "")
                ax.text(column, row, words, ha="center", va="center", color="black" if value > (1 + low) / 2 else "white")
        ax.set_xticks(range(3), [style.TITLE[name] for name in NAMES])
        ax.set_yticks(range(7), [style.marks(given, NAMES) for given in table.index])
        ax.set(title=f"rebuilt from {z}", xlabel="rebuilt modality (●: it was itself given)")
        ax.grid(False)
    axes[0, 0].set_ylabel("given")
    return figure


def calibration(frame: "pd.DataFrame") -> "Figure":
    """Confidence beside accuracy, by combination and split. `frame`: split, given, accuracy, confidence, calibration_error."""
    splits = list(dict.fromkeys(frame["split"]))
    figure, axes = style.new(1, len(splits), (4.5 * len(splits), 3.0), sharey=True)
    for ax, split in zip(axes[0], splits, strict=True):
        rows = frame[frame["split"] == split].set_index("given").loc[list(REPORT_ORDER)]
        for place, row in enumerate(rows.itertuples()):
            ax.plot([row.accuracy, row.confidence], [place, place], color=style.COLOUR["prior"], lw=2, zorder=1)
            ax.text(max(row.accuracy, row.confidence), place - 0.28, f"error {row.calibration_error:.1%}", ha="right", fontsize=7)
        ax.plot(rows["accuracy"], range(7), "o", color=style.COLOUR["joint"], label="accuracy")
        ax.plot(rows["confidence"], range(7), "D", mfc="white", color=style.COLOUR["label"], label="mean confidence")
        ax.set_yticks(range(7), [style.marks(given, NAMES) for given in rows.index])
        ax.set(title={"test_dig": "Dig-MNIST (out of domain)"}.get(split, split), xlabel="share")
        ax.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_ylabel("given")
    axes[0, 0].legend(loc="lower left")
    return figure


def gains(frame: "pd.DataFrame") -> "Figure":
    """What one more modality does to each digit's accuracy, in points. `frame`: given, added, digit, change."""
    figure, ((axes,),) = style.new(1, 1, (9.0, 3.6))
    table = frame.assign(step=frame["given"] + " + " + frame["added"]).pivot_table(
        index="step", columns="digit", values="change", sort=False
    )
    reach = float(table.abs().to_numpy().max())
    image = axes.imshow(table, cmap="PuOr", vmin=-reach, vmax=reach, aspect="auto")
    for row in range(len(table)):
        for column in range(table.shape[1]):
            value = table.iloc[row, column]
            colour = "white" if abs(value) > 0.6 * reach else "black"
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7.5, color=colour)
    steps = (step.split(" + ") for step in table.index)
    axes.set_yticks(
        range(len(table)), [f"{style.marks(given, NAMES)} + {style.TITLE[NAMES[int(m[1]) - 1]]}" for given, m in steps]
    )
    axes.set_xticks(range(table.shape[1]), table.columns)
    axes.set(xlabel="digit", title="accuracy with one modality more, minus accuracy before (points)")
    axes.grid(False)
    figure.colorbar(image, ax=axes, label="points")
    return figure


def beliefs(frame: "pd.DataFrame") -> "Figure":
    """The label's probabilities of one triplet, by combination. `frame`: given, digit, probability, label."""
    figure, axes = style.new(1, 7, (9.0, 2.2), sharey=True)
    for ax, given in zip(axes[0], REPORT_ORDER, strict=True):
        rows = frame[frame["given"] == given]
        true = rows["digit"] == rows["label"]
        ax.bar(rows["digit"], rows["probability"], color=[style.COLOUR["label"] if is_true else "#9A9A9A" for is_true in true])
        ax.set(title=style.marks(given, NAMES), xticks=[0, 3, 7], ylim=(0, 1))
    axes[0, 0].set_ylabel("probability")
    axes[0, 3].set_xlabel("digit")
    return figure


def agnostic(frame: "pd.DataFrame") -> "Figure":
    """Overlap of two modalities' posteriors: one triplet, one digit, two digits. `frame`: `overlap_table`."""
    figure, ((axis,),) = style.new(1, 1, (8.0, 2.6))
    looks = {"triplet": ("o", "joint"), "same digit": ("s", "speech"), "other digit": ("^", "kannada")}
    pairs = frame[["one", "other"]].drop_duplicates().itertuples(index=False)
    places = {(one, other): place for place, (one, other) in enumerate(pairs)}
    for shift, (kind, (mark, colour)) in enumerate(looks.items()):
        rows = frame[frame["kind"] == kind]
        y = [places[row.one, row.other] + 0.2 * (shift - 1) for row in rows.itertuples()]
        axis.errorbar(rows["mean"], y, xerr=rows["sd"], fmt=mark, color=style.COLOUR[colour], label=kind, capsize=2)
    axis.set_yticks(range(len(places)), [f"{style.TITLE[one]}\n{style.TITLE[other]}" for one, other in places])
    axis.axvline(0, color=style.COLOUR["prior"], ls=":")
    axis.set(xlabel="log Bhattacharyya coefficient, nats (0: the same Gaussian); bars: sd over triplets", ylim=(2.5, -0.5))
    figure.legend(title="posteriors of", fontsize=8, loc="outside right upper")
    return figure


def probes(frame: "pd.DataFrame") -> "Figure":
    """Accuracy of a probe fitted on one modality's latent, on another's. `frame`: fitted on, and a column a modality."""
    table = frame.set_index("fitted on")[list(NAMES)]
    figure, ((axis,),) = style.new(1, 1, (5.2, 3.0))
    axis.imshow(table, cmap="cividis", vmin=0.1, vmax=1)
    for row in range(3):
        for column in range(3):
            value = table.iloc[row, column]
            axis.text(column, row, f"{value:.1%}", ha="center", va="center", color="black" if value > 0.6 else "white")
    axis.set_xticks(range(3), [style.TITLE[name] for name in table.columns])
    axis.set_yticks(range(3), [style.TITLE[name] for name in table.index])
    axis.set(xlabel="tested on the latent of", ylabel="fitted on the latent of")
    axis.grid(False)
    return figure


def departure(frame: "pd.DataFrame") -> "Figure":
    """Distance from the full posterior, and entropy, by combination. `frame`: `departure_table`."""
    rows = frame.set_index("given").loc[list(REPORT_ORDER)]
    figure, axes = style.new(1, 3, (9.5, 2.8), sharey=True)
    words = {
        "kl_from_full": "KL from the full posterior (nats)",
        "distance_of_means": "distance of the means",
        "entropy": "entropy (nats)",
    }
    colours = [style.COLOUR["joint"] if given.count(",") else style.COLOUR[NAMES[int(given[1]) - 1]] for given in rows.index]
    for axis, (column, label) in zip(axes[0], words.items(), strict=True):
        axis.hlines(range(7), rows[column].min() if column == "entropy" else 0, rows[column], color="#CCCCCC")
        axis.scatter(rows[column], range(7), color=colours, zorder=3)
        axis.set(xlabel=label)
    axes[0, 0].set_yticks(range(7), [style.marks(given, NAMES) for given in rows.index])
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_ylabel("given")
    return figure
