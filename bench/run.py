"""``make bench``: every clock, the table of targets, and the results in data/out/bench for notebook 08 to draw."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
import psutil

from bench import browser, busy, static, steps, targets
from bench.clocks import OUT, ROOT, machine
from mvae_lib import data
from mvae_lib.presets import AS_RUN


def scale_times() -> pd.DataFrame:
    """Step time and peak memory for 2 to 10 modalities; each curve in a process of its own."""
    rows = []
    for subsets in ("all", "sampled"):
        for rebuild in ("all", "given"):
            command = [sys.executable, "-m", "bench.scale", subsets, rebuild, *map(str, range(2, 11))]
            lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
            rows += map(json.loads, lines)
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


@contextmanager
def told(what: str) -> Iterator[None]:
    start = time.perf_counter()
    print(f"bench: {what}", end=" ", flush=True)
    yield
    print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def latencies(here: dict[str, str | int]) -> None:
    """The explorer's alone: the other clocks would not share the cores with a browser, nor does a browser need them."""
    with told("the explorer in JupyterLab and chromium"):
        events = browser.times()
        events.to_csv(OUT / "browser.csv", index=False)
        (OUT / "machine.json").write_text(json.dumps(here, indent=2) + "\n")
    with told("its page: opening, and ten thousand moves"):
        page = browser.page_table()
        page.to_csv(OUT / "page.csv", index=False)
    with told("the static page"), static.browser() as chromium:
        file = static.table(chromium)
        file.to_csv(OUT / "static.csv", index=False)
    print(f"\n{browser.show(events)}\n\n{browser.show_page(page)}\n\n{static.show(file)}\n\nResults: {OUT}/browser.csv")


def beside_others(here: dict[str, str | int]) -> None:
    """What other work on the cores costs: alone, as the other clocks want them idle."""
    print("bench:", ", ".join(f"{key} {value}" for key, value in here.items()), f"; {busy.cores()} cores", flush=True)
    if (used := psutil.cpu_percent(2)) > 10:
        print(f"bench: something else uses {used:.0f} % of the cores: these are not an idle machine's numbers", flush=True)
    with told("steps, evaluations and a slider's moves beside other work"):
        found = busy.times()
        found.to_csv(OUT / "busy.csv", index=False)
        (OUT / "machine.json").write_text(json.dumps(here, indent=2) + "\n")
    print(f"\nmedians, ms\n{busy.show(found)}\n\n{targets.show(targets.verdicts(busy.rows(found)))}\n\nResults: {OUT}/busy.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="MultiVae too (a virtual environment of its own, bench/.venv)")
    parser.add_argument("--browser", action="store_true", help="the explorer's latency in chromium, and nothing else")
    parser.add_argument("--busy", action="store_true", help="what other work on the cores costs, and nothing else")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    here = machine()
    if args.browser:
        return latencies(here)
    if args.busy:
        return beside_others(here)
    triplets = data.load("train", AS_RUN.data)
    print("bench:", ", ".join(f"{key} {value}" for key, value in here.items()), f"; {triplets.source}", flush=True)
    clocks: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
        "steps": ("a step of as_run, from the plain way to ours, and its matrix products", lambda: steps.ladder(triplets)),
        "profile": ("where the time goes", lambda: steps.profile(triplets)),
        "batch": ("batch sizes", lambda: steps.batch_sizes(triplets)),
        "scale": ("two to ten modalities", scale_times),
        "start": ("imports, and the first reconstruction", start_times),
    }
    results = {}
    for name, (what, clock) in clocks.items():
        with told(what):
            results[name] = clock()
            results[name].to_csv(OUT / f"{name}.csv", index=False)
    if args.peers:
        with told("MultiVae's own trainer"):
            peer = ROOT / "bench" / ".venv" / "bin" / "python"
            subprocess.run([peer, "-m", "bench.peers"], cwd=ROOT, check=True, capture_output=True)
    for name in ("peers", "busy"):
        if (OUT / f"{name}.csv").exists():
            results[name] = pd.read_csv(OUT / f"{name}.csv")
    table = targets.table(results)
    table.to_csv(OUT / "targets.csv", index=False)
    (OUT / "machine.json").write_text(json.dumps(here, indent=2) + "\n")
    print(f"\n{targets.show(table)}\n\nResults: {OUT}/; drawn in notebooks/08_speed_and_scale.ipynb")


if __name__ == "__main__":
    main()
