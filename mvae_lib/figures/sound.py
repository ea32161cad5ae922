"""Pictures of what is heard."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.data.speech import FRAME, HOP, RATE
from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PANELS = {
    "the recording": "recording",
    "its own MFCCs": "its own MFCCs, inverted\n(the ceiling)",
    "rebuilt from speech": "rebuilt from\nspeech",
    "rebuilt from Farsi": "rebuilt from\nFarsi alone",
    "rebuilt from Kannada": "rebuilt from\nKannada alone",
}
RANGE = 60
"""Decibels shown under the loudest of all panels."""


def spectrograms(found: dict[str, np.ndarray]) -> "Figure":
    """Spectrograms of those of `PANELS` that are there, in one row on one scale. `found`: heard from -> int16 samples."""
    import librosa

    power, shown = {}, {name: title for name, title in PANELS.items() if name in found}
    for name in shown:
        samples = np.pad(found[name].astype(np.float32) / 32768, (0, max(0, FRAME - len(found[name]))))
        power[name] = np.abs(librosa.stft(samples, n_fft=FRAME, hop_length=HOP // 2, center=False)) ** 2  # [n] -> [101, T]
    top = max(float(value.max()) for value in power.values())
    longest = max(len(found[name]) for name in shown) / RATE
    figure, axes = style.new(1, len(shown), (1.0 + 2.0 * len(shown), 2.9), sharex=True, sharey=True)
    for axis, (name, title) in zip(axes[0], shown.items(), strict=True):
        decibels = 10 * np.log10(np.maximum(power[name] / top, 10 ** (-RANGE / 10)))
        start = (FRAME - HOP / 2) / 2 / RATE  # a frame stands at its middle
        extent = (start, start + decibels.shape[1] * HOP / 2 / RATE, 0, RATE / 2000)
        image = axis.imshow(decibels, "cividis", vmin=-RANGE, vmax=0, aspect="auto", origin="lower", extent=extent)
        axis.set_facecolor(image.cmap(0.0))  # where there is no sound any more
        axis.set(xlim=(0, longest), title=title)
        axis.grid(False)
    axes[0, 0].set_ylabel("kHz")
    axes[0, len(shown) // 2].set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="dB under the loudest", extend="min")
    return figure


def heard(frame: "pd.DataFrame") -> "Figure":
    """The share read right, and the distance from what was said, each with its 95 % interval. `frame`: `heard_table`."""
    figure, (axes,) = style.new(1, 2, (9.0, 2.9), sharey=True)
    colours = {"speech": "speech", "Farsi": "farsi", "Kannada": "kannada", "class mean": "prior"}
    looks = [style.COLOUR[colours.get(name.removeprefix("rebuilt from "), "joint")] for name in frame["heard_from"]]
    margin = 1.96 * frame["distance_sd"] / np.sqrt(frame["n"])
    intervals = ((frame["accuracy"], frame["low"], frame["high"]),)
    intervals += ((frame["distance"], frame["distance"] - margin, frame["distance"] + margin),)
    for axis, (middle, low, high) in zip(axes, intervals, strict=True):
        axis.hlines(range(len(frame)), low, high, color=looks, lw=2)
        axis.scatter(middle, range(len(frame)), color=looks, zorder=3)
    axes[0].set_yticks(range(len(frame)), frame["heard_from"])
    axes[0].invert_yaxis()
    axes[0].set(xlabel="share of digits that an independent reader hears right", ylabel="heard from")
    axes[1].set(xlabel="distance from the recording's frames (rms, in sd)")
    figure.suptitle(f"the sound, analysed again; {frame['n'].iloc[0]} recordings, 95 % intervals", fontsize=9)
    return figure
