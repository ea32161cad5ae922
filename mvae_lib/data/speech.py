"""Recordings of spoken digits, and the three views of them that a model may take. All settings stand here.

A frame is 25 ms, a hop 10 ms; frames are not centred.
"""

import atexit
import io
import os
import shutil
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int16

from mvae_lib.data.sources import DataError, wavs

RATE, FRAME, HOP = 8000, 200, 80  # hertz; samples
COEFFICIENTS = 13
FRAMES = 64  # of the `frames` view: 0.65 s, enough for 95 % of the recordings
RATIO_FFT, RATIO_MELS, EMPHASIS = 512, 26, 0.97  # of the `ratio` view
MFCC = {"sr": RATE, "n_fft": FRAME, "win_length": FRAME, "hop_length": HOP, "center": False, "n_mels": 40}
"""Of the `mean` and `frames` views, as librosa takes them; its inverse needs the same."""
FLOOR = 1e-10  # mel power of silence; no other floor: a frame's values depend on that frame alone
Samples = Int16[np.ndarray, "n"]  # 8 kHz, mono

_LIBROSA = find_spec("librosa")
if _LIBROSA and not any(os.access(place, os.W_OK) for place in (os.path.expanduser("~"), Path(_LIBROSA.origin or "").parent)):
    # librosa's numba keeps what it compiled in one of the two, or raises
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
        atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)


@dataclass(frozen=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    take: int
    samples: Samples

    @property
    def name(self) -> str:
        """The file's name in the archive."""
        return f"{self.digit}_{self.speaker}_{self.take}.wav"


def read_fsdd(archive: Path) -> list[Recording]:
    """The Free Spoken Digit Dataset's .tar.gz -> its recordings, sorted by file name. Nothing is unpacked to disk."""
    recordings = []
    for name, content in sorted(wavs(archive)):
        try:
            digit, speaker, take = name.removesuffix(".wav").split("_")
            with wave.open(io.BytesIO(content)) as file:
                form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
                if form != (RATE, 1, 2):
                    raise ValueError(f"{form[0]} Hz, {form[1]} channels, {8 * form[2]} bits")
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            if int(digit) not in range(10) or int(take) not in range(50) or not len(samples):
                raise ValueError(f"digit {digit}, take {take}, {len(samples)} samples")
            recordings.append(Recording(int(digit), speaker, int(take), samples))
        except (ValueError, wave.Error, EOFError, RuntimeError) as error:
            what = str(error) or "a chunk is longer than the file"  # of which wave says nothing
            raise DataError(f"{archive}: {name} is not digit_speaker_take.wav, 8 kHz mono 16-bit ({what}).") from None
    return recordings


def ratio(samples: Samples) -> Float32[np.ndarray, "13"]:
    """Time mean over time standard deviation of each MFCC. What made the report's Table 2.

    Pre-emphasis; rectangular frames, the last one filled with zeros; natural log of HTK mel energies (int16 scale); orthonormal
    DCT-II; the first coefficient replaced by the frame's log energy. A coefficient that never moves (silence) has no ratio: 0.
    """
    from scipy.fft import dct

    signal = np.pad(samples.astype(np.float64), (0, max(0, FRAME + HOP - len(samples))))
    signal[1:] -= EMPHASIS * signal[:-1]
    count = 1 + -(-(len(signal) - FRAME) // HOP)
    signal = np.pad(signal, (0, FRAME + (count - 1) * HOP - len(signal)))
    framed = signal[np.arange(FRAME) + HOP * np.arange(count)[:, None]]  # [n] -> [T, 200]
    power = np.abs(np.fft.rfft(framed, RATIO_FFT)) ** 2 / RATIO_FFT  # [T, 200] -> [T, 257]
    tiny = np.finfo(float).eps
    mels = np.maximum(power @ _mel_filters().T, tiny)  # [T, 257] -> [T, 26]
    cepstrum = np.asarray(dct(np.log(mels), norm="ortho"))[:, :COEFFICIENTS]  # [T, 26] -> [T, 13]
    cepstrum[:, 0] = np.log(np.maximum(power.sum(1), tiny))
    centre, spread = cepstrum.mean(0), cepstrum.std(0)  # [T, 13] -> [13]
    return np.divide(centre, spread, out=np.zeros_like(centre), where=spread > 1e-12).astype(np.float32)


@cache
def _mel_filters() -> Float64[np.ndarray, "26 257"]:
    """Triangles over FFT bins, equally far apart in HTK mels from 0 to 4 kHz, their corners floored to whole bins.

    The rule is python_speech_features', which made the report's vectors; librosa's corners lie between the bins.
    """
    import librosa

    hertz = librosa.mel_frequencies(RATIO_MELS + 2, fmin=0, fmax=RATE / 2, htk=True)
    corners = np.floor((RATIO_FFT + 1) * hertz / RATE)  # [28]
    bins = np.arange(RATIO_FFT // 2 + 1)
    return np.stack([np.interp(bins, corners[i : i + 3], (0, 1, 0)) for i in range(RATIO_MELS)])


def mfcc(samples: Samples) -> Float32[np.ndarray, "13 T"]:
    """librosa's MFCCs (Hann window, Slaney mels, decibels), not centred."""
    import librosa

    signal = np.pad(samples, (0, max(0, FRAME - len(samples)))).astype(np.float32) / 32768
    mels = librosa.feature.melspectrogram(y=signal, **MFCC)  # [n] -> [40, T]
    return librosa.feature.mfcc(S=librosa.power_to_db(mels, amin=FLOOR, top_db=None), n_mfcc=COEFFICIENTS)  # -> [13, T]


def mean(samples: Samples) -> Float32[np.ndarray, "13"]:
    """Time mean of each MFCC."""
    return mfcc(samples).mean(1)  # [13, T] -> [13]


def frames(samples: Samples) -> Float32[np.ndarray, "13 64"]:
    """MFCCs with their time axis, cut or filled with silence; they can be heard again."""
    cut = mfcc(samples)[:, :FRAMES]
    filled = np.repeat(mfcc(np.zeros(FRAME, np.int16)), FRAMES, axis=1)  # [13, 1] -> [13, 64]
    filled[:, : cut.shape[1]] = cut
    return filled


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"ratio": ratio, "mean": mean, "frames": frames}  # DataRecipe.speech
