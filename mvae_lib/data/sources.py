"""The public files: where they are, what they must be, and how they get here.

`find` looks in data/raw, then in the folder that the environment variable MVAE_DATA_MIRROR names, then on the network, checks
every byte, and logs (`mvae_lib.data`, level info) where the file is. A bad file is refused, never replaced in silence.
"""

import hashlib
import json
import logging
import multiprocessing
import os
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath

from mvae_lib import storage

log = logging.getLogger("mvae_lib.data")

CONNECT_SECONDS = 4  # for one address to answer
PROBE_SECONDS = 10  # for a name look-up and every address of a host together; after that there is no network
READ_SECONDS = 30  # between two pieces of a download
SLOWEST = 10_000  # bytes a second, on the whole: a download that is slower after `READ_SECONDS` is given up
RETRIES = 2  # after a download that broke off or brought the wrong bytes
LARGEST = {"archive": 2**26, "member": 2**20, "members": 10_000, "unpacked": 2**28}  # bytes (and members) an archive may have
offline = ""  # why there is no network, once a connection was refused: nothing more is downloaded in this process


class DataError(RuntimeError):
    """A data file is not what it must be. The message says which, what it is, what was expected, and what to do."""


class NoData(DataError):
    """A data file is neither here nor in the mirror nor reachable."""


@dataclass(frozen=True)
class Source:
    """One public file and how to recognise it."""

    path: str  # inside data/raw, and inside a mirror
    url: str
    size: int | None  # bytes; None for an archive that is made on request, and whose bytes may change
    sha256: str  # of the file; or of an archive's lines `<sha256><two spaces><name><newline>` of its wav files, by name
    licence: str
    citation: str


SOURCES = {
    key: Source(**file, licence=group["licence"], citation=group["citation"])
    for group in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))["sets"]
    for key, file in group["files"].items()
}


def wanted() -> str:
    """What MVAE_DATA asks for: ``auto`` (real data, else the stand-in, with a warning), ``real`` or ``standin``."""
    value = os.environ.get("MVAE_DATA", "auto")
    if value not in ("auto", "real", "standin"):
        raise ValueError(f"MVAE_DATA is {value!r}; it takes 'auto' (the default), 'real' or 'standin'. Set or unset it.")
    return value


def local(source: Source) -> Path | None:
    """Where the file lies, data/raw before the mirror, or None. Nothing is checked or logged."""
    return next((folder / source.path for folder in _folders() if (folder / source.path).is_file()), None)


def find(source: Source) -> Path:
    """The file, checked: from data/raw, from the mirror (used where it lies), or downloaded into data/raw.

    DataError: a file is there (or came) and is not the one on record. NoData: it is neither here nor reachable.
    """
    path = local(source)
    if path is None:
        path = _download(source)
    elif fault := problem(path, source):
        raise DataError(f"{path}: it is {fault}. Delete or replace that file (public copy: {source.url}), then run again.")
    log.info("%s: using %s", source.path, os.path.relpath(path, storage.ROOT) if storage.ROOT else path)
    return path


