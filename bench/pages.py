"""Real pages: a JupyterLab, a Notebook 7 or the explorer's own page, each on a free port, and chromium looking at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clocks import ROOT

CHROMIUM = shutil.which("chromium")
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
    --disable-sync""".split()
PAGE = ROOT / "notebooks" / "page"
SHARE = Path(sys.prefix, "share", "jupyter")
CONNECTION = "--ServerApp.kernel_websocket_connection_class=study.app.server.NoDelayConnection"
"""As `make lab` has it."""
QUIET = '{"fetchNews": "false", "checkForUpdates": false}'
"""JupyterLab's notification settings: it asks nothing and goes nowhere."""
PATIENCE = 240
"""Seconds, where a kernel starts or a notebook runs: a loaded machine is slow."""


@contextmanager
def lab(folder: Path, server: str = "jupyterlab", ours: bool = True) -> Iterator[str]:
    """A JupyterLab (or "notebook": Notebook 7, and JupyterLab too) over a folder of notebooks, all that it writes in there too.

    `ours`: with our connection to the kernel, as in `make lab`, or with jupyter_server's own. Gives its address.
    """
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(QUIET)
    command = [server, "--allow-root", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={folder}", *([CONNECTION] if ours else [])]
    own = {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    with _served([*command, "--ServerApp.port={port}"], folder, folder, {**own, "JUPYTER_PATH": str(SHARE)}) as address:
        yield address


@contextmanager
def app(folder: Path) -> Iterator[str]:
    """The explorer's page as `make app` serves it, once a kernel is warmed, what it writes in a folder -> its address."""
    command = ["voila", "explorer.ipynb", "--port={port}"]
    with _served(command, folder, PAGE, {"JUPYTER_PATH": f"{PAGE}{os.pathsep}{SHARE}"}) as address:
        wait(lambda: "filled with 1 kernel" in (folder / "log").read_text(), PATIENCE, lambda: "no kernel was warmed")
        yield address


@contextmanager
def _served(command: list[str], folder: Path, cwd: Path, variables: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(folder / name.lower()) for name in folders} | {"MVAE_OUT": str(folder / "out")}
    command = [sys.executable, "-m", *command, "--no-browser"]
    command = [part.format(port=port) for part in command]
    log = folder / "log"
    with log.open("w") as file:
        server = subprocess.Popen(command, env={**os.environ, **own, **variables}, stdout=file, stderr=file, cwd=cwd)
    try:
        wait(lambda: _listens(port) or server.poll() is not None, 120, lambda: "the server does not listen")
        if server.poll() is not None:
            raise RuntimeError(f"The server ended: {log.read_text()[-2000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def opened(width: int = 1280, height: int = 800) -> Iterator[Any]:
    """An empty page in Debian's chromium; `quiet` knows what it, and other pages of its context, say to their kernels."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield new_page(browser, viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"])
        browser.close()


def new_page(browser: Any, **options: Any) -> Any:
    """A page in a context of its own."""
    context = browser.new_context(**options)
    context.set_default_timeout(1000 * PATIENCE)
    context.on("page", lambda page: page.on("websocket", lambda socket: _listen(page, socket)))
    return context.new_page()


def _listen(page: Any, socket: Any) -> None:
    """Note what a page asks of a kernel, and strike out what the kernel has done."""
    page.asked = getattr(page, "asked", {})
    asked = page.asked[socket] = set()

    def sent(message: bytes | str) -> None:
        channel, header, *_ = _parts(message)
        if channel == "shell":
            asked.add(header["msg_id"])

    def received(message: bytes | str) -> None:
        _, header, parent, content = _parts(message)
        if header.get("msg_type") == "status" and content.get("execution_state") == "idle":
            asked.discard(parent.get("msg_id"))

    socket.on("framesent", sent)
    socket.on("framereceived", received)
    socket.on("close", lambda _: page.asked.pop(socket))


def _parts(message: bytes | str) -> tuple[str, dict, dict, dict]:
    """Channel, header, parent's header and content of a message: JSON, or in the form v1.kernel.websocket.jupyter.org."""
    if isinstance(message, str):
        told = json.loads(message)
        return told.get("channel", ""), *(told.get(part, {}) for part in ("header", "parent_header", "content"))
    count = int.from_bytes(message[:8], "little")
    places = [int.from_bytes(message[8 * k : 8 * k + 8], "little") for k in range(1, count + 1)]
    channel, header, parent, _, content = (message[a:b] for a, b in zip(places[:5], places[1:6], strict=True))
    return channel.decode(), json.loads(header), json.loads(parent), json.loads(content)


def quiet(page: Any) -> None:
    """Wait until the kernel has done all that the page asks of it, and the page shows what came of it."""
    frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20))))"
    calm, end = 0, time.monotonic() + PATIENCE
    while calm < 2:  # between two looks, the page may ask for more: a slider's last value follows the answer to the one before
        page.evaluate(frames)
        calm = 0 if any(page.asked.values()) else calm + 1
        if time.monotonic() > end:
            raise TimeoutError(f"the kernel has not answered {sum(map(len, page.asked.values()))} messages")


def wait(until: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Look until it is so. Raises: TimeoutError, with the words of `otherwise`."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(otherwise())
        time.sleep(0.05)


def _listens(port: int) -> bool:
    """Without asking for a page: the explorer's would take the kernel that was warmed for it."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_all(page: Any, address: str, notebook: str, at: str = "") -> None:
    """Open a notebook in a JupyterLab (a workspace of its own) or in a Notebook 7, at "notebooks", and start all its cells."""
    page.goto(f"{address}/{at or f'lab/workspaces/{Path(notebook).stem}/tree'}/{notebook}")
    page.locator(".jp-KernelName", has_text="Python 3 (ipykernel)").wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
