"""Between MFCC frames and what one hears: frames -> sound -> a WAV for a player; an uploaded sound file -> a recording."""

import io
from inspect import signature
from typing import Any

import librosa
import numpy as np
import soundfile
from jaxtyping import Bool, Float32, Float64, Int16, Num
from numpy import ndarray
from scipy.signal import butter, sosfiltfilt

from mvae_lib.data.sources import DataError
from mvae_lib.data.speech import FLOOR, FRAME, FRAMES, HOP, MFCC, RATE

ITERATIONS = 32  # of Griffin and Lim's search for phases: 100 take twice as long and win 0.1 dB
LOUDEST = 1e4  # mel power above any that a full-scale signal has; a model's frames may ask for more than a float holds
PEAK = 0.7  # of full scale, in what is played
LONGEST = 10  # seconds of an upload; the longest recording of the data has 2.3
WIDEST = {"rate": 384_000, "channels": 8}  # of an upload: a header may claim any, and memory is taken for it
SPAN = (FRAMES - 1) * HOP + FRAME  # samples that a model hears
SHORTEST, ISLAND = 800, 7  # samples of a word; frames that a noise of 50 ms touches, and which a word has more of
FAINT, QUIET = -60, -40  # where words end, in dB: of full scale, whatever is louder; and of the loudest frame
ABOVE, LOUD, ROOM = 6, 10, 50  # dB above the noise where a word begins, and that its loudest frame has; frames of a room's noise
OVER, LEFT = 2.0, 0.03  # how many times the noise's power is taken from a sound's, and what share of it is left at least
HIGH = butter(4, 100, "highpass", fs=RATE, output="sos")  # where words are is seen above 100 Hz: not in hum, steps or an offset
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

    It is the piece that `word` finds. The level stays as it is: the data's own levels span 26 dB, and a model trained on them
    reads test recordings at a tenth or at thrice their level within 2 points as well; bringing all to one level won nothing.
    DataError, in one line: no sound file, one longer than `LONGEST` or above `WIDEST`, or one without a word.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            if rate > WIDEST["rate"] or file.channels > WIDEST["channels"]:
                raise DataError(
                    f"The sound has {file.channels} channels of {rate:,} Hz; it takes {WIDEST['channels']} of {WIDEST['rate']:,}."
                )
            channels = file.read(LONGEST * rate + 1, dtype="float32", always_2d=True)  # [n, channels]
    except (soundfile.SoundFileError, TypeError):  # TypeError: headerless formats ask for more than a name
        raise DataError(f"These {len(content):,} bytes are no sound file that can be read; take WAV, FLAC, OGG or MP3.") from None
    if len(channels) > LONGEST * rate:
        raise DataError(f"The sound is longer than {LONGEST} s; one spoken digit takes less than 3 s. Cut it to that.")
    if not np.isfinite(channels).all():
        raise DataError("The sound has samples that are not numbers (NaN or infinite); record or export it again.")
    if not len(channels):
        raise DataError("The file's header says that it holds no sample: its recorder never closed it. Export it again.")
    mono = channels.mean(1, dtype=np.float64)  # [n, channels] -> [n]
    if np.abs(mono).max() < 0.01 * np.abs(channels).max():
        raise DataError("The channels of the sound cancel each other out: one is the other upside down. Export one alone.")
    return pcm(word(_within(librosa.resample(mono, orig_sr=rate, target_sr=RATE)).astype(np.float64)))


def word(sound: Float64[ndarray, "n"]) -> Float64[ndarray, "m"]:
    """The piece of a sound that a model hears, at 8 kHz: the word, at most `SPAN` samples, without the noise of its room.

    Words are frames (25 ms) that are `ABOVE` the noise and not `QUIET`, 50 ms or more of them in a row; where they last longer
    than a model hears, it is the piece with most energy. Noise is what the quietest frames have, where these are so many that
    they are a room's; its mean power spectrum is then taken from the piece's (spectral subtraction).
    DataError: the sound is shorter than `SHORTEST`; or silent, steady, or nothing but clicks.
    Source: Berouti, Schwartz & Makhoul, IEEE ICASSP 1979.
    """
    if len(sound) < SHORTEST:
        lasts, least = (np.floor(10_000 * n / RATE) / 10 for n in (len(sound), SHORTEST))
        raise DataError(f"The sound lasts {lasts:.1f} ms; a spoken digit takes {least:.0f} ms or more.")
    sound = sound - sound.mean()
    high = np.pad(sosfiltfilt(HIGH, sound), (0, (FRAME - len(sound)) % HOP))
    framed = np.lib.stride_tricks.sliding_window_view(high, FRAME)[::HOP]  # [n] -> [T, 200]
    level = 10 * np.log10((framed**2).mean(1) + FLOOR)  # [T], dB of full scale
    loudest, quiet = level.max(), level < np.percentile(level, 10) + ABOVE
    noise = 10 * np.log10((10 ** (level[quiet] / 10)).mean()) if quiet.sum() >= ROOM else -np.inf
    if loudest < FAINT:
        raise DataError(f"The sound is silent, or nearly ({loudest:.0f} dB above 100 Hz). Is the microphone muted, or far away?")
    if loudest < noise + LOUD:
        raise DataError(f"Nothing in the sound is {LOUD} dB above its noise. Say one digit, nearer to the microphone.")
    edges = np.flatnonzero(np.diff(np.pad(level > max(noise + ABOVE, loudest + QUIET), 1)))  # where words begin and end, in turn
    energy = np.zeros(len(level))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin >= ISLAND:
            energy[begin:end] = 10 ** (level[begin:end] / 10)
    if not energy.any():
        raise DataError("Nothing in the sound lasts longer than a click (50 ms). Say one digit, nearer to the microphone.")
    first = np.convolve(energy, np.ones(FRAMES))[FRAMES - 1 :].argmax()
    inside = first + np.flatnonzero(energy[first : first + FRAMES])
    if np.isfinite(noise):
        sound = _without(sound, quiet)
    return sound[inside[0] * HOP : inside[-1] * HOP + FRAME]


def _without(sound: Float64[ndarray, "n"], quiet: Bool[ndarray, "T"]) -> Float64[ndarray, "n"]:
    """A sound with the noise of some of its frames taken from all."""
    spectrum = librosa.stft(sound, n_fft=FRAME, hop_length=HOP)  # [101, T'], centred
    power, near = np.abs(spectrum) ** 2, (np.arange(spectrum.shape[1]) - FRAME // 2 / HOP).clip(0, len(quiet) - 1).astype(int)
    noise = power[:, quiet[near]].mean(1, keepdims=True)  # [101, 1]
    gain = np.sqrt(np.maximum(1 - OVER * noise / np.maximum(power, np.finfo(float).tiny), LEFT))
    return librosa.istft(gain * spectrum, hop_length=HOP, n_fft=FRAME, length=len(sound))


def _within(samples: Num[ndarray, "n"]) -> Float32[ndarray, "n"]:
    """As they are, or made quieter as a whole until nothing clips."""
    return (samples / max(1.0, float(np.abs(samples).max(initial=0)))).astype(np.float32)
