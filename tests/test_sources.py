"""Files are found in the right order, checked, and refused with one clear line; nothing bad lands in data/raw."""

import gzip
import hashlib
import json
import logging
import os
import subprocess
import sys
import tarfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import filing
import pytest
from conftest import needs_real
from filing import FLIPPED, GOOD, HTML, Server, a_source, put

from bench import mutations
from mvae_lib import storage
from mvae_lib.data import sources
from mvae_lib.data.sources import SOURCES, DataError, NoData, Source

folders, lines, server = filing.folders, filing.lines, filing.server  # pytest looks for fixtures among the names of a module


# --- the registry


@pytest.mark.parametrize("key", SOURCES)
def test_every_source_is_pinned_and_says_its_terms(key: str) -> None:
    source = SOURCES[key]
    assert " " not in source.url
    assert "/refs/tags/v1.0.10" in source.url or any(len(part) == 40 for part in source.url.split("/"))
    assert len(source.sha256) == 64 and source.licence and source.citation
    assert source.size or source.path.endswith(".tar.gz")


@needs_real
@pytest.mark.parametrize("key", SOURCES)
def test_the_public_files_are_the_ones_on_record(key: str, lines: pytest.LogCaptureFixture) -> None:
    path = sources.find(SOURCES[key])
    assert path.name in lines.text and sources.problem(path, SOURCES[key]) == ""


# --- where a file is looked for


def test_raw_comes_before_the_mirror_and_the_mirror_before_the_network(
    folders: tuple[Path, Path], server: Server, lines: pytest.LogCaptureFixture
) -> None:
    raw, mirror = folders
    in_mirror = put(mirror, GOOD)
    assert sources.find(a_source(server.url)) == in_mirror
    assert os.path.relpath(in_mirror, storage.ROOT) in lines.text
    assert not raw.exists(), "a mirror's file is used where it lies"
    in_raw = put(raw, GOOD)
    assert sources.find(a_source(server.url)) == in_raw
    assert server.asked == []


def test_a_relative_mirror_starts_at_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MVAE_DATA_MIRROR", "mvae_lib")
    monkeypatch.chdir(tmp_path)
    assert sources.local(replace(a_source(), path="data/sources.py")) == Path(sources.__file__)


def test_without_a_repository_the_mirror_starts_at_the_working_folder_and_paths_are_whole(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: pytest.LogCaptureFixture
) -> None:
    """As where the library is installed by a wheel."""
    monkeypatch.setattr(storage, "ROOT", None)
    monkeypatch.setenv("MVAE_DATA_MIRROR", "mirror")
    monkeypatch.chdir(tmp_path)
    path = put(folders[1], GOOD)
    assert sources.find(a_source()) == path
    assert lines.messages == [f"set/some file.bin: using {path}"]


def test_where_files_are_is_silent_unless_asked_for() -> None:
    assert not sources.log.isEnabledFor(logging.INFO) and sources.log.isEnabledFor(logging.WARNING)


def test_the_command_shows_where_each_file_is(tmp_path: Path) -> None:
    """`python -m mvae_lib.data`, with two files on record: one lies in data/raw, one is nowhere."""
    path = put(tmp_path / "raw", GOOD)
    here, gone = (json.dumps(vars(a_source())), json.dumps(vars(replace(a_source(), path="gone.bin"))))
    code = f"""if True:
        import json, runpy
        from mvae_lib import data
        from mvae_lib.data import sources
        class Split(list): source = "real data"
        data.load = lambda split, recipe: Split(range(1234))
        sources.offline = "refused"
        sources.SOURCES = {{str(i): sources.Source(**json.loads(text)) for i, text in enumerate([{here!r}, {gone!r}])}}
        runpy.run_module("mvae_lib.data", run_name="__main__")"""
    environment = {**os.environ, "MVAE_HOME": str(tmp_path), "MVAE_DATA": "auto", "MVAE_DATA_MIRROR": ""}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=storage.ROOT, env=environment, capture_output=True, text=True, check=True
    )
    first, second, *views = told.stdout.splitlines()
    assert first == f"set/some file.bin: using {os.path.relpath(path, storage.ROOT)}"
    assert second.startswith("gone.bin is neither here nor in a mirror") and second.endswith("(refused).")
    assert [view.split(": ")[1] for view in views] == ["real data"] * 3 and "1,234 training triplets" in views[0]


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


# --- archives


def tarred(members: dict[str, bytes], level: int = 9) -> bytes:
    return gzip.compress(mutations.tarred(members), level)


def an_archive_of(members: dict[str, bytes]) -> Source:
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {Path(name).name}\n" for name, content in sorted(members.items()))
    return replace(a_source(), size=None, sha256=hashlib.sha256(lines.encode()).hexdigest())


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


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_what_is_no_plain_file_is_refused(folders: tuple[Path, Path], kind: bytes) -> None:
    path = put(folders[0], b"")
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("set/a.wav")
        link.type, link.linkname = kind, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="is no plain file"):
        list(sources.wavs(path))


def test_an_archive_that_unpacks_to_more_than_recordings_do_is_refused_unread(folders: tuple[Path, Path]) -> None:
    """Small files that would be gigabytes: the header alone says so, and no more than that is read."""
    path = put(folders[0], b"")
    for name, claimed, words in (
        ("set/a.wav", 2**33, "has 8,589,934,592 bytes"),
        ("notes.txt", 2**33, "has 8,589,934,592 bytes"),
    ):
        with gzip.open(path, "wb") as file:
            info = tarfile.TarInfo(name)
            info.size = claimed
            file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        tracemalloc.start()
        with pytest.raises(DataError, match=words):
            list(sources.wavs(path))
        assert tracemalloc.get_traced_memory()[1] < 2**21
        tracemalloc.stop()
    path.write_bytes(tarred({f"set/{i}.txt": b"" for i in range(10_001)}))
    with pytest.raises(DataError, match="more than 10,000 members"):
        list(sources.wavs(path))


def test_mvae_data_takes_three_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("auto", "real", "standin"):
        monkeypatch.setenv("MVAE_DATA", word)
        assert sources.wanted() == word
    monkeypatch.setenv("MVAE_DATA", "yes")
    with pytest.raises(ValueError, match="MVAE_DATA is 'yes'; it takes 'auto'"):
        sources.wanted()
