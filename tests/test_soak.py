"""What `make soak` tries for long, tried for a moment here: no file breaks its reader, no kill loses a training."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import needs_runs
from safetensors.torch import save_file

from bench import mutations, soak
from bench.mutations import Reader

NAMES = (
    "speech .tar.gz", "HODA .cdb", "idx .gz", "a sound", "processed arrays", "spec.json", "card.json", "weights.safetensors",
    "state.safetensors", "history.csv",
)  # fmt: skip


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Reader]]:
    yield mutations.readers(tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_read_or_refused_in_one_line(readers: dict[str, Reader], name: str) -> None:
    assert tuple(readers) == NAMES
    reader, draw = readers[name], random.Random(1)
    whole = mutations.fault(reader, mutations.packed(reader))
    broken = [mutations.mutated(reader, draw) for _ in range(60)]
    assert len(set(broken)) > 50 and whole == ""
    assert [found for content in broken if (found := mutations.fault(reader, content))] == []


@pytest.mark.parametrize(
    ("error", "heard"),
    [
        (ValueError("one line"), ""),
        (ValueError("two\nlines"), "ValueError of 9"),
        (ValueError("x" * 999), "999"),
        (KeyError("epoch"), "KeyError"),
    ],
)
def test_what_is_no_refusal_in_one_line_is_heard(error: Exception, heard: str) -> None:
    def read(content: bytes) -> None:
        raise error

    said = mutations.fault(Reader(b"", read), b"")
    assert said.startswith(heard) if heard[:1].isalpha() else heard in said
    assert bool(said) == bool(heard)


def test_a_killed_training_ends_as_one_that_was_left_alone() -> None:
    assert soak.kills(1, seed=3) == (1, [])


def test_a_training_that_ends_elsewhere_is_lost(tmp_path: Path) -> None:
    about = {str(number): "x" for number in range(20)}
    for name, value, epochs in (("one", 0.5, "3"), ("two", 0.5, "3"), ("three", 0.5 + 2**-24, "3"), ("four", 0.5, "4")):
        save_file({"w": torch.tensor([value])}, tmp_path / name, {**about, "epochs": epochs})
    assert soak.same(tmp_path / "one", tmp_path / "two")
    assert not any(soak.same(tmp_path / "one", tmp_path / other) for other in ("three", "four", "none"))


@needs_runs
def test_moves_leave_no_memory_behind() -> None:
    assert soak.moves(100) == (100, [])


def test_two_tables_that_differ_in_a_clock_s_time_are_one(tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.csv" for name in ("one", "two", "three"))
    one.write_text("epoch,seconds\n1,2.5\n")
    two.write_text("epoch,seconds\n1,3.5\n")
    three.write_text("epoch,seconds\n2,2.5\n")
    assert soak.without_clock(one) == soak.without_clock(two) != soak.without_clock(three)
