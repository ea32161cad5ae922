"""``make bench BROWSER=1``: how long the explorer takes, from an input event in chromium to the new picture on the screen."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ipywidgets as widgets
import pandas as pd
import psutil

from bench import pages
from mvae_lib import data, load
from study.app.explorer import Explorer

MOVE, STANDARD = "one slider, all panels", "the same, by Jupyter's own server"
TARGETS = {
    MOVE: (40.0, 65.0),
    STANDARD: (None, None),
    "which modalities are given": (None, 90.0),
    "pen up, the other script": (None, 120.0),
    "kernel's share of a move": (None, 6.0),
    "settling after a fast drag": (None, 100.0),
}
"""What is timed -> the most that its median and its 95th percentile may be, in ms."""
SCRIPT = Path(__file__).with_suffix(".js")


def times(moves: int = 200, drags: int = 3, seconds: float = 5.0, page_of: Callable[[bool], Any] | None = None) -> pd.DataFrame:
    """Everything in TARGETS, event by event: columns what, number, ms, p50_target, p95_target.

    Args:
        page_of: opens the page's notebook in a JupyterLab with our connection to the kernel, or with Jupyter's own, as a context.
    """
    page_of = page_of or explorer_page
    with page_of(True) as page:
        found = {
            MOVE: call(page, f"moves({moves})"),
            "which modalities are given": call(page, f"ticks({moves})"),
            "settling after a fast drag": [call(page, f"drag({seconds})") for _ in range(drags)],
            "pen up, the other script": pen(page, moves),
            "kernel's share of a move": kernel(moves),
        }
    with page_of(False) as page:
        found[STANDARD] = call(page, f"moves({moves})")
    rows = [{"what": what, "number": k, "ms": ms} for what in TARGETS for k, ms in enumerate(found[what])]
    frame = pd.DataFrame(rows)
    for column, which in (("p50_target", 0), ("p95_target", 1)):
        frame[column] = [TARGETS[what][which] for what in frame["what"]]
    return frame


@contextmanager
def explorer_page(ours: bool = True) -> Iterator[Any]:
    """The page's notebook, run in a JupyterLab, warmed up."""
    with tempfile.TemporaryDirectory() as folder, pages.lab(Path(folder), ours=ours) as address, pages.opened() as page:
        run_explorer(page, Path(folder), address)
        page.wait_for_timeout(3000)  # JupyterLab settles
        call(page, "moves(20)")
        yield page


def run_explorer(page: Any, folder: Path, address: str) -> None:
    """Run the page's notebook in the JupyterLab over a folder."""
    shutil.copy(pages.PAGE / "explorer.ipynb", folder)
    pages.run_all(page, address, "explorer.ipynb")
    page.locator(".mvae-pad").wait_for()
    page.mouse.wheel(0, 1)


def call(page: Any, what: str) -> Any:
    """A function of `browser.js`, called in the page."""
    return page.evaluate(f"(async () => {{ {SCRIPT.read_text()} return await {what}; }})()")


def pen(page: Any, strokes: int) -> list[float]:
    """From the pointer's going up to the picture of what is rebuilt, stroke by stroke; the paper is cleared before each."""
    page.get_by_role("tab", name="Draw and say").click()
    paper = page.locator(".mvae-pen").first
    paper.wait_for()
    call(page, "pens()")
    clear = page.get_by_role("button", name="Clear", exact=True).first
    found = []
    for k in range(strokes + 5):  # the first ones warm up
        clear.click()
        page.wait_for_timeout(250)  # for its picture and its sound
        page.evaluate("mvaePens.length = 0")
        box = paper.bounding_box() or {}
        page.mouse.move(box["x"] + box["width"] * (0.2 + 0.03 * (k % 7)), box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * (0.5 + 0.05 * (k % 5)), box["y"] + 0.8 * box["height"], steps=6)
        page.mouse.up()
        pages.wait(lambda: page.evaluate("mvaePens.length > 0"), 10, lambda: "no new picture within 10 seconds")
        found.append(page.evaluate("mvaePens[0]"))
    return found[5:]


