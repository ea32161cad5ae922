"""Pictures of experts: Gaussians that multiply, the real model's Gaussians, its parts, and where the arithmetic breaks."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL = {**style.TITLE, "prior": "prior", "joint": "product"}


def gaussians(frame: "pd.DataFrame") -> "Figure":
    """Densities in one dimension. `frame`: panel (its title), name (an expert, "prior" or "joint"), mu, sd."""
    from scipy.stats import norm

    panels = list(frame["panel"].unique())
    figure, axes = style.new(1, len(panels), (3.1 * len(panels), 2.8), sharex=True, sharey=True)
    reach = float((frame["mu"].abs() + 3 * frame["sd"]).clip(upper=8).max())
    z = np.linspace(-reach, reach, 600)
    for axis, panel in zip(axes[0], panels, strict=True):
        for row in frame[frame["panel"] == panel].itertuples():
            density = norm.pdf(z, row.mu, row.sd)
            joint = row.name == "joint"
            axis.plot(
                z,
                density,
                color=style.COLOUR[row.name],
                lw=2.2 if joint else 1.4,
                ls="--" if row.name == "prior" else "-",
                label=LABEL[row.name],
            )
            if joint:
                axis.fill_between(z, density, color=style.COLOUR["joint"], alpha=0.12)
        axis.set(title=panel, xlabel="z (one index)")
    axes[0, 0].set_ylabel("density")
    axes[0, 0].legend(fontsize=7.5)
    return figure


def ellipses(frame: "pd.DataFrame") -> "Figure":
    """Gaussians in two dimensions, as their 1 and 2 standard deviation ellipses. `frame`: panel, name, mu_x, mu_y, sd_x, sd_y."""
    from matplotlib.patches import Ellipse

    panels = list(frame["panel"].unique())
    figure, axes = style.new(1, len(panels), (3.1 * len(panels), 3.2), sharex=True, sharey=True)
    for axis, panel in zip(axes[0], panels, strict=True):
        for row in frame[frame["panel"] == panel].itertuples():
            for k in (1, 2):
                shape = dict(fc=style.COLOUR[row.name], alpha=0.10) if k == 1 else dict(fc="none")
                line = "--" if row.name == "prior" else "-"
                axis.add_patch(Ellipse((row.mu_x, row.mu_y), 2 * k * row.sd_x, 2 * k * row.sd_y, lw=0, **shape))
                axis.add_patch(
                    Ellipse(
                        (row.mu_x, row.mu_y),
                        2 * k * row.sd_x,
                        2 * k * row.sd_y,
                        fc="none",
                        ec=style.COLOUR[row.name],
                        ls=line,
                        lw=1.8 / k,
                    )
                )
            axis.plot(row.mu_x, row.mu_y, "+", color=style.COLOUR[row.name])
            axis.plot([], [], color=style.COLOUR[row.name], label=LABEL[row.name])
        axis.set(title=panel, xlabel="z, first index", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    axes[0, 0].set_ylabel("z, second index")
    axes[0, 0].legend(fontsize=7.5, loc="lower left")
    return figure


def experts_by_index(frame: "pd.DataFrame") -> "Figure":
    """One triplet's experts and their product, mean and two standard deviations, index by index. `frame`: index, name, mu, sd."""
    names = list(frame["name"].unique())
    indices = list(frame["index"].unique())
    figure, axes = style.new(1, 1, (9.0, 3.4))
    axis = axes[0, 0]
    axis.axhspan(-2, 2, color=style.COLOUR["prior"], alpha=0.12, lw=0, label="prior, ± 2 sd")
    for k, name in enumerate(names):
        rows = frame[frame["name"] == name].set_index("index").loc[indices]
        at = np.arange(len(indices)) + (k - (len(names) - 1) / 2) * 0.17
        axis.errorbar(
            at,
            rows["mu"],
            2 * rows["sd"],
            fmt="D" if name == "joint" else "o",
            ms=4,
            lw=1.6,
            color=style.COLOUR[name],
            label=LABEL[name],
        )
    axis.set(xticks=range(len(indices)), xticklabels=indices, xlabel="latent index, most active first", ylabel="z: mean ± 2 sd")
    axis.legend(ncols=5, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.14))
    return figure


