"""The three sets -> splits, triplets of one digit, batches on a device.

Every split is a pure function of the recipe. It is made before anything is paired, and scalers see training recordings only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from mvae_lib.data.sets import arrays
from mvae_lib.spec import DataRecipe

SPLITS = ("train", "val", "test", "test_dig")
NAMES = ("farsi", "kannada", "speech")


@dataclass(frozen=True)
class Triplets:
    """One split: three pools of samples, and which of them form triplets. Samples stay where they are; only row numbers move."""

    pools: dict[str, Tensor]
    """farsi, kannada: uint8 ``[n, 784]``; speech: float32 ``[n, 13]`` or ``[n, 13, 64]``, scaled."""
    pool_labels: dict[str, Tensor]
    """Digit of each row of each pool, int64 ``[n]``."""
    pairs: Tensor
    """int64 ``[N, 3]``: a row of each pool, in the pools' order."""
    labels: Tensor
    """int64 ``[N]``."""
    scaler: dict[str, Tensor]
    """`offset` and `scale` of each speech coefficient: raw = scaled * scale + offset."""
    split: str
    recipe: DataRecipe
    source: str
    """"real data" or "stand-in": the words for a caption."""
    origin: dict[str, np.ndarray] = field(repr=False)
    """Row of each pooled sample in its file (Farsi, Kannada) or in `recordings()` (speech)."""
    speech_names: list[str] = field(repr=False)
    """File name of each row of the speech pool."""

    def __len__(self) -> int:
        return len(self.pairs)

    def to(self, device: torch.device | str) -> "Triplets":
        """The same triplets with every tensor on `device`."""
        pools, labels, scaler = ({k: v.to(device) for k, v in d.items()} for d in (self.pools, self.pool_labels, self.scaler))
        return replace(
            self, pools=pools, pool_labels=labels, scaler=scaler, pairs=self.pairs.to(device), labels=self.labels.to(device)
        )

    def repaired(self, epoch: int) -> "Triplets":
        """New pairs, a function of (recipe.seed, epoch). Only train is paired anew: val is drawn once, the tests are fixed."""
        if self.split != "train":
            return self
        seed = (self.recipe.seed, SPLITS.index(self.split), epoch)
        pairs, labels = _pair(self.pool_labels, seed)
        further = [_draw(self.pool_labels[name], labels, (*seed, m)) for m, name in enumerate(self.pools) if name not in NAMES]
        pairs = torch.cat([pairs, *(column[:, None] for column in further)], dim=1)  # [N, 3] and [N, 1]... -> [N, M]
        return replace(self, pairs=pairs.to(self.pairs.device), labels=labels.to(self.labels.device))

    def with_modality(self, name: str, pool: Tensor, labels: Tensor) -> "Triplets":
        """The same triplets with one more sample of the digit in each, drawn with replacement; `repaired` draws it anew.

        Args:
            pool: one sample a row, scaled as its likelihood wants it (uint8 is read as grey levels), of this split alone.
            labels: digit of each row, int64 ``[n]``; every digit that the triplets have must be there.
        """
        more = replace(self, pools={**self.pools, name: pool}, pool_labels={**self.pool_labels, name: labels})
        column = _draw(labels, self.labels, (self.recipe.seed, SPLITS.index(self.split), 0, len(self.pools)))
        return replace(more, pairs=torch.cat([self.pairs, column[:, None].to(self.pairs.device)], dim=1))

    def gather(self, index: Tensor | Sequence[int] | slice) -> tuple[dict[str, Tensor], Tensor]:
        """Samples of some triplets: name -> float32 ``[B, 784]`` in [0, 1], ``[B, 13]`` or ``[B, 13, 64]``; labels ``[B]``."""
        rows = self.pairs[index]  # [N, M] -> [B, M]
        x = {name: pool[rows[:, m]] for m, (name, pool) in enumerate(self.pools.items())}  # [n, ...] -> [B, ...]
        return {name: v.float().div_(255) if v.dtype == torch.uint8 else v for name, v in x.items()}, self.labels[index]

    def order(self, batch_size: int, seed: int | None) -> tuple[Tensor, ...]:
        """The numbers of all triplets, in batches ``[B]``; shuffled as a function of the seed, or in order if None."""
        order = np.arange(len(self)) if seed is None else np.random.default_rng(seed).permutation(len(self))
        return torch.from_numpy(order).to(self.pairs.device).split(batch_size)

    def batches(self, batch_size: int, order_seed: int | None) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Every triplet once, as `gather` gives them, in the order of `order`."""
        for index in self.order(batch_size, order_seed):
            yield self.gather(index)

    def class_means(self) -> dict[str, Tensor]:
        """Mean sample of each digit over this split's pools: name -> ``[10, 784]`` in [0, 1], ``[10, 13]``..."""
        return {
            name: torch.stack([_mean(pool[self.pool_labels[name] == digit]) for digit in range(10)])
            for name, pool in self.pools.items()
        }

    def global_means(self) -> dict[str, Tensor]:
        """Mean sample over this split's pools: name -> ``[784]`` in [0, 1], ``[13]``..."""
        return {name: _mean(pool) for name, pool in self.pools.items()}

    def rows(self, index: int) -> dict[str, int | str]:
        """Where one triplet came from: image numbers in the Farsi and Kannada files, the wav's name."""
        farsi, kannada, spoken = self.pairs[index, :3].tolist()
        return {
            "farsi": int(self.origin["farsi"][farsi]),
            "kannada": int(self.origin["kannada"][kannada]),
            "speech": self.speech_names[spoken],
        }


