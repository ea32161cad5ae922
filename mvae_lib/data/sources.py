"""The public files: where they are, what they must be, and how they get here.

`find` looks in data/raw, then in the folder that the environment variable MVAE_DATA_MIRROR names, then on the network, and
hands back a path only after the bytes have been checked. A bad file is refused, never replaced in silence.
"""

import hashlib
import os
import tarfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RAW = DATA / "raw"
PROCESSED = DATA / "processed"
RUNS = DATA / "runs"

CONNECT_SECONDS = 4
"""For one address to answer."""
PROBE_SECONDS = 10
"""For a name look-up and every address of a host together; after that there is no network."""
READ_SECONDS = 30
"""Between two pieces of a download."""
RETRIES = 2
"""After a download that broke off or brought the wrong bytes."""

offline = ""
"""Why there is no network, once a connection was refused: then nothing is downloaded any more in this process."""


class DataError(RuntimeError):
    """A data file is not what it must be. The message says which, what it is, what was expected, and what to do."""


class NoData(DataError):
    """A data file is neither here nor in the mirror nor reachable."""


@dataclass(frozen=True)
class Source:
    """One public file and how to recognise it."""

    path: str
    """Inside data/raw, and inside a mirror."""
    url: str
    size: int | None
    """Bytes; None where the public file's bytes are not promised to stay the same."""
    sha256: str
    """Of the file, or of what `digest_of` names."""
    licence: str
    citation: str
    digest_of: Literal["file", "recordings", "git blob"] = "file"
    """``recordings``: the lines `<sha256><two spaces><name><newline>` of the archive's wav files, sorted by name.
    ``git blob``: git's own id (a SHA-1), for a file of which no SHA-256 is on record."""


HODA = ("free for research, non-commercial", "Khosravi & Kabir, Pattern Recognition Letters 28(10), 2007")
KANNADA = ("no licence stated; the authors ask for the citation", "Prabhu, Kannada-MNIST, arXiv:1908.01242")
FSDD = ("CC BY-SA 4.0", "Jackson et al., Free Spoken Digit Dataset v1.0.10, Zenodo, 2020")


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}"


def _kannada(name: str, size: int, sha256: str) -> Source:
    folder = "data/output_tensors/MNIST_format/"
    url = _github("vinayprabhu/Kannada_MNIST", "f8390ece0c6990551e6f35189ccc42757bb29c43", folder + name)
    return Source(f"kannada/{name}", url, size, sha256, *KANNADA)


_HODA_READER = ("amir-saniyan/HodaDatasetReader", "728dd5465fcf38c3c82a1d3fda721da30b2e70ed")

SOURCES: dict[str, Source] = {
    "farsi_train": Source(
        "farsi/Data_hoda_full.mat",
        _github("Alireza-Akhavan/class.vision", "8a6f44e05976d20d7b9fd9718feeb7fd0760da0c", "dataset/Data_hoda_full.mat"),
        3_989_009,
        "39629eb751892b39fc5d1e987b472d441e4dffcbe8218931b73f466d8b2f3ce2",
        *HODA,
    ),
    "farsi_test": Source(
        "farsi/Test 20000.cdb",
        _github(*_HODA_READER, "DigitDB/Test 20000.cdb"),
        2_184_440,
        "f947c38071c886677ec212fe5000863fafae0b4ed349d97d51c33abe3c8e2b07",
        *HODA,
    ),
    "kannada_train_images": _kannada(
        "X_kannada_MNIST_train-idx3-ubyte.gz", 6_918_402, "11785e1e0846a852266d5323a51c1b495c207ad2acbeaaaf108211163481b212"
    ),
    "kannada_train_labels": _kannada(
        "y_kannada_MNIST_train-idx1-ubyte.gz", 199, "ef11e1d3e378fefbe78d4c9913dc9617c83fc5f9240b090121fcc335b5642201"
    ),
    "kannada_test_images": _kannada(
        "X_kannada_MNIST_test-idx3-ubyte.gz", 1_120_203, "4628f3fa7b1d32137449dd356be4601da0c28c420b79f1b745a5134504ca35ca"
    ),
    "kannada_test_labels": _kannada(
        "y_kannada_MNIST_test-idx1-ubyte.gz", 103, "645db5902d290681c9e5b452428e24636963a50a3036c2201240351b88786272"
    ),
    "kannada_dig_images": _kannada(
        "X_dig_MNIST-idx3-ubyte.gz", 1_395_287, "abda37c59d3d65ef89505860c18e7b7f7e80bfb2ba361ec1df68949e0c630aaa"
    ),
    "kannada_dig_labels": _kannada(
        "y_dig_MNIST-idx1-ubyte.gz", 92, "321fa413dc0f4bc4342da1f3418c656cd346f91d6d479ea67b1a107e920b907b"
    ),
    "speech": Source(
        "speech/free-spoken-digit-dataset-1.0.10.tar.gz",
        "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
        None,
        "1801eae019c063377d98f831d3f93574f259475df7332bb0e3d1b080fb5e6959",
        *FSDD,
        digest_of="recordings",
    ),
}

HODA_TRAIN_CDB = Source(
    "farsi/Train 60000.cdb",
    _github(*_HODA_READER, "DigitDB/Train 60000.cdb"),
    None,
    "a87ae8c4b1a9e9227f600194ae82a8af3d0e08ec",
    *HODA,
    digest_of="git blob",
)
"""HODA's own training file: taken where it lies in data/raw or the mirror and `farsi_train` does not; never downloaded."""


