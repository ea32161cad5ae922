"""The public files, or the stand-in -> flat arrays by name. The one place that decides between the two, and says so.

What the files give is kept in data/processed, one compressed file for each form of the data, named after the form and a hash
of everything that it was made from. It stands in for reading the raw files where they are at hand, and for the files themselves
where MVAE_DATA=real asks for it; sound and crops need the files.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from mvae_lib.data import digits, sources, speech
from mvae_lib.data.sources import HODA_TRAIN_CDB, SOURCES, DataError, NoData, Source
from mvae_lib.data.speech import Recording

VERSION = 2
"""Of the processed arrays. Raise it when a reader or a view changes."""
REAL, STANDIN = "real data", "stand-in"

Arrays = dict[str, np.ndarray]
Images = tuple[Sequence[np.ndarray] | np.ndarray, np.ndarray]
"""Images of any size, and their labels."""


def source() -> str:
    """Which data `load` will use, in words: "real data" or "stand-in". Prints nothing; may ask whether there is a network."""
    wanted = sources.wanted()
    if wanted != "auto":
        return REAL if wanted == "real" else STANDIN
    missing = [needed for needed in _needed().values() if sources.local(needed) is None]
    return REAL if not missing or sources.reachable(missing[0].url) else STANDIN


def is_real() -> bool:
    """Whether `load` will use the real data."""
    return source() == REAL


def at_hand() -> bool:
    """Whether `load` gives the real data without a download."""
    here = all(sources.local(needed) for needed in _needed().values())
    return sources.wanted() == "real" or (here and sources.wanted() == "auto")


def arrays(images: str, view: str) -> tuple[Arrays, str]:
    """All arrays of one form of the data, and the words for their source. The arrays are shared: do not write to them.

    Keys, for part in train, test, test_dig: `farsi_<part>` and `kannada_<part>` (uint8 ``[n, 784]``) with `..._labels`; and
    `speech` (float32, unscaled) with `speech_labels`, `takes` and `names`. HODA has one test set; it serves both tests.
    """
    if sources.wanted() == "standin":
        return _standin(images, view), STANDIN
    try:
        return _real(images, view), REAL
    except NoData as error:
        if sources.wanted() == "real":
            raise
        sources.say(f"{error} Using the STAND-IN instead: drawn digits, synthetic voices. (MVAE_DATA=real refuses it.)")
        return _standin(images, view), STANDIN


def recordings() -> list[Recording]:
    """Every recording, real or stand-in as in `load`, sorted by file name. DataError or NoData as `sources.find` raises them."""
    if is_real():
        return speech.read_fsdd(sources.find(SOURCES["speech"]))
    from mvae_lib.data import standin

    return standin.recordings()


def farsi_crops(n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The first n Farsi training crops as they were cut, of any size, and their labels; real or stand-in as in `load`."""
    if is_real():
        crops, labels = _read_farsi_train(sources.find(_needed()["farsi_train"]))
    else:
        from mvae_lib.data import standin

        crops, labels = standin.digits("farsi", "train")
    return list(crops[:n]), labels[:n]


def _farsi_train() -> tuple[Source, Source]:
    """The two files that may be HODA's training set, the registry's first."""
    return SOURCES["farsi_train"], HODA_TRAIN_CDB


def _needed() -> dict[str, Source]:
    """The registry; with HODA's own training file if that one lies here and the registry's does not."""
    first, other = _farsi_train()
    here = sources.local(first) is None and sources.local(other) is not None
    return {**SOURCES, "farsi_train": other if here else first}


def _read_farsi_train(path: Path) -> Images:
    return digits.read_cdb(path) if path.suffix == ".cdb" else digits.read_hoda_mat(path)


@lru_cache(maxsize=1)
def _real(images: str, view: str) -> Arrays:
    needed = _needed()
    if sources.wanted() == "real" or all(sources.local(source) for source in needed.values()):
        for farsi_train in _farsi_train():
            path = _cache(images, view, farsi_train)
            if path.is_file() and (cached := _read(path)):
                return cached
    paths = {key: sources.find(source) for key, source in needed.items()}
    farsi = {"train": _read_farsi_train(paths["farsi_train"]), "test": digits.read_cdb(paths["farsi_test"])}
    kannada = {
        part: (digits.read_idx(paths[f"kannada_{key}_images"]), digits.read_idx(paths[f"kannada_{key}_labels"]))
        for part, key in (("train", "train"), ("test", "test"), ("test_dig", "dig"))
    }
    made = _flat(images, view, farsi, kannada, speech.read_fsdd(paths["speech"]))
    _write(_cache(images, view, needed["farsi_train"]), made)
    return made


@cache
def _standin(images: str, view: str) -> Arrays:
    from mvae_lib.data import standin

    farsi = {part: standin.digits("farsi", part) for part in ("train", "test")}
    kannada = {part: standin.digits("kannada", part) for part in ("train", "test", "test_dig")}
    return _flat(images, view, farsi, kannada, standin.recordings())


def _flat(images: str, view: str, farsi: Mapping[str, Images], kannada: Mapping[str, Images], spoken: list[Recording]) -> Arrays:
    """What the readers give -> the arrays that `arrays` lists."""
    made: Arrays = {}
    for part, (crops, labels) in farsi.items():
        made[f"farsi_{part}"] = np.stack([digits.FORMS[images](crop).ravel() for crop in crops])  # n x [h, w] -> [n, 784]
        made[f"farsi_{part}_labels"] = labels
    for part, (grey, labels) in kannada.items():
        made[f"kannada_{part}"] = np.asarray(grey).reshape(len(grey), -1)  # [n, 28, 28] -> [n, 784]
        made[f"kannada_{part}_labels"] = labels
    made["speech"] = np.stack([speech.VIEWS[view][0](recording.samples) for recording in spoken])
    made["speech_labels"] = np.array([recording.digit for recording in spoken], np.uint8)
    made["takes"] = np.array([recording.take for recording in spoken], np.uint8)
    made["names"] = np.array([recording.name for recording in spoken])
    return _with_dig(made)


def _with_dig(made: Arrays) -> Arrays:
    return {**made, "farsi_test_dig": made["farsi_test"], "farsi_test_dig_labels": made["farsi_test_labels"]}


def _cache(images: str, view: str, farsi_train: Source) -> Path:
    """Where the arrays of this form, made from these files, belong."""
    used = [source.sha256 for source in {**SOURCES, "farsi_train": farsi_train}.values()]
    key = hashlib.sha256(" ".join([str(VERSION), images, view, *used]).encode()).hexdigest()[:16]
    return sources.PROCESSED / f"{images}-{view}-{key}.npz"


def _read(path: Path) -> Arrays | None:
    """Cached arrays, or None (said aloud) if the file is broken."""
    try:
        with path.open("rb") as file, np.load(file) as cached:
            return _with_dig({key: cached[key] for key in cached.files})
    except (ValueError, KeyError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        sources.say(f"{path}: broken ({error}); making it again from the raw files.")
        return None


def _write(path: Path, made: Arrays) -> None:
    """Atomic: a temporary file beside it, then a move."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez_compressed(file, **{key: made[key] for key in made if not key.startswith("farsi_test_dig")})  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({error}); it needs about 14 MB. Free some space, then run again.") from None