def load(split: str, recipe: DataRecipe = DataRecipe()) -> Triplets:
    """One split of the three sets as label-matched triplets, on the CPU.

    Args:
        split: "train", "val", "test" (Kannada's own) or "test_dig" (Dig-MNIST, out of domain).
        recipe: which form of the data and which split; see data/README.md.
    Raises:
        ValueError: no such split, or the recipe has none ("as_written" has no "val"); no such speaker to leave out.
        DataError: a data file is there and is not the right one; NoData: MVAE_DATA=real and there is no way to get it.
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
    labels = {name: sets[f"{name}_{part}_labels"] for name in NAMES[:2]}
    chosen = _images(split, recipe, labels["farsi"], labels["kannada"])
    chosen["speech"] = _recordings(split, recipe, sets["takes"], sets["names"])
    offset, scale = _scaler(recipe.speech, sets["speech"][_recordings("train", recipe, sets["takes"], sets["names"])])

    pools = {name: torch.from_numpy(sets[f"{name}_{part}"][chosen[name]]) for name in NAMES[:2]}
    pools["speech"] = torch.from_numpy((sets["speech"][chosen["speech"]] - offset) / scale)
    pool_labels = {name: torch.from_numpy(labels[name][chosen[name]].astype(np.int64)) for name in NAMES[:2]}
    pool_labels["speech"] = torch.from_numpy(sets["speech_labels"][chosen["speech"]].astype(np.int64))
    pairs, of = _pair(pool_labels, (recipe.seed, SPLITS.index(split), 0))
    scaler = {"offset": torch.from_numpy(offset), "scale": torch.from_numpy(scale)}
    names = [str(name) for name in sets["names"][chosen["speech"]]]
    return Triplets(pools, pool_labels, pairs, of, scaler, split, recipe, source, chosen, names)


def _recordings(split: str, recipe: DataRecipe, takes: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Rows of the recordings that belong to the split: by take, and by speaker where one is left out."""
    belongs = _takes(split, recipe)[takes]
    if recipe.left_out:
        speakers = np.array([str(name).split("_")[1] for name in names])  # "7_jackson_32.wav"
        if recipe.left_out not in speakers:
            raise ValueError(f"DataRecipe.left_out is {recipe.left_out!r}; the speakers are {', '.join(sorted(set(speakers)))}.")
        own = speakers == recipe.left_out
        belongs = own if split.startswith("test") else belongs & ~own
    return np.flatnonzero(belongs)


def _takes(split: str, recipe: DataRecipe) -> np.ndarray:
    """Which takes of each speaker and digit belong to the split: bool, indexed by take."""
    take = np.arange(256)
    first = 5 if recipe.split == "as_written" else 10
    return {"train": take >= first, "val": (take >= 5) & (take < first)}.get(split, take < 5)


