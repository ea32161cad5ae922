"""N pools of samples, and which of them belong together -> tuples, batches on a device.

It knows no digit: samples are tensors, labels are numbers or absent, and any of them may be missing. M modalities, N tuples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils import _pytree as pytree

from mvae_lib.objectives import UNLABELLED
from mvae_lib.spec import DataRecipe

SPLITS = ("train", "val", "test", "test_dig")
"""A pairing depends on the split's place among these; any other name pairs as "train"."""
Index = Tensor | Sequence[int] | slice
P = TypeVar("P", bound="Pairs")


@dataclass(frozen=True)
class Pairs:
    """One split: a pool of samples a modality, and which of them form tuples. ValueError for parts that do not fit each other."""

    pools: dict[str, Tensor]
    """By modality, ``[n, *shape]``: floats, scaled as its likelihood wants them, or uint8, read as grey levels, / 255."""
    rows: Int[Tensor, "N M"]  # A row of each pool, in the pools' order
    labels: Int[Tensor, "N"] | None = None  # Of each tuple, 0, 1, ...; `UNLABELLED` where it is unknown. None: there are none.
    pool_labels: dict[str, Tensor] = field(default_factory=dict)
    """By modality, the label of each row of its pool, ``[n]``: with them, tuples are drawn anew every epoch. Empty: they stay."""
    replaced: tuple[str, ...] = ()  # Modalities drawn with replacement then; of the others, each row is used once an epoch
    added: tuple[str, ...] = ()  # Modalities of `with_modality`
    present: dict[str, Tensor] = field(default_factory=dict)
    """By modality, which rows of its pool are there, bool ``[n]``; what is not there may hold NaN. Unnamed pools are whole."""
    split: str = "train"
    source: str = "own data"  # The words for a caption
    recipe: DataRecipe | None = None
    seed: int = 0  # Fixes every pairing

    def __post_init__(self) -> None:
        for what, value in (*self.pools.items(), ("rows", self.rows), ("labels", self.labels)):
            if value is not None and not isinstance(value, Tensor):
                raise ValueError(f"{what} is a {type(value).__name__}; it takes a tensor: give torch.as_tensor of it.")
        names, (n, m) = list(self.pools), self.rows.shape
        if m != len(names):
            raise ValueError(f"rows has {m} columns, and there are {len(names)} pools ({', '.join(names)}); give one a pool.")
        for name, column in zip(names, self.rows.T, strict=True):
            size = len(self.pools[name])
            if n and column.device.type == "cpu" and not 0 <= int(column.min()) <= int(column.max()) < size:
                raise ValueError(f"rows of {name!r} go from {column.min()} to {column.max()}; its pool has 0 to {size - 1}.")
        if self.labels is not None and len(self.labels) != n:
            raise ValueError(f"There are {len(self.labels)} labels for {n} tuples; give one a tuple, or None.")
        for what, by_pool in (("pool_labels", self.pool_labels), ("present", self.present)):
            if wrong := {k: len(v) for k, v in by_pool.items() if k not in self.pools or len(v) != len(self.pools[k])}:
                sizes = {name: len(pool) for name, pool in self.pools.items()}
                raise ValueError(f"{what} has {wrong}; the pools have {sizes} rows. Give one value a row.")
        if self.pool_labels and set(self.pool_labels) != set(names):
            raise ValueError(f"pool_labels is of {', '.join(self.pool_labels)}; it takes all of {', '.join(names)}, or none.")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.pools)

    @property
    def classes(self) -> int:
        """How many labels there are, 0 for none."""
        known = [*self.pool_labels.values()] or ([] if self.labels is None else [self.labels])
        return 1 + max((int(labels.max()) for labels in known if len(labels)), default=-1)

    def to(self: P, device: torch.device | str) -> P:
        """The same tuples with every tensor on `device`."""
        return replace(self, **pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device), vars(self)))

    def take(self: P, index: Index) -> P:
        """These tuples alone."""
        return replace(self, rows=self.rows[index], labels=None if self.labels is None else self.labels[index])

    def gather(self, index: Index) -> tuple[dict[str, Tensor], Int[Tensor, "B"]]:
        """Some tuples: by modality, floats ``[B, *shape]``; and their labels ``[B]``."""
        rows = self.rows[index]  # [N, M] -> [B, M]
        x = {name: pool[rows[:, m]] for m, (name, pool) in enumerate(self.pools.items())}  # [n, ...] -> [B, ...]
        labels = rows.new_full(rows.shape[:1], UNLABELLED) if self.labels is None else self.labels[index]
        return {name: v.float().div_(255) if v.dtype == torch.uint8 else v.float() for name, v in x.items()}, labels

    def seen(self, index: Index) -> Bool[Tensor, "M B"]:
        """Which modalities some tuples have."""
        columns = zip(self.pools, self.rows[index].T, strict=True)
        return torch.stack([self.there(name)[rows] for name, rows in columns])

    def order(self, batch_size: int, seed: int | None) -> tuple[Tensor, ...]:
        """The numbers of all tuples, in batches ``[B]``; shuffled as a function of the seed, or in order if None."""
        order = np.arange(len(self)) if seed is None else np.random.default_rng(seed).permutation(len(self))
        return torch.from_numpy(order).to(self.rows.device).split(batch_size)

    def batches(self, batch_size: int, order_seed: int | None) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Every tuple once, as `gather` gives them, in the order of `order`."""
        for index in self.order(batch_size, order_seed):
            yield self.gather(index)

    def class_means(self) -> dict[str, Tensor]:
        """By modality, the mean sample of each label (of all, where it has none): ``[classes, *shape]``; {} without labels."""
        means, overall = {}, self.global_means()
        for m, (name, pool) in enumerate(self.pools.items() if self.classes else ()):
            rows = torch.arange(len(pool), device=pool.device) if self.pool_labels else self.rows[:, m]
            there, labels = self.there(name)[rows], self.pool_labels.get(name, self.labels)
            of = [rows[there & (labels == label)] for label in range(self.classes)]
            means[name] = torch.stack([_mean(pool[each]) if len(each) else overall[name] for each in of])
        return means

    def global_means(self) -> dict[str, Tensor]:
        """By modality, the mean sample: ``[*shape]`` in `gather`'s units."""
        return {name: _mean(pool[self.there(name)]) for name, pool in self.pools.items()}

    def there(self, name: str) -> Bool[Tensor, "n"]:
        """Which rows of a pool are there."""
        return self.present.get(name, torch.ones(len(self.pools[name]), dtype=torch.bool, device=self.rows.device))

    def repaired(self: P, epoch: int) -> P:
        """New tuples, a function of (seed, epoch), of a train split whose pools have labels. What is missing stays so."""
        if self.split != "train" or not self.pool_labels:
            return self
        seed = (self.seed, 0, epoch)
        drawn = {name: labels for name, labels in self.pool_labels.items() if name not in self.added}
        rows, labels = draw_tuples(drawn, self.replaced, seed)
        more = [_draw(self.pool_labels[name], labels, (*seed, m)) for m, name in enumerate(self.pools) if name in self.added]
        rows = torch.cat([rows, *(column[:, None] for column in more)], dim=1)  # [N, M - 1] and [N, 1]... -> [N, M]
        return replace(self, rows=rows.to(self.rows.device), labels=labels.to(self.rows.device))

    def with_modality(self: P, name: str, pool: Tensor, labels: Int[Tensor, "n"]) -> P:
        """The same tuples with one more sample of the label in each, drawn with replacement from a pool with labels."""
        if self.labels is None or not self.pool_labels:
            raise ValueError("These pairs have no pool_labels to draw another sample by; put the modality into pools and rows.")
        place = SPLITS.index(self.split) if self.split in SPLITS else 0
        column = _draw(labels, self.labels, (self.seed, place, 0, len(self.pools)))
        pools, pool_labels = {**self.pools, name: pool}, {**self.pool_labels, name: labels}
        rows = torch.cat([self.rows, column[:, None].to(self.rows.device)], dim=1)
        return replace(self, pools=pools, pool_labels=pool_labels, rows=rows, added=(*self.added, name))