def problem(path: Path, source: Source) -> str:
    """What is wrong with a file, in words: what it is and what was expected. Empty when it is the right one."""
    try:
        content = path.read_bytes()
        size = f"{len(content):,} bytes"
        if b"<html" in content[:512].lower():
            return f"an HTML page ({size}) in place of the file"
        if source.size not in (None, len(content)):
            return f"{size}; expected {source.size:,}"
        if source.size is None:
            lines = sorted((name, hashlib.sha256(wav).hexdigest()) for name, wav in wavs(path))
            content = "".join(f"{digest}  {name}\n" for name, digest in lines).encode()
        got = hashlib.sha256(content).hexdigest()
    except (DataError, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        return f"a file that cannot be read through ({error})"
    return "" if got == source.sha256 else f"{size} whose digest is {got[:12]}...; expected {source.sha256[:12]}..."


def wavs(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of each wav in a .tar.gz, read in place, never more than `LARGEST`. DataError for any other archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for count, member in enumerate(tar):
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts or not (member.isdir() or member.isreg()) or member.issparse():
                    raise DataError(f"{archive.name}: member {member.name!r:.80} is no plain file, or leaves the folder.")
                wav = name.suffix == ".wav"
                if (wav and member.size > LARGEST["member"]) or member.offset_data + member.size > LARGEST["unpacked"]:
                    raise DataError(f"{archive.name}: member {member.name!r:.80} has {member.size:,} bytes; a digit has 40,000.")
                if count >= LARGEST["members"]:
                    raise DataError(f"{archive.name}: more than {count:,} members; the archive of recordings has 3,100.")
                file = tar.extractfile(member) if wav else None
                if file is not None:
                    yield name.name, file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{archive.name}: no whole .tar.gz ({' '.join(str(error).split()):.80}).") from None


def reachable(url: str) -> bool:
    """Whether anything answers there. The first refusal is final for this process, and costs at most `PROBE_SECONDS`."""
    global offline
    import requests

    if not offline:
        with ThreadPool(1) as pool:  # a name look-up cannot be given a time limit, a thread can be left
            try:
                pool.apply_async(requests.head, (url,), {"timeout": CONNECT_SECONDS, "allow_redirects": True}).get(PROBE_SECONDS)
            except multiprocessing.TimeoutError:
                offline = f"no answer in {PROBE_SECONDS} s"
            except (OSError, ValueError) as error:
                offline = type(error).__name__
    return not offline


def _folders() -> list[Path]:
    mirror = os.environ.get("MVAE_DATA_MIRROR")
    return [storage.RAW, *([((storage.ROOT or Path.cwd()) / mirror).resolve()] if mirror else [])]


def _fetch(url: str, file: str, limit: int) -> int:
    """Download into a file, cut after `limit` bytes and one more; how many came.

    requests.RequestException: no answer, a refusal, silence, or fewer than `SLOWEST` bytes a second. ValueError: it broke off.
    """
    import requests
    import urllib3
    from tqdm.auto import tqdm

    begin, came, asked = time.monotonic(), 0, {"Accept-Encoding": "identity"}  # the file's own bytes, not packed once more
    with (
        requests.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS), headers=asked) as response,
        open(file, "wb") as out,
        tqdm(total=limit, unit="B", unit_scale=True, desc=PurePosixPath(url).name) as bar,
    ):
        response.raise_for_status()
        try:
            while piece := response.raw.read1(min(2**16, limit + 1 - came)):  # what is there, be it one byte
                came += out.write(piece)
                bar.update(len(piece))
                took = time.monotonic() - begin
                if took > READ_SECONDS and came < SLOWEST * took:
                    raise requests.Timeout(f"{came:,} bytes in {took:.0f} s, which is slower than {SLOWEST:,} a second")
        except urllib3.exceptions.TimeoutError:
            raise requests.Timeout(f"nothing for {READ_SECONDS} s after {came:,} bytes") from None
        except urllib3.exceptions.HTTPError as error:
            raise ValueError(f"it broke off after {came:,} bytes: {type(error).__name__}") from None
    return came


def _download(source: Source) -> Path:
    """Temporary file beside the target, check, then move; `RETRIES` more tries. Nothing bad ever lands in data/raw."""
    global offline
    import pooch
    import requests

    target, limit = storage.RAW / source.path, source.size or LARGEST["archive"]

    def fetch_and_check(url: str, file: str, pup: object) -> None:
        came = _fetch(url, file, limit)
        if fault := problem(Path(file), source):  # pooch tries again after a ValueError
            raise ValueError(fault if came <= limit else f"cut at {limit:,} bytes, as there were more; it is {fault}")

    if not offline:
        log.info("%s: not in %s; trying %s", source.path, ", ".join(map(str, _folders())), source.url)
    try:
        if not reachable(source.url):
            raise requests.ConnectionError(offline)
        pup = pooch.create(storage.RAW, "", registry={source.path: None}, urls={source.path: source.url}, retry_if_failed=RETRIES)
        return Path(pup.fetch(source.path, downloader=fetch_and_check))  # type: ignore[arg-type]
    except requests.RequestException as error:
        offline = str(error)
        raise NoData(f"{source.path} is neither here nor in a mirror, and {source.url} gave no file ({error}).") from None
    except ValueError as error:
        raise DataError(f"{source.url}: gave no whole file ({error}). Nothing was kept; run again, or bring {target}.") from None
    except OSError as error:
        need, why = f"{source.size:,} bytes" if source.size else "about 16 MB", error.strerror or error
        raise DataError(f"{target}: cannot be written ({why}); it takes {need}. {storage.advice(error)}") from None
