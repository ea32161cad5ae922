"""Figures that are of no kind, or of one and more: the report's Figure 2, tuples, pixels, crops, sound."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float, Int16
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from mvae_lib.data import RATE, Triplets
from mvae_lib.data.speech import COEFFICIENTS, FRAME, HOP, mfcc
from study.plots import style
from study.plots.chart import texts
from study.plots.kinds import grid

HEARD = ("the recording", "its own MFCCs", "rebuilt from speech", "rebuilt from Farsi", "rebuilt from Kannada")
"""Sounds that have a spectrogram."""
RANGE = 60  # decibels that a spectrogram shows under the loudest of all
IMAGE = {"cmap": style.INK, "vmin": 0, "vmax": 1}


def tuples(frame: pd.DataFrame, x: Mapping[str, Float[Tensor, "N *shape"]], line: str) -> Figure:
    """Tuples as `Pairs.gather` gives them, one a line: a square number of values is drawn as an image, any other as bars.

    `frame`: a row a tuple. `line`: a format string for what a line is called (`chart.texts`).
    """
    titles = texts(frame, line)
    ratios = [1 if value[0].numel() ** 0.5 % 1 == 0 else 2 for value in x.values()]
    figure, axes = style.new(len(titles), len(x), (1.8 * sum(ratios), 1.9 * len(titles) + 0.5), width_ratios=ratios)
    for column, (name, values) in zip(axes.T, x.items(), strict=True):
        for axis, value, title in zip(column, values.flatten(1).numpy(), titles, strict=True):
            _sample(axis, value, style.colour(name, list(x)))
            axis.set_ylabel(title if axis in axes[:, 0] else "", fontsize=8)
        column[0].set_title(style.title(name, list(x)), fontsize=8, pad=2)
    return figure


def pick(pairs: Triplets, name: str, per_label: int) -> pd.DataFrame:
    """Samples of each label, spread evenly through the file: Kannada's stand there writer by writer, so these are by several.

    Returns: ``per_label x labels`` rows, label fastest: split, modality, line, label, index (in the pool), origin (in the file).
    """
    of = pd.Series(range(len(pairs.pools[name]))).groupby(pairs.pool_labels[name].numpy())
    halves = range(1, 2 * per_label, 2)
    rows = [(k // 2, label, own.iloc[len(own) * k // (2 * per_label)]) for k in halves for label, own in of]
    rows = [(pairs.split, name, *row, pairs.origin[name][row[-1]]) for row in rows]
    return pd.DataFrame(rows, columns=["split", "modality", "line", "label", "index", "origin"])


def _sample(axis: Axes, value: Float[np.ndarray, "F"], paint: str) -> None:
    """One sample ``[F]``: an image in a frame of its colour, or bars."""
    if value.size**0.5 % 1:
        axis.bar(range(value.size), value, color=paint)
        axis.set(xticks=range(0, value.size, 2), ylim=(min(0, value.min()), max(1, value.max())))
        return
    axis.imshow(style.square(value), interpolation="nearest", **IMAGE)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set(visible=True, color=paint, linewidth=1.6)


def pixels(frame: pd.DataFrame, x: Mapping[str, Float[Tensor, "1 *shape"]], side: int = 11) -> Figure:
    """The images of one tuple, each beside its square of `side` pixels with most ink, every pixel with its value."""
    images = {name: value[0].flatten().numpy() for name, value in x.items() if value[0].numel() ** 0.5 % 1 == 0}
    figure, axes = style.new(1, 2 * len(images), (5.0 * len(images), 3.6), width_ratios=(1, 1.7) * len(images))
    for (whole, window), (name, value) in zip(axes.reshape(-1, 2), images.items(), strict=True):
        _sample(whole, value, style.colour(name))
        tile = style.square(value)
        ink = np.lib.stride_tricks.sliding_window_view(tile, (side, side)).sum((2, 3))
        top, left = divmod(int(ink.argmax()), ink.shape[1])
        whole.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fc="none", ec=style.colour(name), lw=0.8))
        whole.set_title(style.title(name), fontsize=8)
        part, plain = tile[top : top + side, left : left + side], {"cbar": False, "xticklabels": False, "yticklabels": False}
        sns.heatmap(part, annot=255 * part, fmt=".0f", annot_kws={"fontsize": 6.5}, square=True, ax=window, **plain, **IMAGE)
        window.set_title("ink of each pixel, 0 to 255", fontsize=8)
    return figure


def crops(frame: pd.DataFrame, images: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """Crops, one a column: "as cut" ``[h, w]``, 0 to 255 (on grey, on one scale), and in each form that makes them alike."""
    side = 2 + max(max(crop.shape) for crop in images["as cut"])
    margins = [[((side - n) // 2, (side - n + 1) // 2) for n in crop.shape] for crop in images["as cut"]]
    cut = [np.pad(crop / 255, room, constant_values=0.12) for crop, room in zip(images["as cut"], margins, strict=True)]
    over = dict.fromkeys(images, "") | {"as cut": "{width} × {height}"}
    return grid(frame, {**images, "as cut": cut}, over=over, colour="joint", scale=0.85)


def spectrograms(frame: pd.DataFrame, sounds: Mapping[str, Int16[np.ndarray, "_"]], mfccs: bool = False) -> Figure:
    """Sounds by name, int16 samples, over seconds: the spectrograms of those of `HEARD`, on one scale.

    `mfccs`: of all, the wave and, under it, MFCCs 1 to 12 frame by frame (0, the loudness, is on another scale).
    """
    sounds = {name: sound for name, sound in sounds.items() if mfccs or name in HEARD}
    shown = [mfcc(one)[1:] if mfccs else _decibels(one) for one in sounds.values()]
    top = np.percentile(np.abs(np.concatenate(shown, axis=1)), 98) if mfccs else max(map(np.max, shown))  # the 1st is far larger
    shown = shown if mfccs else [values - top for values in shown]
    scale = {"cmap": "PuOr", "vmin": -top, "vmax": top} if mfccs else {"cmap": "cividis", "vmin": -RANGE, "vmax": 0}
    hop, low, high = (HOP, 0.5, COEFFICIENTS - 0.5) if mfccs else (HOP / 2, 0, RATE / 2000)
    each, across = 1 + mfccs, min(5, len(sounds))
    down = -(-len(sounds) // across)
    figure, axes = style.new(
        each * down, across, (2 * across + 1.5, 3.2 * down if mfccs else 2.9 * down), sharex=True, sharey="row"
    )
    panels = axes.reshape(down, each, across).swapaxes(1, 2).reshape(-1, each)
    for panel, (name, samples), values in zip(panels, sounds.items(), shown, strict=True):
        start = (FRAME - hop) / 2 / RATE  # a frame stands at its middle
        extent = (start, start + values.shape[1] * hop / RATE, low, high)
        drawn = panel[-1].imshow(values, aspect="auto", origin="lower", extent=extent, **scale)
        panel[-1].set(xlim=(0, max(map(len, sounds.values())) / RATE), facecolor="white" if mfccs else drawn.cmap(0.0))
        panel[-1].grid(False)
        if mfccs:
            panel[0].plot(np.arange(len(samples)) / RATE, samples / 32768, color=style.COLOUR["speech"], lw=0.5)
        panel[0].set_title(style.word(name), fontsize=8)
    for k, axis in enumerate(axes[:, 0]):
        axis.set_ylabel("kHz" if not mfccs else "MFCC number" if k % 2 else "sound (1: full scale)", fontsize=8)
    axes[-1, across // 2].set_xlabel("seconds")
    figure.colorbar(drawn, ax=axes, label="MFCC (cosine transform of dB)" if mfccs else "dB under the loudest", extend="both")
    return figure


def _decibels(samples: Int16[np.ndarray, "n"]) -> Float[np.ndarray, "101 T"]:
    import librosa  # a second to import, and one figure needs it

    padded = np.pad(samples.astype(np.float32) / 32768, (0, max(0, FRAME - len(samples))))
    return 20 * np.log10(np.abs(librosa.stft(padded, n_fft=FRAME, hop_length=HOP // 2, center=False)) + 1e-9)


def architecture(frame: pd.DataFrame) -> Figure:
    """The report's Figure 2, from a model's own parts: (a) what z generates, (b) the networks, (c) one modality missing.
    `frame`: part ("expert" or "decoder"), name, layers, parameters."""
    names, joint, prior = frame.loc[frame["part"] == "decoder", "name"].tolist(), style.COLOUR["joint"], style.COLOUR["prior"]
    middle, bottom = (len(names) - 1) / 2, len(names) - 0.5
    figure, ((axis,),) = style.new(1, 1, (11.6, 1.05 * len(names)))
    axis.set(xlim=(-3.0, 8.6), ylim=(bottom + 0.3, -0.9))
    axis.axis("off")

    def box(x: float, y: float, text: str, paint: str, to: tuple[float, float] | None = None, fill="white", pad=0.7) -> None:
        arrow = {"arrowstyle": "-|>", "color": paint, "lw": 1.1} if to else None
        words = {"ha": "center", "va": "center", "fontsize": 7.5, "color": joint if fill == "white" else "white"}
        look = {"boxstyle": f"round,pad={pad}" if pad > 0.5 else f"circle,pad={pad}", "fc": fill, "ec": paint, "lw": 1.3}
        axis.annotate(text, to or (x, y), (x, y), bbox=look, arrowprops=arrow, **words)

    for part in frame.itertuples():
        k, paint, title = float(names.index(part.name)), style.colour(part.name, names), style.title(part.name, names)
        layers, moments = f"{part.layers}\n{part.parameters:,} weights", f"$\\mu_{k + 1:.0f},\\ \\sigma_{k + 1:.0f}$"
        if part.part == "expert":
            box(0.6, k, title, paint, (1.3, k), fill=paint)
            box(2.15, k, f"{layers} → {moments}", paint, (3.65, middle))
            y, out = middle + 0.65 + 0.55 * k, k == 1
            box(-2.5, y, moments, "#C8C8C8" if out else paint, None if out else (-1.42, middle + 1.2))
            axis.plot(-2.5, y, "x" if out else "", color="#B00020", ms=20, mew=1.8, zorder=9)
        else:
            x = -1.5 + 0.62 * (k - middle)
            box(-1.5, -0.3, "z", joint, (x, 0.42), pad=0.45)
            box(x, 0.7, "y" if part.name == "label" else f"$x_{k + 1:.0f}$", paint, fill=paint, pad=0.4)
            box(5.15, middle, "z ~ q(z|X)", paint, (5.85, k))
            box(6.65, k, layers, paint, (7.7, k))
            box(8.1, k, title, paint, fill=paint)
    box(5.15, middle, "z ~ q(z|X)", joint)
    for x, y, low, after in ((4.05, middle, bottom, (4.8, middle)), (-1.0, middle + 1.2, bottom, (-0.25, middle + 1.2))):
        box(x, low, "prior N(0, I)", prior, (x, y + 0.28))
        box(x, y, "product\nof experts", joint, after, fill=joint)
    axis.add_patch(Rectangle((-2.8, -0.82), 2.6, 2.0, fc="none", ec=prior, lw=1.0))
    axis.text(-0.26, 1.08, "each tuple", ha="right", va="center", fontsize=7, color="#555555")
    for words, x, y in (
        ("a) graphical model", -2.72, -0.65),
        ("b) networks", 0.2, -0.65),
        ("c) a modality is missing", -2.8, 1.6),
    ):
        axis.text(x, y, f"({words}", fontsize=8, weight="bold", va="center")
    return figure