def draw_tuples(
    pool_labels: dict[str, Tensor], replaced: tuple[str, ...], seed: tuple[int, ...]
) -> tuple[Int[Tensor, "N M"], Int[Tensor, "N"]]:
    """Tuples of one label, and their labels; of each, as many as the smallest pool has that is drawn without replacement."""
    rng, parts = np.random.default_rng((2, *seed)), []
    of = {name: labels.cpu().numpy() for name, labels in pool_labels.items()}
    for label in range(1 + max(int(labels.max()) for labels in of.values())):
        pools = {name: np.flatnonzero(labels == label) for name, labels in of.items()}
        n = min(len(rows) for name, rows in pools.items() if name not in replaced)
        picks = [rng.choice(rows, n) if name in replaced else rng.permutation(rows)[:n] for name, rows in pools.items()]
        parts.append(np.stack([*picks, np.full(n, label)], axis=1))  # M + 1 of [n] -> [n, M + 1]
    rows = torch.from_numpy(rng.permutation(np.concatenate(parts)))  # -> [N, M + 1]
    return rows[:, :-1].contiguous(), rows[:, -1].contiguous()


def _draw(pool_labels: Tensor, labels: Tensor, seed: tuple[int, ...]) -> Int[Tensor, "N"]:
    """For each tuple, a row of a further pool with its label, with replacement."""
    rng = np.random.default_rng((3, *seed))
    of, wanted = pool_labels.cpu().numpy(), labels.cpu().numpy()
    rows = np.empty(len(wanted), np.int64)
    for label in np.unique(wanted):
        rows[wanted == label] = rng.choice(np.flatnonzero(of == label), (wanted == label).sum())
    return torch.from_numpy(rows)


def _mean(samples: Tensor) -> Tensor:
    """[n, *shape] -> [*shape], in the units that `gather` gives; sums in float64."""
    if samples.dtype == torch.uint8:
        return (samples.sum(0, dtype=torch.int64) / (255.0 * len(samples))).float()
    return samples.mean(0, dtype=torch.float64).float()
