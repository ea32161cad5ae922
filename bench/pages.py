"""Real pages: a JupyterLab, a Notebook 7 or the explorer's own page, each on a free port, and chromium looking at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.clocks import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update
    --disable-sync""".split()
PAGE = ROOT / "notebooks" / "page"
SHARE = Path(sys.prefix, "share", "jupyter")
PROMPT = "--ServerApp.kernel_websocket_connection_class=mvae_lib.widgets.prompt.Prompt"
"""As `make lab` has it."""
QUIET = '{"fetchNews": "false", "checkForUpdates": false}'
"""JupyterLab's notification settings: it asks nothing and goes nowhere."""
PATIENCE = 240
"""Seconds, where a kernel starts or a notebook runs: a loaded machine is slow."""


@contextmanager
def lab(folder: Path, server: str = "jupyterlab", prompt: bool = True) -> Iterator[str]:
    """A JupyterLab (or "notebook": Notebook 7) over a folder of notebooks, all that it writes in there too -> its address.

    `prompt`: with our connection to the kernel, as in `make lab`, or with jupyter_server's own.
    """
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(QUIET)
    command = [server, "--allow-root", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={folder}", *([PROMPT] if prompt else [])]
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
        wait(lambda: _listens(port), 120, lambda: f"no server: {log.read_text()[-2000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def opened(width: int = 1280, height: int = 800) -> Iterator["Page"]:
    """An empty page in Debian's chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        ).new_page()
        page.set_default_timeout(1000 * PATIENCE)
        yield page
        browser.close()


def wait(until: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Look until it is so. Raises: TimeoutError, with the words of `otherwise`."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(otherwise())
        time.sleep(0.2)


def _listens(port: int) -> bool:
    """Without asking for a page: the explorer's would take the kernel that was warmed for it."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_all(page: "Page", address: str, notebook: str, at: str = "lab/tree") -> None:
    """Open a notebook in a JupyterLab (or in a Notebook 7, at "notebooks") and start all its cells."""
    page.goto(f"{address}/{at}/{notebook}")
    page.locator(".jp-KernelName", has_text="Python 3 (ipykernel)").wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
