"""What can be heard of a digit that was rebuilt: measured on the sound, analysed again, not on the numbers it was made from."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mvae_lib.data import Recording, Triplets, recordings
from mvae_lib.data.sound import pcm, sound
from mvae_lib.data.speech import RATE, frames
from mvae_lib.evaluate.coherence import samples, train_reader
from mvae_lib.evaluate.tables import check_match
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd

GIVEN = {"speech": ["speech"], "Farsi": ["farsi"], "Kannada": ["kannada"], "all three": ["farsi", "kannada", "speech"]}
RECORDING, CEILING, CLASS_MEAN = "the recording", "its own MFCCs", "class mean"


def scaler(model: MVAE) -> dict[str, Tensor]:
    """`offset` and `scale` ``[13, 1]`` of a model whose speech has its time axis. ValueError: it has not."""
    if model.spec.data.speech != "frames":
        raise ValueError(f"Speech is the view {model.spec.data.speech!r}, which has no sound; take a model of the view 'frames'.")
    return {key: torch.tensor(value) for key, value in model.card["scaler"].items()}


def audible(model: MVAE, speech: Tensor) -> np.ndarray:
    """Scaled frames, ``[832]`` or ``[13, 64]`` -> their sound, int16 at 8 kHz. ValueError as `scaler`."""
    known = scaler(model)
    return pcm(sound((speech.reshape(known["scale"].shape[0], -1) * known["scale"] + known["offset"]).numpy()))


@cache
def _recordings(source: str) -> list[Recording]:
    """Read once for each source: the real ones, or the stand-in's."""
    return recordings()


def recorded(triplets: Triplets, row: int) -> np.ndarray:
    """The recording behind a row of the speech pool: int16 ``[n]``."""
    return _recordings(triplets.source)[int(triplets.origin["speech"][row])].samples


@torch.no_grad()
def sounds(model: MVAE, triplets: Triplets, places: list[int]) -> dict[str, list[np.ndarray]]:
    """What one hears of some triplets: heard from -> their sounds, int16 at 8 kHz.

    The recording itself; its own 13 x 64 numbers made sound, which nothing rebuilt can beat; each of `GIVEN` (posterior mean);
    and the mean training frames of the digit.

    Raises:
        ValueError: the triplets are not of the model's recipe or source, or their speech has no time axis.
    """
    check_match(model, triplets)
    scaler(model)
    x, y = triplets.gather(places)
    made = {CEILING: x["speech"]}
    for name, given in GIVEN.items():
        made[f"rebuilt from {name}"] = model.reconstruct({each: x[each] for each in given})["speech"]
    made[CLASS_MEAN] = torch.tensor(model.card["class_means"]["speech"], dtype=torch.float32)[y]  # [10, 13, 64] -> [n, 13, 64]
    spoken = [recorded(triplets, row) for row in triplets.pairs[places, 2].tolist()]
    return {RECORDING: spoken} | {name: [audible(model, one) for one in value] for name, value in made.items()}


def analysed(found: list[np.ndarray], triplets: Triplets) -> Tensor:
    """Sounds -> their frames in the triplets' scaled units: n of int16 -> ``[n, 13, 64]``."""
    again = torch.from_numpy(np.stack([frames(one) for one in found]))
    return (again - triplets.scaler["offset"]) / triplets.scaler["scale"]


def heard_table(model: MVAE, triplets: Triplets, train: Triplets, n: int = 300) -> "pd.DataFrame":
    """Is the right digit heard, and how near is it to what was said?

    Args:
        train: what the independent reader of 13 x 64 frames learns from: real recordings alone.
        n: recordings, each once, in the first triplet that holds it.
    Returns: a row a source in the order of `sounds`: heard_from, accuracy (of the reader, on the sound analysed again), low and
        high (its 95 % interval, Wilson), distance (root mean square over 13 x 64, in sd of the training frames: the loudness,
        which spans hundreds of dB, would else be all of it), distance_sd (over recordings), n.
    """
    import pandas as pd
    from scipy.stats import binomtest

    _, places = np.unique(triplets.pairs[:, 2].numpy(), return_index=True)
    places = np.random.default_rng(0).permutation(places)[:n].tolist()
    reader, truth = train_reader(*samples(train, "speech")), triplets.labels[places]
    again = {name: analysed(found, triplets) for name, found in sounds(model, triplets, places).items()}
    rows = []
    for name, value in again.items():
        right = reader(value.flatten(1)).argmax(-1) == truth
        away = (value - again[RECORDING]).square().mean((1, 2)).sqrt()  # [n, 13, 64] -> [n]
        sure = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        own = {"heard_from": name, "accuracy": float(right.float().mean()), "low": sure.low, "high": sure.high}
        rows.append(own | {"distance": float(away.mean()), "distance_sd": float(away.std()), "n": len(right)})
    return pd.DataFrame(rows)


def sounds_of(model: MVAE, triplets: Triplets, place: int) -> "tuple[dict[str, np.ndarray], pd.DataFrame]":
    """One triplet's sounds, the recording as far as the view holds it; and a row a sound: split, place, label, index (the wav's
    name), heard_from, seconds, level (root mean square, dB of full scale), distance (as in `heard_table`)."""
    import pandas as pd

    found = {name: one[0] for name, one in sounds(model, triplets, [place]).items()}
    again = {name: analysed([one], triplets) for name, one in found.items()}
    found[RECORDING] = found[RECORDING][: len(found[CEILING])]
    about = {
        "split": triplets.split,
        "place": place,
        "label": int(triplets.labels[place]),
        "index": triplets.rows(place)["speech"],
    }
    rows = [
        about
        | {
            "heard_from": name,
            "seconds": len(one) / RATE,
            "level": 20 * np.log10(max(1.0, np.sqrt(np.mean(one.astype(float) ** 2))) / 32768),
            "distance": float((again[name] - again[RECORDING]).square().mean().sqrt()),
        }
        for name, one in found.items()
    ]
    return found, pd.DataFrame(rows)
