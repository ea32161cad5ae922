"""What a tuple is, how tuples are drawn, what a batch holds: on pools made by hand, and on the three sets."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mvae_lib import data
from mvae_lib.pairs import SPLITS, Pairs, draw_tuples
from mvae_lib.spec import DataRecipe

Load = Callable[..., data.Triplets]


@pytest.fixture(scope="module")
def small() -> Iterator[data.Triplets]:
    """The stand-in's train split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "standin")
        yield data.load("train")


def two(split: str = "train", **more) -> Pairs:
    """Two modalities, three classes, 30 tuples: `a` 30 of [4]; `b` 12 of [2, 3], drawn with replacement."""
    rng = torch.Generator().manual_seed(0)
    pools = {"a": torch.randn(30, 4, generator=rng), "b": torch.randint(0, 256, (12, 2, 3), generator=rng, dtype=torch.uint8)}
    pool_labels = {"a": torch.arange(30) % 3, "b": torch.arange(12) % 3}
    rows, labels = draw_tuples(pool_labels, ("b",), (0, 0, 0))
    return Pairs(pools, rows, labels, pool_labels, replaced=("b",), split=split, **more)


def unlabelled(**more) -> Pairs:
    """Two modalities and no labels at all: what belongs together is all that is known."""
    pools = {"a": torch.arange(20.0).reshape(10, 2), "b": torch.arange(30.0).reshape(10, 3)}
    return Pairs(pools, torch.stack([torch.arange(10), torch.arange(10).flip(0)], dim=1), **more)


# --- what a tuple is


@pytest.mark.parametrize("part", ["train", "val", "test", "test_dig"])
def test_a_triplet_is_three_samples_of_one_digit(split_of: Load, world: str, part: str) -> None:
    triplets = split_of(world, part)
    for m, name in enumerate(("farsi", "kannada", "speech")):
        assert torch.equal(triplets.pool_labels[name][triplets.rows[:, m]], triplets.labels)
    for image in (0, 1):
        assert len(triplets.rows[:, image].unique()) == len(triplets), "images without replacement"
    assert len(triplets.rows[:, 2].unique()) < len(triplets), "speech with"
    assert (triplets.labels[:200].bincount(minlength=10) > 0).all(), "not in the order of the digits"
    assert triplets.names == ("farsi", "kannada", "speech") and triplets.classes == 10


def test_by_hand_there_may_be_two_modalities_three_classes_or_no_label() -> None:
    assert (len(two()), two().names, two().classes, two().source) == (30, ("a", "b"), 3, "own data")
    assert (len(unlabelled()), unlabelled().classes, unlabelled().class_means()) == (10, 0, {})
    x, y = unlabelled().gather([1, 8])
    assert torch.equal(x["a"], torch.tensor([[2.0, 3], [16, 17]])) and torch.equal(
        x["b"], torch.tensor([[24.0, 25, 26], [3, 4, 5]])
    )
    assert y.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": torch.zeros(30, 3, dtype=torch.int64)}, "3 columns, and there are 2 pools"),
        ({"rows": torch.full((30, 2), 12)}, "'b' go from 12 to 12; its pool has 0 to 11"),
        ({"rows": torch.full((30, 2), -1)}, "'a' go from -1"),
        ({"labels": torch.zeros(29, dtype=torch.int64)}, "29 labels for 30 tuples"),
        ({"labels": np.zeros(30)}, "labels is a ndarray; it takes a tensor"),
        ({"pools": {"a": torch.zeros(30, 4), "b": np.zeros((12, 2, 3))}}, "b is a ndarray; it takes a tensor"),
        ({"present": {"c": torch.ones(30).bool()}}, "present has"),
        ({"present": {"b": torch.ones(30).bool()}}, "present has .*'b': 30.* the pools have .*'b': 12"),
        ({"pool_labels": {"a": torch.zeros(29), "b": torch.zeros(12)}}, "pool_labels has .*'a': 29"),
        ({"pool_labels": {"a": torch.arange(30) % 3}}, "pool_labels is of a; it takes all of a, b"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict, words: str) -> None:
    pairs = two()
    for name, value in change.items():
        object.__setattr__(pairs, name, value)  # by its own check, for the tests' type checker would be first
    with pytest.raises(ValueError, match=words) as caught:
        pairs.__post_init__()
    assert "\n" not in str(caught.value)


