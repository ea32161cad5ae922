"""The page that needs no server, in chromium without a network: how it is opened, and how fast it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from bench import pages
from bench.clocks import ROOT

PAGE = ROOT / "docs" / "index.html"
SCRIPT = Path(__file__).with_suffix(".js")
ASKED = {
    "its size, MB": 8.0,
    "the first move, ms after opening": 1000.0,
    "... processor time of the page": None,
    "a move, ms": 16.0,
    "... processor time of the page, mean": None,
    "a drawing, ms": None,
    "a rebuilt word made sound, ms": None,
}
"""What is measured -> the most that its 95th percentile may be. Processor time: of the page's thread, whatever else runs."""


@contextmanager
def browser(*flags: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=pages.CHROMIUM, args=[*pages.FLAGS, *flags])
        yield chromium
        chromium.close()


@contextmanager
def visit(chromium: Any, address: str = "", path: Path = PAGE, script: str = "", **options: Any) -> Iterator[Any]:
    """The page from its file, the network cut. Raises: RuntimeError, if it asks for anything but itself, or an error is thrown.

    `address`: what follows the file's name, "#..."; `script`: what runs before the page's own; `options`: of a new context.
    """
    context = chromium.new_context(offline=True, **options)
    context.set_default_timeout(1000 * pages.PATIENCE)
    page: Any = context.new_page()
    wrong, here = list[str](), path.resolve().as_uri()
    ours = (here, "blob:", "data:")
    context.on("request", lambda asked: None if asked.url.startswith(ours) else wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.tools = context.new_cdp_session(page)
    page.tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    if script:
        page.add_init_script(script)
    page.goto(here + address)
    page.wait_for_function("performance.getEntriesByName('ready').length")
    yield page
    context.close()
    if wrong:
        raise RuntimeError(f"The page asked, or failed: {wrong}")


def call(page: Any, what: str) -> Any:
    """A function of `static.js`, called in the page."""
    return page.evaluate(f"(async () => {{ {SCRIPT.read_text()} return await {what}; }})()")


def table(chromium: Any, moves: int = 500, openings: int = 5, path: Path = PAGE) -> pd.DataFrame:
    """What was asked of the page, and measured: columns what, number, measured, target."""
    size, script = {"viewport": {"width": 1280, "height": 800}}, f"{SCRIPT.read_text()} window.firstMove = first();"
    opened, busy = [], []
    for _ in range(openings):
        with visit(chromium, path=path, script=script, **size) as page:
            opened.append(page.evaluate("window.firstMove"))
            busy.append(worked(page))
    with visit(chromium, path=path, **size) as page:
        call(page, "moves(40)")
        before = worked(page)
        moved = call(page, f"moves({moves})")
        values = [[path.stat().st_size / 1e6], opened, busy, moved, [(worked(page) - before) / moves]]
        values += [call(page, f"strokes({max(10, moves // 10)})"), call(page, f"sounds({max(2, moves // 50)})")]
    rows = [(what, k, ms, ASKED[what]) for what, each in zip(ASKED, values, strict=True) for k, ms in enumerate(each)]
    return pd.DataFrame(rows, columns=["what", "number", "measured", "target"])


def worked(page: Any) -> float:
    """Processor time that the page's thread has taken so far, in ms."""
    told = {metric["name"]: metric["value"] for metric in page.tools.send("Performance.getMetrics")["metrics"]}
    return 1000 * told["ThreadTime"]


def show(frame: pd.DataFrame) -> str:
    """The table, a line each: median and 95th percentile beside what was asked."""
    lines = [f"{'the static page':38} {'p50':>7} {'p95':>7}  {'target':8} met"]
    for what, rows in frame.groupby("what", sort=False):
        (p50, p95), target = rows["measured"].quantile([0.5, 0.95]), rows["target"].iloc[0]
        asked, met = ("", "") if pd.isna(target) else (f"≤ {target:g}", "yes" if p95 <= target else "no")
        lines.append(f"{what:38} {p50:7.1f} {p95:7.1f}  {asked:8} {met}")
    return "\n".join(lines)
