"""Timing side by side: every way in turn, round after round, so that what else the machine does falls on all of them."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from mvae_lib.storage import HOME

ROOT = Path(__file__).resolve().parents[1]
OUT = HOME / "out" / "bench"


def side_by_side(ways: dict[str, Callable[[], None]], rounds: int, calls: int, warm_up: int = 2) -> pd.DataFrame:
    """Median time of each way in each round: columns way, round, ms. Each is warmed up before the first."""
    for way in ways.values():
        for _ in range(warm_up):
            way()
    rows = []
    for number in range(rounds):
        for name, way in ways.items():
            rows.append({"way": name, "round": number, "ms": 1e3 * statistics.median(seconds(way) for _ in range(calls))})
    return pd.DataFrame(rows)


def seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(times: pd.DataFrame, slow: str, fast: str) -> pd.Series:
    """Slow over fast, round by round."""
    by_round = times.pivot_table(index="round", columns="way", values="ms")
    return by_round[slow] / by_round[fast]


def peak_mib() -> float:
    """The largest memory that this process has held so far; NaN where /proc does not tell (what `resource` says is inherited)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


def machine() -> dict[str, str | int]:
    """What the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = {"avx512f", "avx512_bf16", "amx_bf16", "avx2"} & set(told.get("flags", "").split())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": told.get("model name", platform.processor() or platform.machine()),
        "flags": " ".join(sorted(flags)),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": commit,
    }
