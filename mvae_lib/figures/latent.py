"""Pictures of the latent space: what each index carries, and what moving it does."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FACTOR = {
    "digit": style.COLOUR["label"],
    "speaker": style.COLOUR["speech"],
    "farsi slant": style.COLOUR["farsi"],
    "farsi stroke width": "#56B4E9",
    "kannada slant": style.COLOUR["kannada"],
    "kannada stroke width": style.COLOUR["report"],
}
"""A factor of variation -> its colour."""


def kl_spectrum(frame: "pd.DataFrame") -> "Figure":
    """KL and variance of the posterior mean of every index, sorted. `frame`: `evaluate.latent_table`."""
    ordered = frame.sort_values("kl", ascending=False)
    figure, axes = style.new(1, 2, (9.0, 3.0))
    left, right = axes[0]
    left.fill_between(range(len(ordered)), ordered["kl"], color=style.COLOUR["joint"], alpha=0.25, lw=0)
    left.plot(range(len(ordered)), ordered["kl"], color=style.COLOUR["joint"])
    left.set(
        xlabel="index, sorted by KL",
        ylabel="KL to the prior (nats)",
        title=f"{ordered['kl'].sum():.0f} nats over {len(ordered)} indices",
        ylim=(0, None),
    )
    right.hist(np.log10(frame["variance_of_mean"].clip(lower=1e-6)), bins=40, color=style.COLOUR["joint"], alpha=0.7)
    right.axvline(-2, color=style.COLOUR["kannada"], label="active above 0.01")
    right.set(
        xlabel="log10 variance of the posterior mean",
        ylabel="indices",
        title=f"{int(frame['active'].sum())} of {len(frame)} active",
    )
    right.legend()
    return figure


def sweep_grid(frame: "pd.DataFrame", images: np.ndarray, modality: str, columns: int = 10) -> "Figure":
    """One index moved step by step, read like a page (the report's Figure 5). `frame`: amount, label; images ``[K, 784]``."""
    rows = -(-len(frame) // columns)
    figure, axes = style.new(rows, columns, (0.62 * columns, 0.74 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, row in zip(axes.flat, images, frame.itertuples(), strict=False):
        axis.axis("on")
        style.digit(axis, image, f"{row.amount:+.0f}: {row.label}", style.COLOUR[modality] if row.amount == 0 else None)
        axis.title.set_fontsize(6)
    return figure


def walk(frame: "pd.DataFrame", images: dict[str, np.ndarray]) -> "Figure":
    """One index moved in units of its aggregate sd, both scripts together. `frame`: sd, label; images ``[K, 784]``."""
    figure, axes = style.new(len(images), len(frame), (0.8 * len(frame), 0.95 * len(images) + 0.15))
    for first, line, (name, strip) in zip((True, False), axes, images.items(), strict=True):
        for axis, image, row in zip(line, strip, frame.itertuples(), strict=True):
            top = f"{row.sd:+g} sd\nread as {row.label}" if first else ""
            style.digit(axis, image, top, style.COLOUR[name] if row.sd == 0 else None)
        line[0].set_ylabel(style.TITLE[name], color=style.COLOUR[name], fontsize=8)
    return figure


def labels_along(frame: "pd.DataFrame") -> "Figure":
    """How many labels each index passes through, by length of the sweep. `frame`: sweep, index, labels."""
    import seaborn as sns

    counts = frame.groupby(["sweep", "labels"], sort=False).size().rename("indices").reset_index()
    figure, axes = style.new(1, 1, (6.5, 3.0))
    palette = [style.COLOUR["joint"], style.COLOUR["prior"]]
    sns.barplot(counts, x="labels", y="indices", hue="sweep", ax=axes[0, 0], palette=palette)
    axes[0, 0].set(
        xlabel="different labels along the sweep", ylabel="latent indices", title="How many digits does one index pass through?"
    )
    axes[0, 0].legend(title="")
    return figure


def sweeps(frame: "pd.DataFrame") -> "Figure":
    """How many labels a sweep leads through: trained and untrained, indices and random directions. `frame`: `sweep_table`."""
    import pandas as pd

    reaches, readers = list(dict.fromkeys(frame["reach"])), {"labels": "label decoder", "read_farsi": "reader of the Farsi image"}
    figure, axes = style.new(len(readers), len(reaches), (9.5, 4.8), sharey=True)
    looks = {
        ("trained", "index"): ("joint", "trained, an index"),
        ("trained", "random"): ("prior", "trained, a random direction"),
        ("untrained", "index"): ("kannada", "untrained, an index"),
        ("untrained", "random"): ("report", "untrained, a random direction"),
    }
    edges = np.arange(0.5, 8.0, 1.0)
    for line, (column, words) in zip(axes, readers.items(), strict=True):
        for axis, reach in zip(line, reaches, strict=True):
            for shift, ((network, direction), (colour, label)) in enumerate(looks.items()):
                rows = frame[(frame["network"] == network) & (frame["direction"] == direction) & (frame["reach"] == reach)]
                share = pd.cut(rows[column].clip(upper=7), edges, labels=range(1, 8)).value_counts(normalize=True, sort=False)
                axis.bar(np.arange(1, 8) + 0.2 * (shift - 1.5), share, 0.2, color=style.COLOUR[colour], label=label)
            axis.set(title=f"{reach}, by the {words}", ylim=(0, 1))
            axis.set_xticks(range(1, 8), [*map(str, range(1, 7)), "7+"])
            axis.grid(axis="x", visible=False)
    for axis in axes[-1]:
        axis.set_xlabel("different digits along a sweep (mean of the starts, rounded)")
    for axis in axes[:, 0]:
        axis.set_ylabel("share of sweeps")
    axes[0, 1].legend(fontsize=8)
    return figure


def information(frame: "pd.DataFrame") -> "Figure":
    """Mutual information of every index with each factor, sorted, beside the null. `frame`: `information_table`."""
    figure, axes = style.new(2, 3, (9.5, 4.4), sharex=True)
    for axis, (factor, rows) in zip(axes.flat, frame.groupby("factor", sort=False), strict=True):
        ordered = rows.sort_values("information", ascending=False)
        axis.fill_between(range(len(ordered)), ordered["information"], color=FACTOR[str(factor)], alpha=0.3, lw=0)
        axis.plot(range(len(ordered)), ordered["information"], color=FACTOR[str(factor)])
        axis.axhline(rows["null_highest"].iloc[0], color=style.COLOUR["joint"], ls="--", lw=1)
        best = ordered.iloc[0]
        axis.set(title=f"{factor} ({best['entropy']:.2f} nats)", ylim=(0, None))
        axis.annotate(
            f"index {best['index']}: {best['information']:.3f}", (0, best["information"]), (18, -4), textcoords="offset points"
        )
    for axis in axes[-1]:
        axis.set_xlabel("index, sorted")
    for axis in axes[:, 0]:
        axis.set_ylabel("mutual information (nats)")
    axes[0, 0].plot([], [], color=style.COLOUR["joint"], ls="--", label="highest of any index\nwhen the factor is dealt out")
    axes[0, 0].legend(fontsize=7, loc="center right")
    return figure


def scores(frame: "pd.DataFrame") -> "Figure":
    """MIG, SAP and DCI beside the same of dealt-out factors. `frame`: `disentanglement_table`."""
    figure, ((axis,),) = style.new(1, 1, (8.0, 0.26 * len(frame) + 0.9))
    y = np.arange(len(frame))
    axis.barh(y, frame["value"], color=style.COLOUR["joint"], height=0.6, label="as it is")
    axis.plot(frame["null_highest"], y, "|", ms=11, mew=2, color=style.COLOUR["kannada"], label="highest with dealt-out factors")
    axis.set_yticks(y, [f"{row.score}: {row.factor}" for row in frame.itertuples()])
    axis.set(xlabel="score (1: one index, and only that one)", xlim=(0, 1))
    axis.invert_yaxis()
    axis.legend(loc="lower right", fontsize=8)
    return figure


def best_indices(frame: "pd.DataFrame", images: dict[str, np.ndarray]) -> "Figure":
    """The most telling index of each factor, walked by ±4 sd. `frame`: factor, index, sd; by script, images ``[rows, 784]``."""
    factors, steps = list(dict.fromkeys(frame["factor"])), frame["sd"].nunique()
    figure, axes = style.new(len(factors), 2 * steps, (10.0, 0.86 * len(factors) + 0.3))
    for line, (factor, rows) in zip(axes, frame.groupby("factor", sort=False), strict=True):
        for place, (at, row) in enumerate(rows.iterrows()):
            for half, name in enumerate(images):
                top = f"{row['sd']:+.1f} sd" if factor == factors[0] else ""
                style.digit(line[half * steps + place], images[name][at], top, style.COLOUR[name] if row["sd"] == 0 else None)
        line[0].set_ylabel(f"{factor}\nindex {rows['index'].iloc[0]}", rotation=0, ha="right", va="center", fontsize=7.5)
    return figure


def over_seeds(frame: "pd.DataFrame") -> "Figure":
    """The share of indices along which the label changes, a mark a seed, trained and untrained. `frame`: `latents_over_seeds`."""
    figure, axes = style.new(1, 2, (9.0, 2.4), sharey=True)
    columns = {"changing": "share of indices that change the label", "three": "share that pass through three digits or more"}
    places = [(reach, network) for reach in dict.fromkeys(frame["reach"]) for network in ("trained", "untrained")]
    for axis, (column, words) in zip(axes[0], columns.items(), strict=True):
        for place, (reach, network) in enumerate(places):
            values = frame[(frame["reach"] == reach) & (frame["network"] == network)][column]
            colour = style.COLOUR["joint" if network == "trained" else "kannada"]
            axis.plot(values, [place] * len(values), "o", color=colour, alpha=0.5)
            axis.errorbar(values.mean(), place, xerr=values.std(), fmt="|", ms=14, color=colour, capsize=3)
        axis.set(xlabel=words, xlim=(-0.03, 1.03))
    axes[0, 0].set_yticks(range(4), [f"{reach}, {network}" for reach, network in places])
    axes[0, 0].set_ylim(3.5, -0.5)
    return figure
