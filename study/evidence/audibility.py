"""What can be heard of a digit that was rebuilt: measured on the sound, analysed again, not on the numbers it was made from."""

from functools import cache

import librosa
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int16
from numpy import ndarray
from scipy.stats import binomtest
from torch import Tensor

from mvae_lib import MVAE, data, tables
from mvae_lib.data import RATE, Triplets
from mvae_lib.data.sources import DataError
from mvae_lib.data.speech import FRAME, HOP, frames
from study.app.sound import invert_mfcc, pcm, word
from study.evidence.classifiers import labels_of, samples, train_classifier

GIVEN = {"speech": ["speech"], "Farsi": ["farsi"], "Kannada": ["kannada"], "all three": ["farsi", "kannada", "speech"]}
RECORDING, CEILING, CLASS_MEAN = "the recording", "its own MFCCs", "class mean"
NOISES = [("room", 36.0), ("room", 30.0), ("room", 24.0), ("room", 18.0), ("white", 30.0), ("white", 24.0), ("tap", -10.0)]
ROOM = RATE // 2  # samples before the word, and as many after it
Sound = Int16[ndarray, "_"]  # samples at 8 kHz
_recordings = cache(lambda source: data.recordings())  # read once for each source: the real ones, or the stand-in's


def scaler(model: MVAE) -> dict[str, Float[Tensor, "13 1"]]:
    """`offset` and `scale` of a model whose speech has its time axis. ValueError: it has not."""
    if model.spec.data.speech != "frames":
        raise ValueError(f"Speech is the view {model.spec.data.speech!r}, which has no sound; take a model of the view 'frames'.")
    return {key: torch.tensor(value) for key, value in model.card["scaler"].items()}


def audible(model: MVAE, speech: Float[Tensor, "*shape"]) -> Sound:
    """Scaled frames, ``[832]`` or ``[13, 64]`` -> their sound. ValueError as `scaler`."""
    known = scaler(model)
    return pcm(invert_mfcc((speech.reshape(len(known["scale"]), -1) * known["scale"] + known["offset"]).numpy()))


def recorded(pairs: Triplets, row: int) -> Sound:
    """The recording behind a row of the speech pool."""
    return _recordings(pairs.source)[int(pairs.origin["speech"][row])].samples


@torch.no_grad()
def sounds(model: MVAE, pairs: Triplets, places: list[int]) -> dict[str, list[Sound]]:
    """What one hears of some triplets, by what it is heard from: the recording itself; its own 13 x 64 numbers made sound, which
    nothing rebuilt can beat; each of `GIVEN` (posterior mean); and the mean training frames of the digit.
    ValueError: the triplets are not of the model's recipe or source, or their speech has no time axis."""
    tables.check_match(model, pairs)
    (x, y), _ = pairs.gather(places), scaler(model)
    made = {CEILING: x["speech"]}
    for name, given in GIVEN.items():
        made[f"rebuilt from {name}"] = model.reconstruct({each: x[each] for each in given})["speech"]
    made[CLASS_MEAN] = torch.tensor(model.card["class_means"]["speech"], dtype=torch.float32)[y]  # [10, 13, 64] -> [n, 13, 64]
    spoken = [recorded(pairs, row) for row in pairs.rows[places, pairs.names.index("speech")].tolist()]
    return {RECORDING: spoken} | {name: [audible(model, one) for one in value] for name, value in made.items()}


def _analysed(spoken: dict[str, list[Sound]], pairs: Triplets) -> dict[str, tuple[Float[Tensor, "n 832"], Float[Tensor, "n"]]]:
    """Sounds -> their frames in the triplets' scaled units, and how far these are from the recording's (root mean square).
    Both in sd of the training frames: the loudness, which spans hundreds of dB, would else be all of it."""
    raw = {name: torch.from_numpy(np.stack([frames(one) for one in each])) for name, each in spoken.items()}
    again = {name: (each - pairs.scaler["offset"]) / pairs.scaler["scale"] for name, each in raw.items()}  # [n, 13, 64]
    return {name: (each.flatten(1), (each - again[RECORDING]).square().mean((1, 2)).sqrt()) for name, each in again.items()}


def audibility_table(model: MVAE, pairs: Triplets, train: Triplets, n: int = 300) -> pd.DataFrame:
    """Whether a classifier hears the right digit in what is rebuilt and made sound, for a model of the view "frames".
    It has learnt from real recordings alone. `n` recordings, each once, in the first triplet that holds it.
    A row a source in the order of `sounds`; low and high: the accuracy's 95 % interval (Wilson); distance: see `_analysed`."""
    scaler(model)  # before anything is trained
    _, places = np.unique(pairs.rows[:, pairs.names.index("speech")].numpy(), return_index=True)
    places = np.random.default_rng(0).permutation(places)[:n].tolist()
    classifier, rows = train_classifier(*samples(train, "speech"), train.classes), []
    for name, (value, away) in _analysed(sounds(model, pairs, places), pairs).items():
        right = (classifier(value).argmax(-1) == labels_of(pairs)[places]).float()
        sure = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        rows.append((name, float(right.mean()), sure.low, sure.high, float(away.mean()), float(away.std()), len(right)))
    return pd.DataFrame(rows, columns=["heard_from", "accuracy", "low", "high", "distance", "distance_sd", "n"])


