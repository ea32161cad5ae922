"""``make bench BUSY=1``: a training step, an evaluation and a slider's move beside other work, and two trainings side by side.

OpenMP is told once a process how its threads wait, so each way to wait has a worker of its own. All live through all rounds and
are asked in turn; those that are not asked sleep. "Busy" is a process that does nothing, for ever, as fast as it can.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median

import pandas as pd
import psutil
import torch

from bench import browser, pages
from bench.clocks import ROOT, seconds
from bench.steps import stepper
from mvae_lib import train
from mvae_lib.pairs import Pairs
from mvae_lib.presets import AS_RUN

COMMAND = "make bench BUSY=1"
OURS, SPINNING, ALONE = "ours", "OpenMP's own waiting", "ours, one thread"
WAYS = {  # how a worker begins, and what it finds in its environment
    OURS: ("", {}),
    SPINNING: ("import torch; ", {}),  # loaded before mvae_lib could say anything
    ALONE: ("", {"OMP_NUM_THREADS": "1"}),
}
MEMORY = 2**30  # bytes, about, that a worker takes


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(batch_size: int) -> None:
    """A worker: for each line on stdin, "step 5" or "evaluation 2", so many of them; their median in ms on stdout."""
    labels = torch.arange(1024) % 10
    pools = {m.name: torch.rand(len(labels), m.features) for m in AS_RUN.model.modalities}  # what they hold costs nothing
    pairs = Pairs(pools, torch.arange(len(labels))[:, None].expand(-1, len(pools)), labels)
    model, few = train.untrained(AS_RUN)[0], pairs.take(slice(2 * batch_size))
    jobs = {
        "step": stepper(pairs, batch_size=batch_size, precision="float32", compile=False),
        "evaluation": partial(train.measure_epoch, model, few, 1),
    }
    for job in jobs.values():
        job()
    print("ready", flush=True)
    for line in sys.stdin:
        what, calls = line.split()
        print(1e3 * median(seconds(jobs[what]) for _ in range(int(calls))), flush=True)


class Worker:
    """A process that steps when it is asked to."""

    def __init__(self, way: str, batch_size: int) -> None:
        first, variables = WAYS[way]
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
        code = f"{first}from bench import busy; busy.work({batch_size})"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=bare | variables, stdin=pipe, stdout=pipe, text=True
        )
        if self._said() != "ready":
            raise RuntimeError(f"The worker {way!r} ended before it was ready (status {self.process.wait()}).")

    def _said(self) -> str:
        return self.process.stdout.readline().strip()  # type: ignore[union-attr]

    def ask(self, what: str, calls: int) -> None:
        print(what, calls, file=self.process.stdin, flush=True)

    def answer(self) -> float:
        return float(self._said())

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def workers(names: list[str], batch_size: int) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        started = []
        for name in names:
            started.append(Worker(name, batch_size))
            stack.callback(started[-1].end)
        yield started


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many busy processes."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def times(rounds: int = 7, calls: int = 5, batch_size: int = 128, moves: int = 200) -> pd.DataFrame:
    """Columns way, what ("step", "evaluation", "move"), beside ("0", "1", "2" busy processes a core, "a training"), round, ms.

    A move is timed where there is a chromium; ways other than ours, where there is memory for them. What is left out is said.
    """
    rows, names = [], list(WAYS)
    if psutil.virtual_memory().available < (len(WAYS) + 1) * MEMORY:
        print(f"skipped, for want of {len(WAYS) + 1} GiB of free memory: all but ours;", end=" ")
        names = [OURS]
    with workers([*names, OURS], batch_size) as (*each, second):
        for number in range(rounds):
            for load in (0, 1, 2):
                with busy(load * cores()):
                    for way, worker in zip(names, each, strict=True):
                        for what in ("step", "evaluation"):
                            worker.ask(what, calls)
                            rows.append((way, what, str(load), number, worker.answer()))
            for worker in (each[0], second):
                worker.ask("step", 2 * calls)
            rows.append((OURS, "step", "a training", number, max(worker.answer() for worker in (each[0], second))))
        if moves and pages.CHROMIUM is None:
            print("skipped, as there is no chromium: a slider's move beside a training;", end=" ")
        elif moves:
            with browser.explorer_page() as page:
                for beside in ("0", "a training"):
                    if beside == "a training":
                        second.ask("step", 10**6)  # until it is ended
                    found = browser.call(page, f"moves({moves})")
                    rows += [(OURS, "move", beside, number, ms) for number, ms in enumerate(found)]
    return pd.DataFrame(rows, columns=["way", "what", "beside", "round", "ms"])


def rows(frame: pd.DataFrame | None) -> list[tuple[str, str, float, pd.Series | None, str]]:
    """Of the table of targets: what, sign, target, values (None: not measured), command."""

    def of(what: str, beside: str, way: str = OURS) -> pd.Series | None:
        chosen = None if frame is None else frame[(frame["what"] == what) & (frame["beside"] == beside) & (frame["way"] == way)]
        return None if chosen is None or chosen.empty else chosen.set_index("round")["ms"]

    def over(one: pd.Series | None, other: pd.Series | None) -> pd.Series | None:
        return None if one is None or other is None else one / other

    idle, moved = of("step", "0"), of("move", "a training")
    p95 = None if moved is None else pd.Series([moved.quantile(0.95)])
    asked = [
        ("a step alone ÷ with OpenMP's own waiting", 1.03, over(idle, of("step", "0", SPINNING))),
        ("a step beside a busy process a core ÷ alone", 1.8, over(of("step", "1"), idle)),
        ("a step beside two busy processes a core ÷ alone", 3.2, over(of("step", "2"), idle)),
        ("a step of two trainings side by side ÷ alone", 1.6, over(of("step", "a training"), idle)),
        ("a slider's move beside a training, p95, ms", 120.0, p95),
    ]
    return [(f"(g) {what}", "≤", target, values, COMMAND) for what, target, values in asked]


def show(frame: pd.DataFrame) -> str:
    """Medians in ms, a line for each way and kind of work."""
    table = frame.pivot_table(index=["what", "way"], columns="beside", values="ms", aggfunc="median")
    named = {"0": "alone", "1": f"beside {cores()} busy", "2": f"beside {2 * cores()} busy", "a training": "beside a training"}
    return table.rename(columns=named).round(1).to_string(na_rep="")