# --- drawn anew


def plainly(labels: dict[str, np.ndarray], replaced: tuple[str, ...], seed: tuple[int, ...]) -> np.ndarray:
    """The oracle: how tuples were drawn when the shipped runs were trained; their labels in the last column."""
    rng = np.random.default_rng((2, *seed))
    parts = []
    for label in range(max(of.max() for of in labels.values()) + 1):
        pools = {name: np.flatnonzero(of == label) for name, of in labels.items()}
        n = min(len(rows) for name, rows in pools.items() if name not in replaced)
        picks = [rng.choice(rows, n) if name in replaced else rng.permutation(rows)[:n] for name, rows in pools.items()]
        parts.append(np.stack([*picks, np.full(n, label)], axis=1))
    return rng.permutation(np.concatenate(parts))


@pytest.mark.parametrize("epoch", [0, 1, 7])
@pytest.mark.parametrize("seed", [0, 5])
def test_tuples_are_drawn_as_they_always_were(seed: int, epoch: int) -> None:
    drawn = two(seed=seed).repaired(epoch)
    expected = plainly({name: of.numpy() for name, of in drawn.pool_labels.items()}, ("b",), (seed, 0, epoch))
    assert drawn.rows.tolist() == expected[:, :2].tolist() and drawn.labels.tolist() == expected[:, 2].tolist()


@pytest.mark.parametrize("part", SPLITS)
def test_the_three_sets_are_paired_as_they_always_were(split_of: Load, world: str, part: str) -> None:
    triplets = split_of(world, part)
    labels = {name: of.numpy() for name, of in triplets.pool_labels.items()}
    for epoch in (0, 3) if part == "train" else (0,):
        expected = plainly(labels, ("speech",), (0, SPLITS.index(part), epoch))
        drawn = triplets.repaired(epoch)
        assert np.array_equal(drawn.rows, expected[:, :3]) and np.array_equal(drawn.labels, expected[:, 3])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=3), st.integers(0, 9))
def test_every_row_is_used_once_and_labels_agree(labels: list[list[int]], seed: int) -> None:
    pool_labels = {f"m{i}": torch.tensor(of) for i, of in enumerate(labels)}
    rows, drawn = draw_tuples(pool_labels, (), (seed,))
    for label in range(4):
        assert (drawn == label).sum() == min(of.count(label) for of in labels), "as many as the smallest pool has"
    for column, of in zip(rows.T, pool_labels.values(), strict=True):
        assert torch.equal(of[column], drawn) and len(column.unique()) == len(column)


def test_train_is_paired_anew_each_epoch(split_of: Load, world: str) -> None:
    train = split_of(world, "train")
    third = train.repaired(3)
    assert torch.equal(third.rows, train.repaired(3).rows) and torch.equal(train.repaired(0).rows, train.rows)
    assert not torch.equal(third.rows, train.repaired(4).rows)
    partner = [dict(t.rows[:, :2].tolist()) for t in (train, third)]
    same = np.mean([partner[0][row] == partner[1][row] for row in partner[0]])
    assert same < 0.02, "another partner for nearly every image"
    assert third.pools is train.pools
    for part in ("val", "test", "test_dig"):
        assert split_of(world, part).repaired(3) is split_of(world, part)


def test_pairing_depends_on_the_seed(small: data.Triplets, split_of: Load) -> None:
    assert not torch.equal(small.rows, split_of("standin", "train", DataRecipe(seed=1)).rows)


