"""Pictures of the latent space: what each index carries, and what moving it does."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


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
