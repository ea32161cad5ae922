"""A step of `as_run`, timed: the ladder from the plain way to ours, by batch size, and by kind of work."""

import os
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

os.environ["KINETO_LOG_LEVEL"] = "99"  # or the profiler tells of itself

import pandas as pd
import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as watch

from bench import floor, plain
from bench.before import CHANGES, without
from bench.clocks import side_by_side
from mvae_lib import train
from mvae_lib.engine import ONEDNN
from mvae_lib.model import build
from mvae_lib.pairs import Pairs
from mvae_lib.presets import AS_RUN

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "mvae::linear", "mkldnn::"),
    "fused element-wise work": ("graph_", "## Call"),
    "activations": ("aten::mish", "aten::mish_backward"),
    "optimiser": ("aten::_fused_adam_", "Optimizer.step"),
    "casts and copies": ("aten::copy_", "aten::_to_copy", "aten::cat", "aten::clone"),
    "noise": ("aten::normal_",),
}
"""Kind of work -> how the names of its operations begin, as the profiler has them."""


def stepper(pairs: Pairs, taken_back: tuple[str, ...] = (), **options: Any) -> Callable[[], None]:
    """One step of as_run after the other, data and noise included, with some changes taken back."""
    run = replace(AS_RUN, train=replace(AS_RUN.train, **options))
    model, optimizer = train.untrained(run)
    # a function of its own for each way, or the compiler would give one way what it made for another
    copy = types.FunctionType(train.batch_loss.__code__.replace(), train.__dict__)
    with patch.object(train, "batch_loss", copy):
        step, beta = train.fast_step(model, optimizer), torch.tensor(0.1)

    def batches() -> Iterator[tuple[Any, ...]]:
        epoch = 0
        while True:
            epoch += 1
            yield from train._batches(model, pairs, epoch, run.train.batch_size, shuffled=True)

    feed = batches()

    def one() -> None:
        with without(*taken_back):
            step(*next(feed), beta)

    return one


def ladder(pairs: Pairs) -> pd.DataFrame:
    """From the plain way to ours, and the floor: columns way, precision, round, ms."""
    feed = plain.steps(build(AS_RUN), pairs, beta=0.1)

    def plainly() -> None:
        with without("float32 by oneDNN"):
            next(feed)

    ways: dict[str, Callable[[], object]] = {"plain, float32": plainly}
    for precision, dtype in PRECISIONS.items():
        options = {"precision": precision, "compile": False}
        ways[f"stacked, {precision}"] = stepper(pairs, tuple(CHANGES), **options)
        ways[f"leaner formulas, {precision}"] = stepper(pairs, ("mish", "float32 by oneDNN"), **options)
        if precision == "float32":  # bfloat16 is oneDNN's in any case
            ways[f"oneDNN, {precision}"] = stepper(pairs, ("mish",), **options)
        ways[f"compiled, {precision}"] = stepper(pairs, ("mish",), precision=precision)
        ways[f"ours, {precision}"] = stepper(pairs, precision=precision)
        jobs = floor.products(build(AS_RUN), dtype)
        ways[f"floor, {precision}"] = partial(floor.by_mm, jobs)
        if precision == "float32" and ONEDNN:
            ways[f"floor by oneDNN, {precision}"] = partial(floor.by_onednn, jobs)
    times = side_by_side(ways, rounds=7, calls=5, warm_up=3)
    way = times["way"].str.split(", ", expand=True)
    return times.assign(way=way[0], precision=way[1])


def batch_sizes(pairs: Pairs) -> pd.DataFrame:
    """Samples a second against batch size, uncompiled (each size would be compiled anew)."""
    rows = []
    for precision in PRECISIONS:
        for size in (16, 32, 64, 128, 256, 512, 1024):
            one = stepper(pairs, batch_size=size, precision=precision, compile=False)
            ms = side_by_side({"step": one}, rounds=1, calls=5, warm_up=1)["ms"].item()
            rows.append({"precision": precision, "batch_size": size, "ms": ms, "samples_per_second": 1e3 * size / ms})
    return pd.DataFrame(rows)


def profile(pairs: Pairs) -> pd.DataFrame:
    """Where a step's time goes, by kind of work: the torch profiler's own time, five steps of each way."""
    rows = []
    for way, options in {"leaner": {"compile": False}, "ours": {}}.items():
        for precision in PRECISIONS:
            one = stepper(pairs, precision=precision, **options)
            for _ in range(3):
                one()
            with watch(activities=[ProfilerActivity.CPU]) as watched:
                for _ in range(5):
                    one()
            spent = dict.fromkeys([*KINDS, "the rest"], 0.0)
            for event in watched.key_averages():
                kind = next((k for k, starts in KINDS.items() if event.key.startswith(starts)), "the rest")
                spent[kind] += event.self_cpu_time_total / 5e3
            rows += [{"way": way, "precision": precision, "work": kind, "ms": ms} for kind, ms in spent.items()]
    return pd.DataFrame(rows)