def in_a_room(said: Sound, noise: str, down: float, rng: np.random.Generator) -> Float64[ndarray, "n"]:
    """A word between two halves of a second, and a noise so many dB under the word's loudest frame (root mean square).
    "room": of as much power in each octave; "white"; "tap": white for 10 ms, a quarter of a second before the word."""
    sound, loudest = np.pad(said / 32768, ROOM), np.lib.stride_tricks.sliding_window_view(np.pad(said / 32768, FRAME), FRAME)
    hiss = np.fft.rfft(rng.standard_normal(len(sound)))
    hiss = np.fft.irfft(hiss / np.sqrt(np.maximum(np.arange(len(hiss)), 1)) if noise == "room" else hiss, len(sound))
    heard = slice(ROOM // 2, ROOM // 2 + RATE // 100) if noise == "tap" else slice(None)
    sound[heard] += np.sqrt((loudest**2).mean(1).max()) * 10 ** (-down / 20) * hiss[heard] / hiss[heard].std()
    return sound / max(1.0, np.abs(sound).max())


def noise_table(model: MVAE, pairs: Triplets, seed: int = 0) -> pd.DataFrame:
    """How often a model reads a recording right that it hears in noise, by how the word was cut out of it.
    A row a noise (`in_a_room`; none: the recording as it is) and cut: by hand; 30 dB under the loudest frame, as librosa cuts;
    as the studio finds it (refused: how many it found no word in, which count as wrong). Each recording of the split once, with
    one draw of noise; read from speech alone, by the posterior mean; low and high: the accuracy's 95 % interval (Wilson)."""
    known, labels, rows = scaler(model), pairs.pool_labels["speech"], []
    for noise, down in [("none", np.inf), *NOISES]:
        cuts: dict[str, list[Sound | None]] = {"by hand": [], "30 dB": [], "studio": []}
        for row in range(len(labels)):
            said, rng = recorded(pairs, row), np.random.default_rng((seed, row))
            sound = said / 32768 if noise == "none" else in_a_room(said, noise, down, rng)
            cuts["by hand"].append(pcm(sound if noise == "none" else sound[ROOM:-ROOM]))
            cuts["30 dB"].append(pcm(librosa.effects.trim(sound, top_db=30, frame_length=FRAME, hop_length=HOP)[0]))
            try:
                cuts["studio"].append(pcm(word(sound)))
            except DataError:
                cuts["studio"].append(None)
        for cut, each in cuts.items():
            there = torch.tensor([one is not None for one in each])
            x = torch.from_numpy(np.stack([frames(one) for one in each if one is not None]))  # [n, 13, 64]
            read = model.classify({"speech": (x - known["offset"]) / known["scale"]}).argmax(-1)
            right, n = int((read == labels[there]).sum()), len(labels)
            sure = binomtest(right, n).proportion_ci(method="wilson")
            about = {"noise": noise, "down": down, "cut": cut, "accuracy": right / n, "low": sure.low, "high": sure.high}
            rows.append(about | {"refused": n - int(there.sum()), "n": n, "split": pairs.split, "noise_seed": seed})
    return pd.DataFrame(rows)


def sounds_of(model: MVAE, pairs: Triplets, place: int) -> tuple[dict[str, Sound], pd.DataFrame]:
    """One triplet's sounds, the recording as far as the view holds it; and a row a sound: split, place, label, index (the wav's
    name), heard_from, seconds, level (root mean square, dB of full scale), distance (see `_analysed`)."""
    spoken = sounds(model, pairs, [place])
    distances, each = _analysed(spoken, pairs), {name: one for name, (one,) in spoken.items()}
    each[RECORDING] = each[RECORDING][: len(each[CEILING])]
    levels = [20 * np.log10(max(1.0, np.sqrt(np.mean(one.astype(float) ** 2))) / 32768) for one in each.values()]
    about = {"split": pairs.split, "place": place, "label": int(labels_of(pairs)[place]), "index": pairs.origins(place)["speech"]}
    about |= {"heard_from": list(each), "seconds": [len(one) / RATE for one in each.values()], "level": levels}
    return each, pd.DataFrame(about | {"distance": [float(away) for _, away in distances.values()]})