def wanted() -> Literal["auto", "real", "standin"]:
    """What MVAE_DATA asks for: ``auto`` (real data, else the stand-in, said aloud), ``real`` or ``standin``."""
    value = os.environ.get("MVAE_DATA", "auto")
    if value not in ("auto", "real", "standin"):
        raise ValueError(f"MVAE_DATA is {value!r}; it takes 'auto' (the default), 'real' or 'standin'. Set or unset it.")
    return cast(Literal["auto", "real", "standin"], value)


def local(source: Source) -> Path | None:
    """Where the file lies, data/raw before the mirror, or None. Nothing is checked or printed."""
    return next((folder / source.path for folder in _folders() if (folder / source.path).is_file()), None)


def find(source: Source) -> Path:
    """The file, checked: from data/raw, from the mirror (used where it lies), or downloaded into data/raw.

    Raises:
        DataError: a file is there (or came) and is not the one on record.
        NoData: it is neither here nor reachable.
    """
    tried = ", ".join(str(folder) for folder in _folders())
    path = local(source)
    if path is None:
        if not offline:
            say(f"{source.path}: not in {tried}; trying {source.url}")
        path = _download(source)
    elif fault := problem(path, source):
        raise DataError(f"{path}: it is {fault}. Delete or replace that file (public copy: {source.url}), then run again.")
    say(f"{source.path}: using {os.path.relpath(path, ROOT)}")
    return path


def problem(path: Path, source: Source) -> str:
    """What is wrong with a file, in words: what it is and what was expected. Empty when it is the right one."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if b"<html" in file.read(512).lower():
                return f"an HTML page ({size:,} bytes) in place of the file"
        if source.size is not None and size != source.size:
            return f"{size:,} bytes; expected {source.size:,}"
        got = _digest(path, source.digest_of)
    except (DataError, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        return f"a file that cannot be read through ({error})"
    same = got == source.sha256
    return "" if same else f"{size:,} bytes whose digest ({source.digest_of}) is {got[:12]}...; expected {source.sha256[:12]}..."


def wavs(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of each wav in a .tar.gz, read in place. DataError for a member whose path leaves the folder."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or member.issym() or member.islnk():
                raise DataError(f"{archive.name}: member {member.name!r} is a link or leaves the folder; nothing of it is used.")
            file = tar.extractfile(member)
            if file is not None and name.suffix == ".wav":
                yield name.name, file.read()


def reachable(url: str) -> bool:
    """Whether anything answers there. The first refusal is final for this process, and costs at most `PROBE_SECONDS`."""
    global offline
    import requests

    answer: list[str] = []

    def ask() -> None:
        try:
            requests.head(url, timeout=CONNECT_SECONDS, allow_redirects=True)
            answer.append("")
        except (OSError, ValueError) as error:
            answer.append(type(error).__name__)

    if not offline:
        thread = threading.Thread(target=ask, daemon=True)  # a name look-up cannot be given a time limit, a thread can be left
        thread.start()
        thread.join(PROBE_SECONDS)
        offline = answer[0] if answer else f"no answer in {PROBE_SECONDS} s"
    return not offline


def say(line: str) -> None:
    """One line to the reader, above any progress bar."""
    from tqdm import tqdm

    tqdm.write(line)


def _folders() -> list[Path]:
    mirror = os.environ.get("MVAE_DATA_MIRROR")
    return [RAW] + ([(ROOT / mirror).resolve()] if mirror else [])


def _digest(path: Path, of: str) -> str:
    if of == "recordings":
        lines = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in wavs(path))
        return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()
    content = path.read_bytes()
    if of == "git blob":
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return hashlib.sha256(content).hexdigest()


def _download(source: Source) -> Path:
    """Temporary file beside the target, check, then move; `RETRIES` more tries. Nothing bad ever lands in data/raw."""
    global offline
    import pooch
    import requests

    target = RAW / source.path
    fetch = pooch.HTTPDownloader(progressbar=True, timeout=(CONNECT_SECONDS, READ_SECONDS))

    def fetch_and_check(url: str, file: str, pup: object) -> None:
        fetch(url, file, pup)
        if fault := problem(Path(file), source):
            raise ValueError(fault)  # pooch tries again after a ValueError

    try:
        if not reachable(source.url):
            raise requests.ConnectionError(offline)
        target.parent.mkdir(parents=True, exist_ok=True)
        known = f"sha256:{source.sha256}" if source.digest_of == "file" else None
        pup = pooch.create(
            RAW, base_url="", registry={source.path: known}, urls={source.path: source.url}, retry_if_failed=RETRIES
        )
        return Path(pup.fetch(source.path, downloader=fetch_and_check))  # type: ignore[arg-type]
    except requests.exceptions.ChunkedEncodingError as error:
        raise DataError(f"{source.url}: broke off each time ({error}). Nothing was kept; run again, or bring {target}.") from None
    except requests.RequestException as error:
        offline = str(error)
        raise NoData(f"{source.path} is neither here nor in a mirror, and {source.url} gave no file ({error}).") from None
    except ValueError as error:
        raise DataError(f"{source.url}: sent {error}. That was thrown away; run again, or bring {target}.") from None
    except OSError as error:
        need = f"{source.size:,} bytes" if source.size else "about 16 MB"
        raise DataError(f"{target}: cannot be written ({error}); it takes {need}. Make room there, then run again.") from None
