"""Sounds made here, as files, and how near two are."""

import io

import numpy as np
import soundfile


def file_of(samples: np.ndarray, rate: int, format: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def tone(seconds: float, rate: int, height: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * height * np.arange(round(seconds * rate)) / rate)


def nearness(a: np.ndarray, b: np.ndarray, slack: int) -> float:
    """The greatest correlation of two signals, one of them moved by up to `slack` samples."""
    a, b = a.astype(float), np.pad(b.astype(float), (slack, slack + max(0, len(a) - len(b))))
    moved = np.lib.stride_tricks.sliding_window_view(b, len(a))
    return float((moved @ a / (np.linalg.norm(moved, axis=1) * np.linalg.norm(a) + 1e-9)).max())