def memory(page: Any, moves: int, before: int = 1000) -> dict[str, float]:
    """How much more is held after so many moves of a slider, each waited for, than after the first `before` of them.

    Returns: MiB of all kernels that this process has started (resident), MiB of the page's JavaScript heap, garbage collected,
        and pictures (blob addresses) that were made and not let go.
    """
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def held() -> tuple[float, float]:
        tools.send("HeapProfiler.collectGarbage")
        metrics = {metric["name"]: metric["value"] for metric in tools.send("Performance.getMetrics")["metrics"]}
        children = psutil.Process().children(recursive=True)
        kernels = sum(child.memory_info().rss for child in children if "ipykernel_launcher" in child.cmdline())
        if not kernels:
            raise RuntimeError("No kernel runs under this process; start the page with bench.pages.")
        return kernels / 2**20, metrics["JSHeapUsedSize"] / 2**20

    call(page, f"many({before})")
    first, kept, last = held(), call(page, f"many({moves})"), held()
    return {"kernel, MiB": last[0] - first[0], "page's heap, MiB": last[1] - first[1], "pictures not let go": kept}


def opening() -> float:
    """How long the page of `make app` takes from its address to its picture, in seconds, with a kernel warmed."""
    with tempfile.TemporaryDirectory() as folder, pages.app(Path(folder)) as address, pages.opened() as page:
        start = time.perf_counter()
        page.goto(address)
        page.locator("img.widget-image").first.wait_for()
        return time.perf_counter() - start


def page_table(moves: int = 10_000) -> pd.DataFrame:
    """What is measured once, and is no latency: columns what, measured, target."""
    with tempfile.TemporaryDirectory() as folder, pages.app(Path(folder)) as address, pages.opened() as page:
        page.goto(address)
        page.locator(".mvae-pad").wait_for()
        grown = memory(page, moves)
    measured = [opening(), *grown.values()]
    names = ["the page opens, seconds", *(f"more after {moves:,} moves: {what}" for what in grown)]
    return pd.DataFrame({"what": names, "measured": measured, "target": [10.0, 8.0, 2.0, 1.0]})


def kernel(moves: int) -> list[float]:
    """What a kernel does between a move's message and the image's, in ms each, here in this process and with no browser about."""
    model = load("as_run")
    explorer = Explorer(model, data.load("test", model.spec.data) if data.at_hand() else None)
    found = []
    with patch.object(widgets.Widget, "_send"):  # what it would send, it has made
        for k in range(moves + 20):
            start = time.perf_counter()
            explorer.controls.sliders[0].set_state({"value": (37 * (k + 1) % 80) / 10 - 4})
            found.append(1e3 * (time.perf_counter() - start))
    return found[20:]


def show(frame: pd.DataFrame) -> str:
    """The table of latencies, a line each: median and 95th percentile beside their targets."""
    lines = [f"{'milliseconds':34} {'p50':>7}  {'target':8} {'p95':>7}  {'target':8} met"]
    for what, rows in frame.groupby("what", sort=False):
        quantiles = rows["ms"].quantile([0.5, 0.95]).tolist()
        targets = rows[["p50_target", "p95_target"]].iloc[0].tolist()
        met = all(not q > t for q, t in zip(quantiles, targets, strict=True))  # a missing target is NaN
        verdict = ("yes" if met else "no") if any(t == t for t in targets) else ""
        cells = [f"{q:7.1f}  {'' if t != t else f'≤ {t:g}':8}" for q, t in zip(quantiles, targets, strict=True)]
        lines.append(f"{what:34} {' '.join(cells)} {verdict}")
    return "\n".join(lines)


def show_page(frame: pd.DataFrame) -> str:
    """The table of what is measured once."""
    lines = [f"{'':52} {'measured':>8}  {'target':8} met"]
    for row in frame.itertuples():
        lines.append(
            f"{row.what:52} {row.measured:8.2f}  {f'≤ {row.target:g}':8} {'yes' if row.measured <= row.target else 'no'}"
        )
    return "\n".join(lines)
