"""Files are found in the right order, checked, and refused with one clear line; nothing bad lands in data/raw."""

import gc
import hashlib
import io
import os
import resource
import socket
import tarfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import needs_real

from mvae_lib.data import sources
from mvae_lib.data.sources import SOURCES, DataError, NoData, Source

GOOD = bytes(range(256)) * 40
FLIPPED = GOOD[:5000] + bytes([GOOD[5000] ^ 1]) + GOOD[5001:]
HTML = b"<!DOCTYPE html>\n<html><body>Please log in to this network.</body></html>".ljust(len(GOOD))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Empty data/raw and mirror; a network that nobody has tried yet."""
    raw, mirror = tmp_path / "raw", tmp_path / "mirror"
    monkeypatch.setattr(sources, "RAW", raw)
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
        self.asked: list[str] = []

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
        self.wfile.write(body)

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
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # pooch leaves the connection of a failed download to the garbage collector


def a_source(url: str = "http://127.0.0.1:9/") -> Source:
    return Source("set/some file.bin", url, len(GOOD), hashlib.sha256(GOOD).hexdigest(), "free", "nobody, 2026")


def put(folder: Path, content: bytes) -> Path:
    path = folder / "set" / "some file.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- the registry


@pytest.mark.parametrize("key", SOURCES)
def test_every_source_is_pinned_and_says_its_terms(key: str) -> None:
    source = SOURCES[key]
    assert " " not in source.url
    assert "/refs/tags/v1.0.10" in source.url or any(len(part) == 40 for part in source.url.split("/"))
    assert len(source.sha256) == 64 and source.licence and source.citation
    assert source.size or source.digest_of == "recordings"


@needs_real
@pytest.mark.parametrize("key", SOURCES)
def test_the_public_files_are_the_ones_on_record(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = sources.find(SOURCES[key])
    assert path.name in capsys.readouterr().out and sources.problem(path, SOURCES[key]) == ""


# --- where a file is looked for


def test_raw_comes_before_the_mirror_and_the_mirror_before_the_network(
    folders: tuple[Path, Path], server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, mirror = folders
    in_mirror = put(mirror, GOOD)
    assert sources.find(a_source(server.url)) == in_mirror
    assert os.path.relpath(in_mirror, sources.ROOT) in capsys.readouterr().out
    assert not raw.exists(), "a mirror's file is used where it lies"
    in_raw = put(raw, GOOD)
    assert sources.find(a_source(server.url)) == in_raw
    assert server.asked == []


def test_a_relative_mirror_starts_at_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVAE_DATA_MIRROR", "mvae_lib")
    monkeypatch.chdir(tmp_path)
    assert sources.local(replace(a_source(), path="data/sources.py")) == Path(sources.__file__)


@pytest.mark.parametrize(
    ("content", "words"),
    [(GOOD[:-1], "10,239 bytes; expected 10,240"), (FLIPPED, "digest"), (HTML, "HTML page"), (b"", "0 bytes; expected")],
    ids=["truncated", "flipped byte", "HTML page", "empty"],
)
@pytest.mark.parametrize("where", [0, 1], ids=["raw", "mirror"])
def test_a_bad_file_is_refused_and_left_alone(
    folders: tuple[Path, Path], server: Server, where: int, content: bytes, words: str
) -> None:
    path = put(folders[where], content)
    with pytest.raises(DataError, match=words) as caught:
        sources.find(a_source(server.url))
    line = str(caught.value)
    assert str(path) in line and server.url in line and "\n" not in line
    assert not isinstance(caught.value, NoData), "a bad file must not lead to the stand-in"
    assert path.read_bytes() == content and server.asked == []


# --- downloads


def test_a_download_lands_in_raw(folders: tuple[Path, Path], server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    raw, _ = folders
    path = sources.find(a_source(server.url))
    assert path == raw / "set/some file.bin" and path.read_bytes() == GOOD
    assert files(raw) == [path], "and nothing else does"
    said = capsys.readouterr().out
    assert f"not in {raw}" in said and server.url in said
    assert sources.find(a_source(server.url)) == path and len(server.asked) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [(GOOD[:-1], "10,239 bytes; expected 10,240"), (FLIPPED, "digest"), (HTML, "HTML page")],
    ids=["truncated", "flipped byte", "HTML page"],
)
def test_a_bad_download_is_thrown_away(folders: tuple[Path, Path], server: Server, content: bytes, words: str) -> None:
    server.bodies = [content]
    with pytest.raises(DataError, match=words) as caught:
        sources.find(a_source(server.url))
    assert server.url in str(caught.value) and not isinstance(caught.value, NoData)
    assert files(folders[0]) == []


def test_a_download_that_breaks_off_is_thrown_away(folders: tuple[Path, Path], server: Server) -> None:
    server.bodies, server.announced = [GOOD[:4000]], len(GOOD)
    with pytest.raises(DataError, match="broke off") as caught:
        sources.find(a_source(server.url))
    assert not isinstance(caught.value, NoData) and files(folders[0]) == []


def test_a_bad_download_is_tried_again(folders: tuple[Path, Path], server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RETRIES", 1)
    server.bodies = [FLIPPED, GOOD]
    assert sources.find(a_source(server.url)).read_bytes() == GOOD
    assert len(server.asked) == 2


def test_a_file_that_is_gone_is_no_data(folders: tuple[Path, Path], server: Server) -> None:
    server.status = 404
    with pytest.raises(NoData, match="404"):
        sources.find(a_source(server.url))
    with pytest.raises(NoData, match="404"):
        sources.find(a_source(server.url))
    assert len(server.asked) == 1 and files(folders[0]) == [], "and nothing more is asked for"


def test_the_first_refused_connection_ends_all_downloads(folders: tuple[Path, Path], server: Server) -> None:
    start = time.monotonic()
    with pytest.raises(NoData, match="ConnectionError"):
        sources.find(a_source(f"http://127.0.0.1:{closed_port()}/"))
    with pytest.raises(NoData, match="ConnectionError"):
        sources.find(a_source(server.url))
    assert time.monotonic() - start < 15
    assert server.asked == [] and files(folders[0]) == []


def test_a_host_that_never_answers_costs_no_more_than_the_limit(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources.PROBE_SECONDS < 15
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(NoData, match="no answer in 0.5 s"):
            sources.find(a_source(f"http://127.0.0.1:{silent.getsockname()[1]}/"))
        assert time.monotonic() - start < 5


def test_a_full_disk_is_said_and_leaves_nothing(folders: tuple[Path, Path], server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses to write more, as a full disk does
    try:
        with pytest.raises(DataError, match="cannot be written .* 10,240 bytes. Make room") as caught:
            sources.find(a_source(server.url))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not isinstance(caught.value, NoData) and files(folders[0]) == []


# --- archives and git blobs


def tarred(members: dict[str, bytes], level: int = 9) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=level) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def an_archive_of(members: dict[str, bytes]) -> Source:
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {Path(name).name}\n" for name, content in sorted(members.items()))
    return replace(a_source(), size=None, sha256=hashlib.sha256(lines.encode()).hexdigest(), digest_of="recordings")


def test_an_archive_is_known_by_its_recordings(folders: tuple[Path, Path]) -> None:
    wavs = {"set/b.wav": b"two" * 900, "set/a.wav": b"one" * 900}
    packed_anew = tarred({"set/README.md": b"a later README", **dict(reversed(wavs.items()))}, level=1)
    path = put(folders[0], tarred(wavs))
    assert sources.find(an_archive_of(wavs)) == path
    path.write_bytes(packed_anew)
    assert sources.find(an_archive_of(wavs)) == path
    for bad in (tarred({**wavs, "set/a.wav": b"onf" * 900}), tarred(wavs)[:-40], tarred(wavs)[:30] + b"?" + tarred(wavs)[31:]):
        path.write_bytes(bad)
        with pytest.raises(DataError):
            sources.find(an_archive_of(wavs))


@pytest.mark.parametrize("name", ["../out.wav", "/tmp/out.wav", "set/../../out.wav"])
def test_a_member_that_leaves_the_folder_is_refused(folders: tuple[Path, Path], name: str) -> None:
    path = put(folders[0], tarred({name: b"sound"}))
    with pytest.raises(DataError, match="leaves the folder"):
        list(sources.wavs(path))
    with pytest.raises(DataError, match="leaves the folder"):
        sources.find(an_archive_of({name: b"sound"}))


def test_a_link_in_an_archive_is_refused(folders: tuple[Path, Path]) -> None:
    path = put(folders[0], b"")
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("set/a.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="link"):
        list(sources.wavs(path))


def test_a_git_blob_is_known_by_the_id_that_git_gives_it(folders: tuple[Path, Path]) -> None:
    hello = replace(a_source(), size=None, sha256="ce013625030ba8dba906f756967f9e9ca394464a", digest_of="git blob")
    path = put(folders[0], b"hello\n")  # the id is what `git hash-object` prints for it
    assert sources.find(hello) == path
    path.write_bytes(b"hullo\n")
    with pytest.raises(DataError, match="git blob"):
        sources.find(hello)


def test_mvae_data_takes_three_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("auto", "real", "standin"):
        monkeypatch.setenv("MVAE_DATA", word)
        assert sources.wanted() == word
    monkeypatch.setenv("MVAE_DATA", "yes")
    with pytest.raises(ValueError, match="MVAE_DATA is 'yes'; it takes 'auto'"):
        sources.wanted()
