"""Pictures of the data as it is, before any model: samples, crops, sound, what a triplet is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from mvae_lib.data import RATE, Recording, Triplets
from mvae_lib.data.digits import FORMS, SIDE
from mvae_lib.data.speech import COEFFICIENTS, FRAME, HOP, mfcc
from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FARSI = "۰۱۲۳۴۵۶۷۸۹"
"""The printed numerals. (matplotlib's font has these, and not Kannada's.)"""
SPLITS = ("train", "val", "test", "test_dig")


def pick(triplets: Triplets, name: str, per_digit: int) -> "pd.DataFrame":
    """Samples of each digit, spread evenly through the file: Kannada's stand there writer by writer, so these are by several.

    Returns: ``per_digit x 10`` rows, digit fastest: split, modality, line, label, index (in the pool), origin (in the file).
    """
    import pandas as pd

    found = []
    for digit in range(10):
        rows = np.flatnonzero(triplets.pool_labels[name].cpu().numpy() == digit)
        places = len(rows) * (2 * np.arange(per_digit) + 1) // (2 * per_digit)
        found += [(line, digit, int(rows[place])) for line, place in enumerate(places)]
    frame = pd.DataFrame(sorted(found), columns=["line", "label", "index"])
    frame.insert(0, "modality", name)
    frame.insert(0, "split", triplets.split)
    return frame.assign(origin=triplets.origin[name][frame["index"]])


def sheet(images: dict[str, Tensor], title: str) -> "Figure":
    """Script -> its images ``[lines x 10, 784]`` in [0, 1], digit fastest: a panel a script, a column a digit."""
    lines = [len(rows) // 10 for rows in images.values()]
    size = (7.2, sum(lines) * 0.66 + 0.6 * len(lines) + 0.5)
    figure, axes = style.new(len(images), 1, size, gridspec_kw={"height_ratios": lines})
    for ax, (name, rows) in zip(axes.flat, images.items(), strict=True):
        tiles = rows.cpu().numpy().reshape(-1, 10, SIDE, SIDE)
        tiles = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a margin of one pixel
        page = tiles.transpose(0, 2, 1, 3).reshape(-1, 10 * (SIDE + 2))  # [L, 10, 30, 30] -> [L*30, 300]
        ax.imshow(page, style.INK, vmin=0, vmax=1, interpolation="nearest")
        named = [f"{digit} {FARSI[digit]}" if name == "farsi" else str(digit) for digit in range(10)]
        ax.set_xticks((SIDE + 2) * (np.arange(10) + 0.5), named)
        ax.tick_params(length=0, labelsize=10)
        ax.xaxis.tick_top()
        ax.set_ylabel(style.TITLE[name], color=style.COLOUR[name])
        _frame(ax, style.COLOUR[name])
    figure.suptitle(title)
    return figure


def triplets(x: dict[str, Tensor], titles: Sequence[str]) -> "Figure":
    """Triplets as `Triplets.gather` gives them (13 numbers of speech), one a line: two pictures, thirteen bars."""
    farsi, kannada, speech = (x[name].cpu().numpy() for name in ("farsi", "kannada", "speech"))
    figure, axes = style.new(len(titles), 3, (7.2, 1.9 * len(titles) + 0.5), gridspec_kw={"width_ratios": (1, 1, 2)})
    for i, title in enumerate(titles):
        style.digit(axes[i, 0], farsi[i], "m1 Farsi" if i == 0 else "", style.COLOUR["farsi"])
        style.digit(axes[i, 1], kannada[i], "m2 Kannada" if i == 0 else "", style.COLOUR["kannada"])
        axes[i, 2].bar(np.arange(COEFFICIENTS), speech[i], color=style.COLOUR["speech"])
        axes[i, 2].set(xticks=range(0, COEFFICIENTS, 2), ylim=(min(0, speech.min()), max(1, speech.max())))
        axes[i, 2].set_title("m3 speech: 13 numbers, scaled" if i == 0 else "", fontsize=8, pad=2)
        axes[i, 0].set_ylabel(title, fontsize=8)
    axes[-1, 2].set_xlabel("coefficient")
    return figure


def pixels(x: dict[str, Tensor], side: int = 11) -> "Figure":
    """The images of one triplet, and the window of `side` pixels with most ink in its middle, each pixel with its value."""
    names = [name for name in ("farsi", "kannada") if name in x]
    figure, axes = style.new(1, 2 * len(names), (5.0 * len(names), 3.6), gridspec_kw={"width_ratios": (1, 1.7) * len(names)})
    for (whole, window), name in zip(axes.reshape(-1, 2), names, strict=True):
        image = x[name].cpu().numpy().reshape(SIDE, SIDE)
        ink = np.lib.stride_tricks.sliding_window_view(image, (side, side)).sum((2, 3))
        top, left = divmod(int(ink.argmax()), ink.shape[1])
        style.digit(whole, image, style.TITLE[name], style.COLOUR[name])
        _box(whole, top, left, side, side, style.COLOUR[name])
        part = image[top : top + side, left : left + side]
        window.imshow(part, cmap=style.INK, vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(part):
            _write(window, i, j, f"{255 * value:.0f}", dark=bool(value > 0.5))
        window.set_title("ink of each pixel, 0 to 255", fontsize=8, pad=2)
        _frame(window, style.COLOUR[name])
    return figure


def balance(frame: "pd.DataFrame") -> "Figure":
    """How many samples of each digit. `frame`: modality, split, digit, count."""
    names = list(dict.fromkeys(frame["modality"]))
    figure, axes = style.new(len(names), len(SPLITS), (9.0, 4.6), sharex=True)
    for (i, j), ax in np.ndenumerate(axes):
        part = frame[(frame["modality"] == names[i]) & (frame["split"] == SPLITS[j])]
        ax.bar(part["digit"], part["count"], color=style.COLOUR[names[i]])
        ax.set(xticks=range(10), title=SPLITS[j] if i == 0 else "", ylabel=style.TITLE[names[i]] if j == 0 else "")
        ax.grid(False)
    figure.supxlabel("digit", fontsize=9)
    figure.supylabel("samples", fontsize=9)
    return figure


def crops(found: Sequence[np.ndarray]) -> "Figure":
    """Farsi crops, one a column: as they were cut (all at one scale), and in each form that brings them to 28 x 28."""
    side = max(max(crop.shape) for crop in found) + 2
    figure, axes = style.new(1 + len(FORMS), len(found), (10.0, 3.6))
    for column, crop in zip(axes.T, found, strict=True):
        canvas = np.zeros((side, side))
        height, width = crop.shape
        top, left = (side - height) // 2, (side - width) // 2
        canvas[top : top + height, left : left + width] = crop / 255
        column[0].imshow(canvas, cmap=style.INK, vmin=0, vmax=1)
        _box(column[0], top, left, height, width, style.COLOUR["farsi"])
        column[0].set_title(f"{width} × {height}", fontsize=8, pad=2)
        _frame(column[0], "#DDDDDD")
        for ax, form in zip(column[1:], FORMS.values(), strict=True):
            style.digit(ax, form(crop) / 255)
    for ax, label in zip(axes[:, 0], ("as cut", *FORMS), strict=True):
        ax.set_ylabel(label)
    return figure


def grey_levels(frame: "pd.DataFrame") -> "Figure":
    """What share of all pixels has each value, on a log scale. `frame`: modality, value (0 to 255), share."""
    figure, axes = style.new(1, 2, (8.0, 2.8), sharey=True)
    for ax, (name, part) in zip(axes.flat, frame.groupby("modality"), strict=True):
        ax.bar(part["value"], part["share"], width=1, color=style.COLOUR[str(name)])
        ax.set(yscale="log", title=style.TITLE[str(name)], xlabel="ink of a pixel (0: paper, 255: ink)")
    axes[0, 0].set_ylabel("share of all pixels")
    return figure


def spoken(recordings: Sequence[Recording]) -> "Figure":
    """Each recording's wave and, under it, its MFCCs 1 to 12 frame by frame (0, the loudness, is on another scale)."""
    across = min(5, len(recordings))
    down = -(-len(recordings) // across)
    figure, axes = style.new(2 * down, across, (2 * across + 1.5, 3.2 * down), sharex=True, sharey="row")
    found = [mfcc(recording.samples)[1:] for recording in recordings]  # [12, T] each
    limit = np.percentile(np.abs(np.concatenate(found, axis=1)), 98)  # the first is far larger than the rest
    start = (FRAME - HOP) / 2 / RATE  # a frame stands at its middle
    for i, (recording, cepstrum) in enumerate(zip(recordings, found, strict=True)):
        wave, frames = axes[2 * (i // across), i % across], axes[2 * (i // across) + 1, i % across]
        wave.plot(np.arange(len(recording.samples)) / RATE, recording.samples / 32768, color=style.COLOUR["speech"], lw=0.5)
        wave.set_title(f"{WORDS[recording.digit]} ({recording.speaker})", fontsize=8)
        extent = (start, start + cepstrum.shape[1] * HOP / RATE, 0.5, COEFFICIENTS - 0.5)
        image = frames.imshow(cepstrum, "PuOr", aspect="auto", origin="lower", extent=extent, vmin=-limit, vmax=limit)
        frames.set(yticks=(1, 4, 8, 12), xlim=(0, max(len(r.samples) for r in recordings) / RATE))
        frames.grid(False)
    for row in range(0, 2 * down, 2):
        axes[row, 0].set_ylabel("sound (1: full scale)", fontsize=7)
        axes[row + 1, 0].set_ylabel("MFCC number", fontsize=7)
    figure.supxlabel("seconds", fontsize=9)
    figure.colorbar(image, ax=axes, label="MFCC (cosine transform of dB)", aspect=40, extend="both")
    return figure


def views(frame: "pd.DataFrame") -> "Figure":
    """The 13 numbers of each digit: mean and one sd. `frame`: view, digit, coefficient, mean, sd, own (one sample's, or NaN)."""
    names = list(dict.fromkeys(frame["view"]))
    figure, axes = style.new(len(names), 10, (10.5, 1.8 * len(names) + 0.6), sharex=True, sharey="row")
    for (i, digit), ax in np.ndenumerate(axes):
        part = frame[(frame["view"] == names[i]) & (frame["digit"] == digit)]
        x, mean, sd, colour = part["coefficient"], part["mean"], part["sd"], style.COLOUR["speech"]
        ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.25)
        ax.plot(x, mean, color=colour)
        ax.plot(x, part["own"], ".", ms=4, color=style.COLOUR["joint"])
        ax.set(xticks=(0, 6, 12), title=WORDS[digit] if i == 0 else "", ylabel=names[i] if digit == 0 else "")
    figure.supxlabel("coefficient", fontsize=9)
    return figure


def confusion(frame: "pd.DataFrame") -> "Figure":
    """Where each digit goes, in percent of its row: a panel for each (shown, read). `frame`: shown, read, truth, guess, share."""
    panels = frame[["shown", "read"]].drop_duplicates().to_numpy()
    figure, axes = style.new(1, len(panels), (4.1 * len(panels), 4.2))
    for ax, (shown, read) in zip(axes.flat, panels, strict=True):
        part = frame[(frame["shown"] == shown) & (frame["read"] == read)]
        shares = part.pivot(index="truth", columns="guess", values="share").to_numpy()
        ax.imshow(shares, style.INK, vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(shares):
            if share >= 0.005:
                _write(ax, i, j, f"{100 * share:.0f}", dark=bool(share > 0.5))
        ax.set(xticks=range(10), yticks=range(10), ylabel=shown, xlabel=read)
        ax.grid(False)
    return figure


def table(frame: "pd.DataFrame", title: str) -> "Figure":
    """A small table as a picture: what it says, no more."""
    figure, axes = style.new(1, 1, (1.35 * len(frame.columns), 0.32 * len(frame) + 0.8))
    axes[0, 0].axis("off")
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in frame.itertuples(index=False)]
    drawn = axes[0, 0].table(cells, colLabels=list(frame.columns), loc="center", cellLoc="center", edges="horizontal")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    drawn.scale(1, 1.4)
    axes[0, 0].set_title(title)
    return figure


def _frame(axes: "Axes", colour: str) -> None:
    axes.grid(False)
    axes.set(yticks=[])
    axes.tick_params(bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour)


def _box(axes: "Axes", top: int, left: int, height: int, width: int, colour: str) -> None:
    """A thin line around some pixels of an image."""
    x, y = np.array([0, width, width, 0, 0]), np.array([0, 0, height, height, 0])
    axes.plot(left + x - 0.5, top + y - 0.5, color=colour, lw=0.8)


def _write(axes: "Axes", row: int, column: int, text: str, dark: bool) -> None:
    """A small text in the middle of one pixel, readable on it."""
    axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