def test_tuples_without_labels_stay_together() -> None:
    assert unlabelled().repaired(3) is not None and torch.equal(unlabelled().repaired(3).rows, unlabelled().rows)
    labelled = unlabelled(labels=torch.arange(10) % 2)
    assert torch.equal(labelled.repaired(3).rows, labelled.rows), "the pools have no labels: what else could be put together?"


def test_a_further_modality_has_the_same_digit(split_of: Load) -> None:
    for part in ("train", "test"):
        three, sound = split_of("standin", part), split_of("standin", part, DataRecipe(speech="frames"))
        four = three.with_modality("sound", sound.pools["speech"], sound.pool_labels["speech"])
        assert torch.equal(four.rows[:, :3], three.rows)
        for drawn in (four, four.repaired(2)):
            x, y = drawn.gather([0, 7])
            assert x["sound"].shape == (2, 13, 64) and torch.equal(y, drawn.labels[[0, 7]])
            assert torch.equal(sound.pool_labels["speech"][drawn.rows[:, 3]], drawn.labels)
        assert torch.equal(four.repaired(2).rows[:, :3], three.repaired(2).rows)
        assert torch.equal(four.repaired(2).rows[:, 3], four.rows[:, 3]) == (part == "test")
        assert list(four.class_means()) == ["farsi", "kannada", "speech", "sound"]


def test_modalities_can_be_added_to_ones_own() -> None:
    labels = torch.arange(9) % 3
    for pairs in (two(), two(split="a split of one's own")):
        four = pairs.with_modality("c", torch.randn(9, 2), labels).with_modality("d", torch.randn(9), labels)
        assert four.names == ("a", "b", "c", "d") and torch.equal(four.rows[:, :2], pairs.rows)
        assert torch.equal(labels[four.rows[:, 2]], pairs.labels) and torch.equal(labels[four.rows[:, 3]], pairs.labels)
        assert not torch.equal(four.rows[:, 2], four.rows[:, 3]), "each is drawn by itself"


# --- what is missing


def test_what_is_missing_stays_so_from_epoch_to_epoch() -> None:
    holes = {"a": torch.arange(30) % 5 != 0}
    pairs = two(present=holes)
    for epoch in range(3):
        drawn = pairs.repaired(epoch)
        seen = drawn.seen(slice(None))
        assert seen.shape == (2, 30) and torch.equal(seen[0], holes["a"][drawn.rows[:, 0]]) and seen[1].all()
    index = torch.tensor([4, 0])
    assert torch.equal(pairs.seen(index), pairs.seen(slice(None))[:, index])
    assert two().seen(slice(None)).all(), "nothing is missing"


def test_means_leave_out_what_is_missing() -> None:
    pairs = two()
    there = torch.arange(30) % 5 != 0
    pairs.pools["a"][~there] = torch.nan
    holed = replace(pairs, present={"a": there})
    labels, pool = pairs.pool_labels["a"], pairs.pools["a"]
    torch.testing.assert_close(holed.global_means()["a"], pool[there].mean(0))
    for label in range(3):
        torch.testing.assert_close(holed.class_means()["a"][label], pool[there & (labels == label)].mean(0))


# --- batches


def by_hand(triplets: data.Triplets, i: int) -> dict[str, Tensor]:
    rows = triplets.rows[i].tolist()
    farsi, kannada, spoken = (triplets.pools[name][row] for name, row in zip(triplets.pools, rows, strict=True))
    return {"farsi": farsi / 255, "kannada": kannada / 255, "speech": spoken}


