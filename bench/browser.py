"""``make bench BROWSER=1``: how long the explorer takes, from an input event in chromium to the new picture on the screen."""

import shutil
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import ipywidgets as widgets
import pandas as pd

from bench import pages
from mvae_lib import data, load
from mvae_lib.widgets.explorer import Explorer

TARGETS = {
    "one slider, all panels": (40.0, 65.0),
    "which modalities are given": (None, 90.0),
    "kernel's share of a move": (None, 6.0),
    "settling after a fast drag": (None, 100.0),
}
"""What is timed -> the most that its median and its 95th percentile may be, in ms."""
SCRIPT = Path(__file__).with_suffix(".js")


def times(moves: int = 200, drags: int = 3, seconds: float = 5.0) -> pd.DataFrame:
    """Everything in TARGETS, event by event: columns what, number, ms, p50_target, p95_target."""
    with tempfile.TemporaryDirectory() as folder, pages.lab(Path(folder)) as address, pages.opened() as page:
        shutil.copy(pages.PAGE / "explorer.ipynb", folder)
        pages.run_all(page, address, "explorer.ipynb")
        page.locator(".mvae-pad").wait_for()
        page.wait_for_timeout(3000)  # JupyterLab settles
        page.mouse.wheel(0, 1)

        def timed(call: str) -> list[float]:
            return page.evaluate(f"(async () => {{ {SCRIPT.read_text()} return await {call}; }})()")

        timed("moves(20)")  # the first ones warm up
        found = {
            "one slider, all panels": timed(f"moves({moves})"),
            "which modalities are given": timed(f"ticks({moves})"),
            "kernel's share of a move": kernel(moves),
            "settling after a fast drag": [timed(f"drag({seconds})") for _ in range(drags)],
        }
    rows = [{"what": what, "number": k, "ms": ms} for what, all_ms in found.items() for k, ms in enumerate(all_ms)]
    frame = pd.DataFrame(rows)
    for column, which in (("p50_target", 0), ("p95_target", 1)):
        frame[column] = [TARGETS[what][which] for what in frame["what"]]
    return frame


def kernel(moves: int) -> list[float]:
    """What a kernel does between a move's message and the image's, in ms each, here in this process and with no browser about."""
    model = load("as_run")
    explorer = Explorer(model, data.load("test", model.spec.data) if data.at_hand() else None)
    found = []
    with patch.object(widgets.Widget, "_send"):  # what it would send, it has made
        for k in range(moves + 20):
            start = time.perf_counter()
            explorer.sliders[0].set_state({"value": (37 * (k + 1) % 80) / 10 - 4})
            found.append(1e3 * (time.perf_counter() - start))
    return found[20:]


def show(frame: pd.DataFrame) -> str:
    """The table of latencies, a line each: median and 95th percentile beside their targets."""
    lines = [f"{'milliseconds':30} {'p50':>7}  {'target':8} {'p95':>7}  {'target':8} met"]
    for what, rows in frame.groupby("what", sort=False):
        quantiles = rows["ms"].quantile([0.5, 0.95]).tolist()
        targets = rows[["p50_target", "p95_target"]].iloc[0].tolist()
        met = all(not q > t for q, t in zip(quantiles, targets, strict=True))  # a missing target is NaN
        cells = [f"{q:7.1f}  {'' if t != t else f'≤ {t:g}':8}" for q, t in zip(quantiles, targets, strict=True)]
        lines.append(f"{what:30} {' '.join(cells)} {'yes' if met else 'no'}")
    return "\n".join(lines)
