"""Between MFCC frames and what one hears: frames -> sound -> a WAV for a player; an uploaded sound file -> a recording."""

import io
from inspect import signature
from typing import Any

import librosa
import numpy as np
import soundfile
from jaxtyping import Float32, Int16, Num
from numpy import ndarray

from mvae_lib.data.sources import DataError
from mvae_lib.data.speech import FLOOR, FRAME, FRAMES, HOP, MFCC, RATE

ITERATIONS = 32  # of Griffin and Lim's search for phases: 100 take twice as long and win 0.1 dB
LOUDEST = 1e4  # mel power above any that a full-scale signal has; a model's frames may ask for more than a float holds
PEAK = 0.7  # of full scale, in what is played
QUIET = 30  # dB under an upload's loudest frame that count as silence: 40 keeps a room's noise (30 dB down), 20 cuts words
LONGEST = 10  # seconds of an upload; the longest recording of the data has 2.3
SPANS = {"speech": f"{((FRAMES - 1) * HOP + FRAME) / RATE:.2f} s"}
"""What stands at the right end of the map of a modality: how long its frames take."""
LIMITS = {"ratio": {"speech": (-0.5, 1.5)}, "mean": {"speech": (-4.0, 4.0)}, "frames": {"speech": (-3.0, 3.0)}}
"""By view of speech: bottom and top of its bars, white and black of its map, in scaled units."""


def invert_mfcc(frames: Num[ndarray, "..."]) -> Float32[ndarray, "n"]:
    """Raw (unscaled) MFCCs -> sound, by librosa's inverse: ``[13, T]`` -> ``[80 (T - 1) + 200]`` in [-1, 1], 8 kHz.

    Its samples stand where the frames found them (`speech.mfcc` gives T frames back), and it is the same each time. Thirteen
    coefficients keep the outline of a spectrum and no pitch: it whispers. What would clip is made quieter as a whole.
    ValueError: another shape, or values that are not finite.

    Source: Griffin & Lim, IEEE Transactions on Acoustics, Speech and Signal Processing 32(2), 1984.
    """
    if frames.ndim != 2 or not frames.size or not np.isfinite(frames).all():
        raise ValueError(f"Frames have shape {list(frames.shape)}; they must be finite MFCCs [13, T], unscaled.")
    mels = librosa.feature.inverse.mfcc_to_mel(frames.astype(np.float64), n_mels=MFCC["n_mels"])  # [13, T] -> [40, T]
    mels = (np.clip(mels, FLOOR, LOUDEST) - FLOOR).astype(np.float32)  # silence is at the floor, and stays silent
    power = librosa.feature.inverse.mel_to_stft(mels, sr=RATE, n_fft=FRAME)  # [40, T] -> [101, T]
    # Frames are not centred, and librosa's search blows up at the edges of such: it goes centred, between two silent frames
    # on each side, and what stands before the first frame and after the last is cut.
    padded = np.pad(power, ((0, 0), (2, 2)))
    name = "rng" if "rng" in signature(librosa.griffinlim).parameters else "random_state"  # so called before librosa 1.0
    seed: dict[str, Any] = {name: 0}
    signal = librosa.griffinlim(padded, n_iter=ITERATIONS, hop_length=HOP, win_length=FRAME, **seed)  # -> [80 (T + 3)]
    start = 2 * HOP - FRAME // 2
    return _within(signal[start : start + (frames.shape[1] - 1) * HOP + FRAME])


def pcm(samples: Num[ndarray, "n"]) -> Int16[ndarray, "n"]:
    """Samples in [-1, 1] -> as the recordings are."""
    return np.rint(samples * 32767).astype(np.int16)


def wav(samples: Num[ndarray, "n"]) -> bytes:
    """Samples in [-1, 1] or int16, 8 kHz -> a 16-bit mono WAV file for a browser's player, its loudest moment at `PEAK`.

    All players are as loud: a mean of decibels, as a model rebuilds it, is far quieter than what it is the mean of.
    """
    file, loudest = io.BytesIO(), max(float(np.abs(samples.astype(np.float64)).max(initial=0)), 1e-9)
    soundfile.write(file, pcm(PEAK / loudest * samples), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def read_upload(content: bytes) -> Int16[ndarray, "n"]:
    """A sound file of any rate, channels and format that soundfile reads -> a recording as the data's, 8 kHz.

    Silence at both ends is cut. The level stays as it is: the data's own levels span 26 dB, and a model trained on them reads
    test recordings at a tenth or at thrice their level within 2 points as well; bringing all to one level won nothing.
    DataError: no sound file, one longer than `LONGEST`, a silent one, or one with less than a frame (25 ms) of sound.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            channels = file.read(LONGEST * rate + 1, dtype="float32", always_2d=True)  # [n, channels]
    except (soundfile.SoundFileError, TypeError):  # TypeError: headerless formats ask for more than a name
        raise DataError(f"These {len(content):,} bytes are no sound file that can be read; take WAV, FLAC, OGG or MP3.") from None
    if len(channels) > LONGEST * rate:
        raise DataError(f"The sound is longer than {LONGEST} s; one spoken digit takes less than 3 s. Cut it to that.")
    if not np.isfinite(channels).all():
        raise DataError("The sound has samples that are not numbers (NaN or infinite); record or export it again.")
    mono = channels.mean(1, dtype=np.float64)  # [n, channels] -> [n]
    if len(mono):
        mono = librosa.resample(mono, orig_sr=rate, target_sr=RATE)
        mono, _ = librosa.effects.trim(_within(mono), top_db=QUIET, frame_length=FRAME, hop_length=HOP)
    samples = pcm(mono)
    if not samples.any():
        raise DataError("The sound is silent; record a digit, nearer to the microphone.")
    if len(samples) < FRAME:
        lasts = 1000 * len(samples) / RATE
        raise DataError(f"The sound lasts {lasts:.0f} ms without its silence; it takes 25 ms or more of speech.")
    return samples


def _within(samples: Num[ndarray, "n"]) -> Float32[ndarray, "n"]:
    """As they are, or made quieter as a whole until nothing clips."""
    return (samples / max(1.0, float(np.abs(samples).max(initial=0)))).astype(np.float32)
