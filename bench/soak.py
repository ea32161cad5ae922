"""``make soak``: what the study promises, tried hard for twenty minutes; a table of what was tried, how often, and what was lost.

A mutated file is lost if its reader does anything but read it or refuse it in one line; a killed training, if it does not end as
an undisturbed one, bit for bit.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import ipywidgets as widgets
import pandas as pd
import psutil
import torch
from safetensors import safe_open

from bench import mutations
from bench.clocks import ROOT
from mvae_lib import load, train
from mvae_lib.storage import PRETRAINED, PROCESSED
from study.app.explorer import Explorer

GROWTH = 8.0
"""MiB that ten thousand moves may leave behind, as in `make bench BROWSER=1`."""
Found = tuple[int, list[str]]
"""How often it was tried, and what was lost, a line each."""


def broken_files(count: int, seed: int = 0) -> Found:
    """Mutated files, as many for each reader; the same ones for the same seed."""
    lost, draw = [], random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        readers = mutations.readers(Path(folder))
        for name, reader in readers.items():
            if fault := mutations.fault(reader, mutations.packed(reader)):
                lost.append(f"{name}, whole: {fault}")
        for number in range(count):
            name, reader = list(readers.items())[number % len(readers)]
            if fault := mutations.fault(reader, mutations.mutated(reader, draw)):
                lost.append(f"{name}, number {number} of seed {seed}: {fault}")
    return count, lost


def train_in(folder: Path) -> None:
    """A small training that is kept after every epoch; it says when it begins."""
    run = replace(mutations.SPEC, train=replace(mutations.SPEC.train, epochs=40))
    with patch.object(train, "SAVE_EVERY", 0.0):
        print("begins", flush=True)
        train.fit(run, mutations.pairs(600), mutations.pairs(60), folder, bar=False)


def kills(count: int, seed: int = 0) -> Found:
    """So many trainings, each killed at a random moment (SIGKILL) and gone on with, beside one that was left alone."""

    def begin(folder: Path) -> subprocess.Popen[str]:
        code = f"from pathlib import Path; from bench import soak; soak.train_in(Path({str(folder)!r}))"
        begun = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if begun.stdout is None or begun.stdout.readline() != "begins\n":
            raise RuntimeError("The training did not begin.")
        return begun

    lost, draw = [], random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        alone, start = Path(folder, "alone"), 0.0
        with begin(alone):
            start = time.monotonic()
        takes = time.monotonic() - start
        for number in range(count):
            killed = Path(folder, f"killed-{number}")
            with begin(killed) as training:
                time.sleep(draw.uniform(0, takes))
                training.send_signal(signal.SIGKILL)
            with begin(killed) as again:
                pass
            differ = [name for name in ("weights.safetensors", "state.safetensors") if not same(alone / name, killed / name)]
            histories = (
                [pd.read_csv(each / "history.csv").drop(columns="seconds") for each in (alone, killed)] if not differ else []
            )
            if again.returncode or differ or not histories[0].equals(histories[1]):
                lost.append(f"kill {number}: status {again.returncode}, {', '.join(differ) or 'history.csv'} differs")
            shutil.rmtree(killed)
    return count, lost


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same tensors and metadata, bit for bit. Their bytes differ: metadata are in any order."""
    if not other.exists():
        return False
    with safe_open(one, "pt") as left, safe_open(other, "pt") as right:
        if left.metadata() != right.metadata() or sorted(left.keys()) != sorted(right.keys()):
            return False
        return all(torch.equal(left.get_tensor(name), right.get_tensor(name)) for name in left.keys())  # noqa: SIM118


def moves(count: int) -> Found:
    """Moves of an explorer's slider, without growth of memory after the first tenth."""
    explorer, process = Explorer(load("as_run"), None), psutil.Process()

    def move(number: int) -> None:
        explorer.controls.sliders[0].set_state({"value": (37 * (number + 1) % 80) / 10 - 4})

    with patch.object(widgets.Widget, "_send"):  # there is no page
        for number in range(count // 10):
            move(number)
        before = process.memory_info().rss
        for number in range(count // 10, count):
            move(number)
    grown = (process.memory_info().rss - before) / 2**20
    return count, [f"{grown:.1f} MiB more after {count:,} moves than after {count // 10:,}"] if grown > GROWTH else []


def studies(count: int) -> Found:
    """The smoke profile's notebooks, on the stand-in, from a clean slate each time: tables and figures, byte for byte."""
    outs: list[dict[str, bytes]] = []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as home:
            for kept in (PRETRAINED, PROCESSED):
                kept.mkdir(parents=True, exist_ok=True)
                Path(home, kept.name).symlink_to(kept)
            env = os.environ | {"MVAE_HOME": home, "MVAE_DATA": "standin"}
            command = [sys.executable, "notebooks/run.py", "--profile", "smoke"]
            began = time.time()
            done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
            if done.returncode:
                return count, [done.stderr.strip()[-400:]]
            new = [path for path in sorted((ROOT / "data" / "out" / "figures").iterdir()) if path.stat().st_mtime >= began]
            outs.append({path.name: without_clock(path) for path in new})
    lost = [name for one in outs[1:] for name in {**outs[0], **one} if outs[0].get(name) != one.get(name)]
    return count, [f"{name} differs" for name in sorted(set(lost))]


def without_clock(path: Path) -> bytes:
    """A file's bytes; of a table, without its column of seconds."""
    if path.suffix != ".csv":
        return path.read_bytes()
    return pd.read_csv(path, dtype=str).drop(columns="seconds", errors="ignore").to_csv(index=False).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in {"mutations": 100_000, "kills": 25, "moves": 10_000, "studies": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"how many; 0: none; {count:,} unless told")
    args = parser.parse_args()
    tries: dict[str, tuple[int, Callable[[int], Found]]] = {
        "mutated files, over all readers": (args.mutations, broken_files),
        "trainings killed and gone on with": (args.kills, kills),
        "moves of the explorer": (args.moves, moves),
        "studies in a row, byte for byte": (args.studies, studies),
    }
    rows, lines = [], []
    for what, (count, attempt) in tries.items():
        if not count:
            print(f"soak: skipped: {what}")
            continue
        print(f"soak: {what}", end=" ", flush=True)
        began = time.monotonic()
        tried, lost = attempt(count)
        rows.append((what, f"{tried:,}", len(lost), f"{time.monotonic() - began:.0f}"))
        lines += lost
        print(f"({rows[-1][3]} s)", flush=True)
    print("", pd.DataFrame(rows, columns=["tried", "how often", "lost", "seconds"]).to_string(index=False), *lines[:50], sep="\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