def numerics(frame: "pd.DataFrame") -> "Figure":
    """Where formulas of the product break. `frame`: logvar (of both experts), formula, quantity, error (inf allowed)."""
    quantities = list(frame["quantity"].unique())
    figure, axes = style.new(1, len(quantities), (9.0, 3.2), sharex=True)
    looks = [("-", style.COLOUR["joint"]), ("--", style.COLOUR["kannada"]), (":", style.COLOUR["farsi"])]
    floor, ceiling = 1e-9, 1e3
    for axis, quantity in zip(axes[0], quantities, strict=True):
        for (line, colour), (formula, rows) in zip(
            looks, frame[frame["quantity"] == quantity].groupby("formula", sort=False), strict=False
        ):
            error = rows["error"].fillna(np.inf).clip(floor, ceiling)
            axis.plot(rows["logvar"], error, ls=line, lw=2, color=colour, label=formula)
        axis.axhline(1e-5, color="#BBBBBB", lw=1)
        axis.set(
            yscale="log",
            ylim=(floor / 2, ceiling * 3),
            xlabel="log-variance of both experts",
            ylabel="error against float64",
            title=quantity,
        )
        axis.text(axis.get_xlim()[0], ceiling * 1.05, " inf or NaN", va="bottom", fontsize=7, color="#777777")
    axes[0, -1].legend(fontsize=8, loc="center right")
    return figure


def architecture(frame: "pd.DataFrame") -> "Figure":
    """The report's Figure 2, from a model's own parts. `frame`: part ("expert" or "decoder"), name, layers, parameters."""
    experts, decoders = (frame[frame["part"] == part].reset_index() for part in ("expert", "decoder"))
    figure, axes = style.new(1, 1, (10.0, 0.4 + 1.0 * len(decoders)))
    axis = axes[0, 0]
    axis.axis("off")
    axis.set(xlim=(0, 10), ylim=(-0.45, len(decoders) - 0.2))
    middle = (len(decoders) - 1) / 2 + 0.4
    rows = {name: len(decoders) - 0.6 - k for k, name in enumerate(decoders["name"])}
    for part in experts.itertuples():
        y, colour = rows[part.name], style.COLOUR.get(part.name, "#555555")
        _box(axis, (0.05, y), 1.15, LABEL.get(part.name, part.name), colour, solid=True)
        _box(axis, (1.6, y), 2.3, f"{part.layers}\n{part.parameters:,} weights", colour)
        _arrow(axis, (1.2, y), (1.6, y))
        _arrow(axis, (3.9, y), (4.6, middle), colour, f"$\\mu_{part.Index + 1},\\ \\sigma_{part.Index + 1}$")
    _box(axis, (3.95, -0.12), 1.5, "prior N(0, I)", style.COLOUR["prior"])
    _arrow(axis, (4.7, 0.12), (5.0, middle - 0.28), style.COLOUR["prior"])
    axis.text(0.05, -0.1, "A missing modality: its expert is left out of the product.", fontsize=8, color="#555555", va="center")
    _box(axis, (4.6, middle), 0.85, "product\nof experts", style.COLOUR["joint"], solid=True)
    _box(axis, (5.85, middle), 0.6, "z ~ q(z|X)", style.COLOUR["joint"])
    _arrow(axis, (5.45, middle), (5.85, middle))
    for part in decoders.itertuples():
        y, colour = rows[part.name], style.COLOUR.get(part.name, "#555555")
        _arrow(axis, (6.45, middle), (6.95, y), colour)
        _box(axis, (6.95, y), 2.0, f"{part.layers}\n{part.parameters:,} weights", colour)
        _arrow(axis, (8.95, y), (9.2, y))
        _box(axis, (9.2, y), 0.78, LABEL.get(part.name, part.name), colour, solid=True)
    return figure


def _box(axis: "Axes", at: tuple[float, float], width: float, text: str, colour: str, solid: bool = False) -> None:
    """A rounded box, its left edge and its middle height at `at`."""
    from matplotlib.patches import FancyBboxPatch

    style_ = "round,pad=0.02,rounding_size=0.06"
    face = colour if solid else "white"
    axis.add_patch(FancyBboxPatch((at[0], at[1] - 0.27), width, 0.54, boxstyle=style_, fc=face, ec=colour, lw=1.3, zorder=2))
    axis.text(
        at[0] + width / 2, at[1], text, ha="center", va="center", fontsize=7, color="white" if solid else "#222222", zorder=3
    )


def _arrow(axis: "Axes", start: tuple[float, float], end: tuple[float, float], colour: str = "#555555", text: str = "") -> None:
    axis.annotate("", end, start, arrowprops=dict(arrowstyle="-|>", color=colour, lw=1.1, shrinkA=1, shrinkB=1), zorder=1)
    if text:
        x, y = 0.6 * start[0] + 0.4 * end[0], 0.6 * start[1] + 0.4 * end[1]
        axis.text(x, y, text, fontsize=8, color=colour, ha="center", va="center", bbox=dict(fc="white", ec="none", pad=1.5))
