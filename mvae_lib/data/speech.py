"""Recordings of spoken digits, and the three views of them that a model may take.

All settings stand here, in samples at 8 kHz. A frame is 25 ms, a hop 10 ms; frames are not centred.
"""

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mvae_lib.data.sources import DataError, wavs

RATE = 8000
FRAME = 200
HOP = 80
COEFFICIENTS = 13

RATIO_FFT, RATIO_MELS, EMPHASIS = 512, 26, 0.97
"""Of the `ratio` view: HTK mels, rectangular window, samples on the int16 scale, natural log."""
MFCC = {"sr": RATE, "n_fft": FRAME, "win_length": FRAME, "hop_length": HOP, "center": False, "n_mels": 40}
"""Of the `mean` and `frames` views, as librosa takes them; its inverse needs the same."""
FLOOR = 1e-10
"""Mel power of silence. No other floor: a frame's values depend on that frame alone."""
FRAMES = 64
"""Length of the `frames` view: 0.65 s, enough for 95 % of the recordings."""


@dataclass(frozen=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    take: int
    samples: np.ndarray
    """int16 ``[n]``, 8 kHz, mono."""

    @property
    def name(self) -> str:
        """The file's name in the archive."""
        return f"{self.digit}_{self.speaker}_{self.take}.wav"


def read_fsdd(archive: Path) -> list[Recording]:
    """The Free Spoken Digit Dataset's .tar.gz -> its recordings, sorted by file name. Nothing is unpacked to disk."""
    found = []
    for name, content in sorted(wavs(archive)):
        try:
            digit, speaker, take = name.removesuffix(".wav").split("_")
            found.append(Recording(int(digit), speaker, int(take), _samples(content)))
        except (ValueError, wave.Error, EOFError) as error:
            raise DataError(f"{archive}: {name} is not digit_speaker_take.wav, 8 kHz mono 16-bit ({error}).") from None
    return found


def _samples(content: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(content)) as file:
        form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        if form != (RATE, 1, 2):
            raise ValueError(f"{form[0]} Hz, {form[1]} channels, {8 * form[2]} bits")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def ratio(samples: np.ndarray) -> np.ndarray:
    """Time mean over time standard deviation of each MFCC: int16 ``[n]`` -> float32 ``[13]``. What made the report's Table 2.

    Pre-emphasis; rectangular frames, the last one filled with zeros; log mel energies; orthonormal DCT-II; the first
    coefficient replaced by the frame's log energy. A lifter would cancel in the ratio. A coefficient that never moves
    (silence) has no ratio: 0.
    """
    from scipy.fft import dct

    signal = _at_least(samples, FRAME + HOP).astype(np.float64)
    signal[1:] -= EMPHASIS * signal[:-1]
    count = 1 + -(-(len(signal) - FRAME) // HOP)
    signal = _at_least(signal, FRAME + (count - 1) * HOP)
    framed = signal[np.arange(FRAME) + HOP * np.arange(count)[:, None]]  # [n] -> [T, 200]
    power = np.abs(np.fft.rfft(framed, RATIO_FFT)) ** 2 / RATIO_FFT  # [T, 200] -> [T, 257]
    tiny = np.finfo(float).eps
    mels = np.maximum(power @ _htk_mels().T, tiny)  # [T, 257] -> [T, 26]
    cepstrum = np.asarray(dct(np.log(mels), norm="ortho"))[:, :COEFFICIENTS]  # [T, 26] -> [T, 13]
    cepstrum[:, 0] = np.log(np.maximum(power.sum(1), tiny))
    centre, spread = cepstrum.mean(0), cepstrum.std(0)  # [T, 13] -> [13]
    return np.divide(centre, spread, out=np.zeros_like(centre), where=spread > 1e-12).astype(np.float32)


@cache
def _htk_mels() -> np.ndarray:
    import librosa

    return librosa.filters.mel(sr=RATE, n_fft=RATIO_FFT, n_mels=RATIO_MELS, htk=True, norm=None)  # [26, 257]


def mfcc(samples: np.ndarray) -> np.ndarray:
    """librosa's MFCCs (Hann window, Slaney mels, decibels), not centred: int16 ``[n]`` -> float32 ``[13, T]``."""
    import librosa

    signal = _at_least(samples, FRAME).astype(np.float32) / 32768
    mels = librosa.feature.melspectrogram(y=signal, **MFCC)  # [n] -> [40, T]
    return librosa.feature.mfcc(S=librosa.power_to_db(mels, amin=FLOOR, top_db=None), n_mfcc=COEFFICIENTS)  # -> [13, T]


def mean(samples: np.ndarray) -> np.ndarray:
    """Time mean of each MFCC: int16 ``[n]`` -> float32 ``[13]``."""
    return mfcc(samples).mean(1)  # [13, T] -> [13]


def frames(samples: np.ndarray) -> np.ndarray:
    """MFCCs with their time axis, cut or filled with silence; they can be heard again: int16 ``[n]`` -> float32 ``[13, 64]``."""
    found = mfcc(samples)[:, :FRAMES]
    filled = np.repeat(mfcc(np.zeros(FRAME, np.int16)), FRAMES, axis=1)  # [13, 1] -> [13, 64]
    filled[:, : found.shape[1]] = found
    return filled


def _at_least(signal: np.ndarray, length: int) -> np.ndarray:
    """The signal, followed by zeros where it is shorter than `length`. Always a copy."""
    return np.pad(signal, (0, max(0, length - len(signal))))


VIEWS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...]]] = {
    "ratio": (ratio, (COEFFICIENTS,)),
    "mean": (mean, (COEFFICIENTS,)),
    "frames": (frames, (COEFFICIENTS, FRAMES)),
}
"""`DataRecipe.speech` -> the function that makes it, and the shape of one sample."""
