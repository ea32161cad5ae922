"""What comes over the network is checked before it is kept, tried again or thrown away; no network costs seconds, once."""

import resource
import socket
import time
from dataclasses import replace
from pathlib import Path

import filing
import pytest
from filing import FLIPPED, GOOD, HTML, Server, a_source, files

from mvae_lib.data import sources
from mvae_lib.data.sources import DataError, NoData

folders, lines, server = filing.folders, filing.lines, filing.server  # pytest looks for fixtures among the names of a module


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_download_lands_in_raw(folders: tuple[Path, Path], server: Server, lines: pytest.LogCaptureFixture) -> None:
    raw, _ = folders
    path = sources.find(a_source(server.url))
    assert path == raw / "set/some file.bin" and path.read_bytes() == GOOD
    assert files(raw) == [path], "and nothing else does"
    assert f"not in {raw}" in lines.text and server.url in lines.text
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
    with pytest.raises(DataError, match="gave no whole file") as caught:
        sources.find(a_source(server.url))
    assert not isinstance(caught.value, NoData) and files(folders[0]) == []


def test_a_download_is_cut_at_its_known_size(folders: tuple[Path, Path], server: Server) -> None:
    server.bodies = [bytes(2**26)]
    with pytest.raises(DataError, match="cut at 10,240 bytes, as there were more") as caught:
        sources.find(a_source(server.url))
    assert files(folders[0]) == [] and not isinstance(caught.value, NoData)
    assert server.sent < 2**25, "more than the sockets' buffers hold was sent"


def test_an_archive_of_any_size_is_cut_too(folders: tuple[Path, Path], server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources.LARGEST, "archive", 1000)
    with pytest.raises(DataError, match="cut at 1,000 bytes, as there were more"):
        sources.find(replace(a_source(server.url), size=None))
    assert files(folders[0]) == []


def test_a_download_that_drips_is_given_up(folders: tuple[Path, Path], server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "READ_SECONDS", 0.4)
    server.pause = 0.05  # 1,280 bytes a second, and never silent for long: all of it in eight seconds
    with pytest.raises(NoData, match="slower than 10,000 a second"):
        sources.find(a_source(server.url))
    assert files(folders[0]) == [] and server.sent < len(GOOD)


def test_a_download_that_falls_silent_is_given_up(
    folders: tuple[Path, Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "READ_SECONDS", 0.2)
    server.pause = 1.0
    with pytest.raises(NoData, match="nothing for 0.2 s after 0 bytes"):
        sources.find(a_source(server.url))
    assert files(folders[0]) == []


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
