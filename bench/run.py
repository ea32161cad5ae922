"""``make bench``: every clock, the table of targets, and the results in data/out/bench for notebook 08 to draw."""

import argparse
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from unittest.mock import patch

os.environ["KINETO_LOG_LEVEL"] = "99"  # or the profiler tells of itself

import pandas as pd
import torch
from torch.optim import Adam

from bench import browser, floor, plain
from bench.before import CHANGES, without
from bench.clocks import OUT, ROOT, machine, ratio, side_by_side
from mvae_lib import data, train
from mvae_lib.data import Triplets
from mvae_lib.engine import ONEDNN
from mvae_lib.model import MVAE
from mvae_lib.spec import AS_RUN

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def stepper(triplets: Triplets, taken_back: tuple[str, ...] = (), **options) -> Callable[[], None]:
    """One step of as_run after the other, data and noise included, with some changes taken back."""
    run = replace(AS_RUN, train=replace(AS_RUN.train, **options))
    torch.manual_seed(0)
    model = MVAE(run)
    optimizer = Adam(model.parameters(), run.train.learning_rate, amsgrad=run.train.amsgrad, fused=True)
    # a function of its own for each way, or the compiler would give one way what it made for another
    own = types.FunctionType(train.batch_loss.__code__.replace(), train.__dict__)
    with patch.object(train, "batch_loss", own):
        advance, beta = train.fast_step(model, optimizer), torch.tensor(0.1)

    def batches() -> Iterator:
        epoch = 0
        while True:
            epoch += 1
            yield from train._batches(model, triplets, epoch, run.train.batch_size, shuffled=True)

    feed = batches()

    def one() -> None:
        with without(*taken_back):
            share, batch = next(feed)
            advance(share, *batch, beta)

    return one


def step_times(triplets: Triplets) -> pd.DataFrame:
    """The ladder from the plain way to ours, and the floor: columns way, precision, round, ms."""
    feed = plain.steps(MVAE(AS_RUN), triplets, beta=0.1)

    def plainly() -> None:
        with without("float32 by oneDNN"):
            next(feed)

    ways: dict[str, Callable[[], object]] = {"plain, float32": plainly}
    for precision, dtype in PRECISIONS.items():
        options = {"precision": precision, "compile": False}
        ways[f"stacked, {precision}"] = stepper(triplets, tuple(CHANGES), **options)
        ways[f"leaner formulas, {precision}"] = stepper(triplets, ("mish", "float32 by oneDNN"), **options)
        if precision == "float32":  # bfloat16 is oneDNN's in any case
            ways[f"oneDNN, {precision}"] = stepper(triplets, ("mish",), **options)
        ways[f"compiled, {precision}"] = stepper(triplets, ("mish",), precision=precision)
        ways[f"ours, {precision}"] = stepper(triplets, precision=precision)
        jobs = floor.products(MVAE(AS_RUN), dtype)
        ways[f"floor, {precision}"] = partial(floor.by_mm, jobs)
        if precision == "float32" and ONEDNN:
            ways[f"floor by oneDNN, {precision}"] = partial(floor.by_onednn, jobs)
    times = side_by_side(ways, rounds=7, calls=5, warm_up=3)
    way = times["way"].str.split(", ", expand=True)
    return times.assign(way=way[0], precision=way[1])


def batch_times(triplets: Triplets) -> pd.DataFrame:
    """Samples a second against batch size, uncompiled (each size would be compiled anew)."""
    rows = []
    for precision in PRECISIONS:
        for size in (16, 32, 64, 128, 256, 512, 1024):
            one = stepper(triplets, batch_size=size, precision=precision, compile=False)
            times = side_by_side({"step": one}, rounds=1, calls=5, warm_up=1)
            rows.append(
                {
                    "precision": precision,
                    "batch_size": size,
                    "ms": times["ms"].item(),
                    "samples_per_second": 1e3 * size / times["ms"].item(),
                }
            )
    return pd.DataFrame(rows)


