"""A public file that is none, folders to look for it in, a server that sends it, and the log: for what looks for files."""

import gc
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mvae_lib import storage
from mvae_lib.data import sources
from mvae_lib.data.sources import Source

GOOD = bytes(range(256)) * 40
FLIPPED = GOOD[:5000] + bytes([GOOD[5000] ^ 1]) + GOOD[5001:]
HTML = b"<!DOCTYPE html>\n<html><body>Please log in to this network.</body></html>".ljust(len(GOOD))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Empty data/raw and mirror; a network that nobody has tried yet."""
    raw, mirror = tmp_path / "raw", tmp_path / "mirror"
    monkeypatch.setattr(storage, "RAW", raw)
    monkeypatch.setattr(sources, "offline", "")
    monkeypatch.setattr(sources, "RETRIES", 0)
    monkeypatch.setenv("MVAE_DATA_MIRROR", str(mirror))
    return raw, mirror


class Server(ThreadingHTTPServer):
    """Sends `bodies` one after the other (the last again and again) and notes what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = [GOOD]
        self.announced: int | None = None
        self.status = 200
        self.pause = 0.0  # seconds before each piece of 64 bytes; 0: all at once
        self.asked: list[str] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/some%20file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.bodies.pop(0) if len(self.server.bodies) > 1 else self.server.bodies[0]
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.announced or len(body)))
        self.end_headers()
        step = 64 if self.server.pause else 2**16
        try:
            for at in range(0, len(body), step):
                time.sleep(self.server.pause)
                self.server.sent += self.wfile.write(body[at : at + step])
        except ConnectionError:  # whoever asked has heard enough
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    gc.collect()  # what a download left open is heard in the test that left it: warnings are errors


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, the lines of level info too."""
    caplog.set_level(logging.INFO, "mvae_lib.data")
    return caplog


def a_source(url: str = "http://127.0.0.1:9/") -> Source:
    return Source("set/some file.bin", url, len(GOOD), hashlib.sha256(GOOD).hexdigest(), "free", "nobody, 2026")


def put(folder: Path, content: bytes) -> Path:
    path = folder / "set" / "some file.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