def test_gather_takes_those_rows(small: data.Triplets) -> None:
    for index in ([5, 0, 5], torch.tensor([5, 0, 5])):
        x, y = small.gather(index)
        assert list(x) == ["farsi", "kannada", "speech"] and x["farsi"].dtype == torch.float32
        for place, i in enumerate((5, 0, 5)):
            assert y[place] == small.labels[i]
            for name, expected in by_hand(small, i).items():
                torch.testing.assert_close(x[name][place], expected)
    x, _ = small.gather(slice(2, 4))
    before = small.pools["speech"].clone()
    x["speech"].zero_()
    assert torch.equal(small.pools["speech"], before), "a batch is its own"


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 700), st.one_of(st.none(), st.integers(0, 2**40)))
def test_batches_hold_each_triplet_once(small: data.Triplets, size: int, seed: int | None) -> None:
    batches = list(small.batches(size, seed))
    assert [len(y) for _, y in batches[:-1]] == [size] * (len(batches) - 1) and 0 < len(batches[-1][1]) <= size
    labels = torch.cat([y for _, y in batches])
    means = torch.cat([x["farsi"].mean(1) for x, _ in batches])
    whole = small.gather(slice(None))[0]["farsi"].mean(1)
    if seed is None:
        assert torch.equal(labels, small.labels) and torch.equal(means, whole)
    else:
        assert not torch.equal(labels, small.labels) and torch.equal(means.sort().values, whole.sort().values)
        assert torch.equal(labels, torch.cat([y for _, y in small.batches(size, seed)]))


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.integers(0, 9), st.integers(0, 9))
def test_order_and_tuples_are_functions_of_seed_and_epoch_alone(one: int, other: int, seed: int, epoch: int, before: int) -> None:
    pairs = two(seed=seed)
    again = two(seed=seed).repaired(before).repaired(epoch)  # resumed elsewhere
    assert torch.equal(pairs.repaired(epoch).rows, again.rows) and torch.equal(pairs.repaired(epoch).labels, again.labels)
    assert torch.equal(torch.cat(pairs.order(one, seed)), torch.cat(again.order(other, seed))), "whatever the batch size"


def test_take_keeps_some_tuples_and_all_pools() -> None:
    pairs = two(present={"b": torch.arange(12) != 3})
    for index in (slice(3, 9), torch.tensor([8, 1]), [8, 1]):
        few = pairs.take(index)
        assert (
            few.pools is pairs.pools and torch.equal(few.rows, pairs.rows[index]) and torch.equal(few.labels, pairs.labels[index])
        )
        assert torch.equal(few.seen(slice(None)), pairs.seen(index))
    assert unlabelled().take([1]).labels is None


def test_to_moves_every_tensor(small: data.Triplets) -> None:
    for pairs in (small, two(present={"a": torch.ones(30).bool()})):
        moved = pairs.to("meta")
        by_name = [moved.pools, moved.pool_labels, moved.present, getattr(moved, "scaler", {})]
        tensors = [moved.rows, moved.labels, *(tensor for each in by_name for tensor in each.values())]
        assert {tensor.device.type for tensor in tensors} == {"meta"} and len(moved) == len(pairs)
        assert type(moved) is type(pairs)
    assert unlabelled().to("meta").labels is None


# --- means


def test_means_are_those_of_the_pools(split_of: Load, world: str) -> None:
    triplets = split_of(world, "val")
    class_means, global_means = triplets.class_means(), triplets.global_means()
    for name, pool in triplets.pools.items():
        values = pool.numpy().astype(np.float64) / (255 if name != "speech" else 1)
        np.testing.assert_allclose(global_means[name], values.mean(0), atol=1e-6)
        for digit in range(10):
            mine = values[triplets.pool_labels[name].numpy() == digit]
            np.testing.assert_allclose(class_means[name][digit], mine.mean(0), atol=1e-6)
        assert class_means[name].shape == (10, *pool.shape[1:])


def test_without_labels_of_the_pools_means_are_those_of_the_tuples() -> None:
    pairs = unlabelled(labels=torch.arange(10) % 2)
    for name, means in pairs.class_means().items():
        for label in (0, 1):
            of = pairs.gather(torch.arange(label, 10, 2))[0][name]
            torch.testing.assert_close(means[label], of.mean(0))
