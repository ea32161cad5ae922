"""The three sets -> splits, as triplets of one digit: each a pure function of the recipe.

A split is made before anything is paired, and scalers see training recordings only.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor

from mvae_lib.data.arrays import Arrays, arrays
from mvae_lib.data.digits import Labels
from mvae_lib.pairs import SPLITS, Pairs, draw_tuples
from mvae_lib.spec import DataRecipe


@dataclass(frozen=True)
class Triplets(Pairs):
    """Pairs of farsi and kannada, uint8 ``[n, 784]``, and speech, float32 ``[n, 13]`` or ``[n, 13, 64]``, scaled; and whence."""

    scaler: dict[str, Tensor] = field(default_factory=dict)  # of each speech coefficient: raw = scaled * scale + offset
    origin: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # row of each in its file, or in `recordings()`
    speech_names: list[str] = field(default_factory=list, repr=False)  # file name of each row of the speech pool

    def origins(self, index: int) -> dict[str, int | str]:
        """Where one triplet came from: image numbers in the Farsi and Kannada files, the wav's name."""
        row = dict(zip(self.pools, self.rows[index].tolist(), strict=True))
        images = {name: int(self.origin[name][row[name]]) for name in ("farsi", "kannada")}
        return {**images, "speech": self.speech_names[row["speech"]]}


def load(split: str, recipe: DataRecipe = DataRecipe()) -> Triplets:
    """One split of the three sets as label-matched triplets, on the CPU.

    Args:
        split: "train", "val", "test" (Kannada's own) or "test_dig" (Dig-MNIST, out of domain).
        recipe: which form of the data and which split; see data/README.md.
    Raises: ValueError for a split that the recipe does not have ("as_written" has no "val"), or a speaker whom nobody knows;
        DataError for a data file that is not the right one; NoData where MVAE_DATA=real and there is no way to get it.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; it takes one of {', '.join(map(repr, SPLITS))}.")
    if split == "val" and recipe.split == "as_written":
        raise ValueError(
            "The as_written recipe trains on all 60,000 and has no 'val'; monitor on 'test' (and use it for no choice), "
            "or take split='as_run' or 'by_writer'."
        )
    sets, source = arrays(recipe.images, recipe.speech)
    part = split if split.startswith("test") else "train"
    keys = {"farsi": f"farsi_{part.removesuffix('_dig')}", "kannada": f"kannada_{part}", "speech": "speech"}
    labels = {name: sets[f"{key}_labels"] for name, key in keys.items()}
    rows = _images(split, recipe, labels["farsi"], labels["kannada"])
    rows["speech"], learnt = (_recordings(s, recipe, sets) for s in (split, "train"))

    scaler = _scaler(recipe.speech, sets["speech"][learnt])
    pools = {name: torch.from_numpy(sets[key][rows[name]]) for name, key in keys.items()}
    pools["speech"] = (pools["speech"] - scaler["offset"]) / scaler["scale"]
    pool_labels = {name: torch.from_numpy(labels[name][rows[name]].astype(np.int64)) for name in keys}
    replaced = ("speech",)  # there are far fewer recordings than images
    pairs, of = draw_tuples(pool_labels, replaced, (recipe.seed, SPLITS.index(split), 0))
    return Triplets(
        pools, pairs, of, pool_labels, replaced, split=split, source=source, recipe=recipe, seed=recipe.seed,
        scaler=scaler, origin=rows, speech_names=sets["names"][rows["speech"]].tolist(),
    )  # fmt: skip


def _recordings(split: str, recipe: DataRecipe, sets: Arrays) -> Int[np.ndarray, "rows"]:
    """The recordings of the split: by take, or at random among takes 5 to 49; and by speaker where one is left out."""
    takes, labels = sets["takes"], sets["speech_labels"]
    belongs = {"train": takes >= 10, "val": (takes >= 5) & (takes < 10)}.get(split, takes < 5)
    if recipe.split == "as_written" and split == "train":
        belongs = takes >= 5
    elif recipe.split == "as_run" and not split.startswith("test"):
        learnable = np.flatnonzero(takes >= 5)
        counts = np.bincount(labels[learnable], minlength=10)
        held = _per_digit(labels[learnable], counts // 5, np.random.default_rng((recipe.seed, 2)))
        belongs = np.isin(np.arange(len(takes)), learnable[held[split == "train"]])
    if recipe.left_out:
        speakers = np.array([name.split("_")[1] for name in sets["names"].tolist()])  # "7_jackson_32.wav"
        if recipe.left_out not in speakers:
            raise ValueError(f"DataRecipe.left_out is {recipe.left_out!r}; the speakers are {', '.join(sorted(set(speakers)))}.")
        theirs = speakers == recipe.left_out
        belongs = theirs if split.startswith("test") else belongs & ~theirs
    return np.flatnonzero(belongs)


def _images(split: str, recipe: DataRecipe, farsi: Labels, kannada: UInt8[np.ndarray, "k"]) -> dict[str, np.ndarray]:
    """Rows of both scripts, given the labels of their files. HODA gives as many of each digit as Kannada's part has."""
    counts = {"farsi": np.bincount(farsi, minlength=10), "kannada": np.bincount(kannada, minlength=10)}
    if split.startswith("test"):  # all of Kannada's; HODA has more, and the two tests draw from its two ends
        first = counts["kannada"] if split == "test" else counts["farsi"] - counts["kannada"]
        ends = _per_digit(farsi, first, np.random.default_rng((recipe.seed, 1)))
        return {"farsi": ends[split == "test_dig"], "kannada": np.arange(len(kannada))}
    if recipe.split == "as_written":
        return {"farsi": np.arange(len(farsi)), "kannada": np.arange(len(kannada))}

    rng = np.random.default_rng((recipe.seed, 0))
    if recipe.split == "by_writer":
        block = 1280 * len(kannada) // 60_000  # one writer; 47 of them, the last a little shorter
        held = np.arange(len(kannada)) >= 37 * block
        parts = {"kannada": (np.flatnonzero(held), np.flatnonzero(~held))}
        parts["farsi"] = _per_digit(farsi, np.bincount(kannada[held], minlength=10), rng)
    else:
        parts = {name: _per_digit(of, counts[name] // 5, rng) for name, of in (("farsi", farsi), ("kannada", kannada))}
    return {name: rows[split == "train"] for name, rows in parts.items()}


def _per_digit(labels: Labels, counts: Int[np.ndarray, "10"], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """At random, `counts[d]` rows of each digit d; and the others. Both in ascending order."""
    order = rng.permutation(len(labels))
    taken = [order[labels[order] == digit][: counts[digit]] for digit in range(10)]
    inside = np.zeros(len(labels), bool)
    inside[np.concatenate(taken)] = True
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def _scaler(view: str, raw: np.ndarray) -> dict[str, Float32[Tensor, "13 *t"]]:
    """Offset and scale of each coefficient over training recordings ``[n, 13]`` or ``[n, 13, 64]``: min-max, or mean and sd."""
    axes = (0, *range(2, raw.ndim))
    if view == "ratio":
        offset, scale = raw.min(axes, keepdims=True), np.ptp(raw, axes, keepdims=True)
    else:
        offset, scale = raw.mean(axes, np.float64, keepdims=True), raw.std(axes, np.float64, keepdims=True)
    both = {"offset": offset, "scale": np.where(scale > 0, scale, 1)}  # [1, 13] or [1, 13, 1]; 1 where it never moves
    return {key: torch.from_numpy(values[0].astype(np.float32)) for key, values in both.items()}