def scale_times() -> pd.DataFrame:
    """Step time and peak memory for 2 to 10 modalities; each curve in a process of its own."""
    rows = []
    for subsets in ("all", "sampled"):
        for rebuild in ("all", "given"):
            command = [sys.executable, "-m", "bench.scale", subsets, rebuild, *map(str, range(2, 11))]
            lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
            rows += map(json.loads, lines)
    return pd.DataFrame(rows)


def profile(triplets: Triplets) -> pd.DataFrame:
    """Where a step's time goes, by kind of work: the torch profiler's own time, five steps of each way."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    kinds = {
        "matrix products": ("aten::mm", "aten::addmm", "mvae::linear", "mkldnn::"),
        "fused element-wise work": ("graph_", "## Call"),
        "activations": ("aten::mish", "aten::mish_backward"),
        "optimiser": ("aten::_fused_adam_", "Optimizer.step"),
        "casts and copies": ("aten::copy_", "aten::_to_copy", "aten::cat", "aten::clone"),
        "noise": ("aten::normal_",),
    }
    rows = []
    for name, options in {"leaner": {"compile": False}, "ours": {}}.items():
        for precision in PRECISIONS:
            one = stepper(triplets, precision=precision, **options)
            for _ in range(3):
                one()
            with watch(activities=[ProfilerActivity.CPU]) as watched:
                for _ in range(5):
                    one()
            left = {"way": name, "precision": precision}
            spent = dict.fromkeys([*kinds, "the rest"], 0.0)
            for event in watched.key_averages():
                kind = next((k for k, starts in kinds.items() if event.key.startswith(starts)), "the rest")
                spent[kind] += event.self_cpu_time_total / 5e3
            rows += [{**left, "work": kind, "ms": ms} for kind, ms in spent.items()]
    return pd.DataFrame(rows)


def fresh(code: str) -> float:
    """What a fresh interpreter says that some code took, in seconds."""
    timed = f"import time; start = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", timed], cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def start_times() -> pd.DataFrame:
    """Imports, and the first reconstruction, in fresh interpreters."""
    first = (
        "import torch, mvae_lib\nstart = time.perf_counter()\nmvae_lib.load('as_run').reconstruct({'speech': torch.rand(1, 13)})"
    )
    ways = {"import torch": "import torch", "import mvae_lib": "import mvae_lib", "load, then reconstruct": first}
    rows = [{"way": way, "round": k, "ms": 1e3 * fresh(code)} for k in range(5) for way, code in ways.items()]
    return pd.DataFrame(rows)


def targets(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The table: what was asked, what was measured (median of the rounds, lowest to highest), and by which command."""
    steps = found["steps"].assign(way=found["steps"]["way"] + ", " + found["steps"]["precision"])
    bench = "make bench"
    rows = [
        ("(a) plain way ÷ ours, float32", "≥", 2.4, ratio(steps, "plain, float32", "ours, float32"), bench),
        ("(a) plain way ÷ ours, bfloat16", "≥", 4.0, ratio(steps, "plain, float32", "ours, bfloat16"), bench),
    ]
    peers = found.get("peers")
    for precision, least in (("float32", 3.0), ("bfloat16", 5.0)):
        values = None if peers is None else ratio(peers, "MultiVae, float32", f"ours, {precision}")
        rows.append((f"(b) MultiVae ÷ ours, {precision}, equal work", "≥", least, values, "make bench PEERS=1"))
    for precision, below, most in (("float32", "floor", 1.2), ("float32", "floor by oneDNN", 1.2), ("bfloat16", "floor", 1.45)):
        if f"{below}, {precision}" in set(steps["way"]):
            by = " by oneDNN" if "oneDNN" in below else ""
            values = ratio(steps, f"ours, {precision}", f"{below}, {precision}")
            rows.append((f"(c) ours ÷ the matrix products alone{by}, {precision}", "≤", most, values, bench))
    rows.append(("(f) import mvae_lib ÷ import torch", "≤", 1.2, ratio(found["start"], "import mvae_lib", "import torch"), bench))
    gpu = "python -m mvae_lib.train as_written --train.precision bfloat16  # with a GPU"
    rows.append(("one H100: as_written, 500 epochs, 60,000 triplets, minutes", "≤", 2.0, None, gpu))
    study = ROOT / "data" / "out" / "study.json"  # of a whole run
    memory = pd.Series([max(json.loads(study.read_text())["peak MiB"].values()) / 953.67]) if study.exists() else None
    rows.append(("peak memory of make study, GB", "≤", 3.0, memory, "make study"))
    table = pd.DataFrame(rows, columns=["what", "sign", "target", "values", "command"])
    table["measured"] = [None if v is None else v.median() for v in table["values"]]
    table["lowest"] = [None if v is None else v.min() for v in table["values"]]
    table["highest"] = [None if v is None else v.max() for v in table["values"]]
    met = [
        (m <= t if sign == "≤" else m >= t) for m, t, sign in zip(table["measured"], table["target"], table["sign"], strict=True)
    ]
    table["met"] = ["not measured" if pd.isna(m) else "yes" if ok else "no" for m, ok in zip(table["measured"], met, strict=True)]
    return table.drop(columns="values")