def _images(split: str, recipe: DataRecipe, farsi: np.ndarray, kannada: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of the two image sets that belong to the split, given the labels of the files it is taken from.

    Kannada's part is settled first; where it is not a random fifth, HODA gives as many of each digit as Kannada has.
    """
    if split in ("test", "test_dig"):  # all of Kannada's; HODA has more, and the two tests draw from its two ends
        rng = np.random.default_rng((recipe.seed, 1))
        counts = np.bincount(kannada, minlength=10)
        head, tail = _per_digit(farsi, counts if split == "test" else np.bincount(farsi, minlength=10) - counts, rng)
        return {"farsi": head if split == "test" else tail, "kannada": np.arange(len(kannada))}
    if recipe.split == "as_written":
        return {"farsi": np.arange(len(farsi)), "kannada": np.arange(len(kannada))}

    rng = np.random.default_rng((recipe.seed, 0))
    if recipe.split == "by_writer":
        block = 1280 * len(kannada) // 60_000  # one writer; 47 of them, the last a little shorter
        held = np.arange(len(kannada)) >= 37 * block
        val = {"kannada": (np.flatnonzero(held), np.flatnonzero(~held))}
        val["farsi"] = _per_digit(farsi, np.bincount(kannada[held], minlength=10), rng)
    else:
        val = {
            name: _per_digit(labels, np.bincount(labels, minlength=10) // 5, rng)
            for name, labels in (("farsi", farsi), ("kannada", kannada))
        }
    return {name: rows[0 if split == "val" else 1] for name, rows in val.items()}


def _per_digit(labels: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """At random, `counts[d]` rows of each digit d; and the others. Both in ascending order."""
    order = rng.permutation(len(labels))
    taken = [order[labels[order] == digit][: counts[digit]] for digit in range(10)]
    inside = np.zeros(len(labels), bool)
    inside[np.concatenate(taken)] = True
    return np.flatnonzero(inside), np.flatnonzero(~inside)


def _pair(labels: dict[str, Tensor], seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Triplets of one digit: images without replacement, speech with, in random order -> ``[N, 3]``, ``[N]``."""
    rng = np.random.default_rng((2, *seed))
    by_digit = []
    for digit in range(10):
        farsi, kannada, spoken = (np.flatnonzero(labels[name].cpu().numpy() == digit) for name in NAMES)
        n = min(len(farsi), len(kannada))
        picks = (rng.permutation(farsi)[:n], rng.permutation(kannada)[:n], rng.choice(spoken, n), np.full(n, digit))
        by_digit.append(np.stack(picks, axis=1))  # 4 x [n] -> [n, 4]
    rows = torch.from_numpy(rng.permutation(np.concatenate(by_digit)))  # 10 x [n, 4] -> [N, 4]
    return rows[:, :3].contiguous(), rows[:, 3].contiguous()


def _draw(pool_labels: Tensor, labels: Tensor, seed: tuple[int, ...]) -> Tensor:
    """For each triplet, a row of a further pool with its digit, with replacement -> ``[N]``."""
    rng = np.random.default_rng((3, *seed))
    of, wanted = pool_labels.cpu().numpy(), labels.cpu().numpy()
    rows = np.empty(len(wanted), np.int64)
    for digit in np.unique(wanted):
        rows[wanted == digit] = rng.choice(np.flatnonzero(of == digit), (wanted == digit).sum())
    return torch.from_numpy(rows)


def _scaler(view: str, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale of each coefficient over training recordings ``[n, 13]`` or ``[n, 13, 64]``: min-max, or mean and sd."""
    axes = (0, 2) if raw.ndim == 3 else (0,)
    if view == "ratio":
        offset, scale = raw.min(axes), np.ptp(raw, axes)
    else:
        offset, scale = raw.mean(axes, dtype=np.float64), raw.std(axes, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1)  # a coefficient that never moves
    shape = (-1, 1) if raw.ndim == 3 else (-1,)
    return offset.reshape(shape).astype(np.float32), scale.reshape(shape).astype(np.float32)


def _mean(pool: Tensor) -> Tensor:
    """[n, ...] -> [...], in the units that `gather` gives; sums in float64."""
    if pool.dtype == torch.uint8:
        return (pool.sum(0, dtype=torch.int64) / (255.0 * len(pool))).float()
    return pool.mean(0, dtype=torch.float64).float()