def show(table: pd.DataFrame) -> str:
    lines = [f"{'':70} {'target':>7}  {'measured':>8}  {'(rounds)':15} met"]
    for row in table.itertuples():
        if pd.isna(row.measured):
            lines.append(f"{row.what:70} {row.sign} {row.target:<5}  not measured: {row.command}")
        else:
            spread = f"({row.lowest:.2f} to {row.highest:.2f})"
            lines.append(f"{row.what:70} {row.sign} {row.target:<5}  {row.measured:8.2f}  {spread:15} {row.met}")
    return "\n".join(lines)


@contextmanager
def told(what: str) -> Iterator[None]:
    start = time.perf_counter()
    print(f"bench: {what}", end=" ", flush=True)
    yield
    print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def latencies(here: dict[str, str | int]) -> None:
    """The explorer's alone: the other clocks would not share the cores with a browser, nor does a browser need them."""
    with told("the explorer in JupyterLab and chromium"):
        found = browser.times()
        found.to_csv(OUT / "browser.csv", index=False)
        (OUT / "machine.json").write_text(json.dumps(here, indent=2) + "\n")
    with told("its page: opening, and ten thousand moves"):
        page = browser.page_table()
        page.to_csv(OUT / "page.csv", index=False)
    print(f"\n{browser.show(found)}\n\n{browser.show_page(page)}\n\nResults: {OUT.relative_to(ROOT)}/browser.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="MultiVae too (a virtual environment of its own, bench/.venv)")
    parser.add_argument("--browser", action="store_true", help="the explorer's latency in chromium, and nothing else")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    here = machine()
    if args.browser:
        return latencies(here)
    triplets = data.load("train", AS_RUN.data)
    print("bench:", ", ".join(f"{key} {value}" for key, value in here.items()), f"; {triplets.source}", flush=True)
    clocks: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
        "steps": ("a step of as_run, from the plain way to ours, and its matrix products", lambda: step_times(triplets)),
        "profile": ("where the time goes", lambda: profile(triplets)),
        "batch": ("batch sizes", lambda: batch_times(triplets)),
        "scale": ("two to ten modalities", scale_times),
        "start": ("imports, and the first reconstruction", start_times),
    }
    found = {}
    for name, (what, clock) in clocks.items():
        with told(what):
            found[name] = clock()
            found[name].to_csv(OUT / f"{name}.csv", index=False)
    if args.peers:
        with told("MultiVae's own trainer"):
            peer = ROOT / "bench" / ".venv" / "bin" / "python"
            subprocess.run([peer, "-m", "bench.peers"], cwd=ROOT, check=True, capture_output=True)
    peers = OUT / "peers.csv"
    if peers.exists():
        found["peers"] = pd.read_csv(peers)
    table = targets(found)
    table.to_csv(OUT / "targets.csv", index=False)
    (OUT / "machine.json").write_text(json.dumps(here, indent=2) + "\n")
    print(f"\n{show(table)}\n\nResults: {OUT.relative_to(ROOT)}/; drawn in notebooks/08_speed_and_scale.ipynb")


if __name__ == "__main__":
    main()
