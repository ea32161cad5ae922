"""The public files, or the stand-in -> flat arrays by name. The one place that decides between the two, and says so.

Arrays are kept in data/processed, a file for each form of the data, named after it and a hash of all that it was made from. It
saves reading the raw files where they are at hand, and replaces them where MVAE_DATA=real; sound and crops need the files.
"""

import hashlib
import io
from functools import lru_cache

import numpy as np

from mvae_lib import storage
from mvae_lib.data import digits, sources, speech, standin
from mvae_lib.data.digits import Images, Labels
from mvae_lib.data.sources import SOURCES, NoData, log
from mvae_lib.data.speech import Recording

VERSION = 2  # of the processed arrays: raise it when a reader, a view or the stand-in changes
REAL, STANDIN = "real data", "stand-in"  # the words for a caption
Arrays = dict[str, np.ndarray]
Pictures = dict[str, tuple[Images, Labels]]  # by script and part


def source() -> str:
    """Which data `load` will use, in words: "real data" or "stand-in". Logs nothing; may ask whether there is a network."""
    missing = [file.url for file in SOURCES.values() if not sources.local(file)]
    return REAL if at_hand() or (sources.wanted() == "auto" and sources.reachable(missing[0])) else STANDIN


def is_real() -> bool:
    """Whether `load` will use the real data."""
    return source() == REAL


def at_hand() -> bool:
    """Whether `load` gives the real data without a download."""
    wanted = sources.wanted()
    return wanted == "real" or (wanted == "auto" and all(sources.local(file) for file in SOURCES.values()))


def arrays(images: str, view: str) -> tuple[Arrays, str]:
    """All arrays of one form of the data, and the words for their source. The arrays are shared: do not write to them.

    Keys: `farsi_<part>` and `kannada_<part>` (uint8 ``[n, 784]``) with `..._labels`, for part in train and test, and Kannada's
    test_dig; and `speech` (float32, unscaled) with `speech_labels`, `takes` and `names`.
    """
    if sources.wanted() != "standin":
        try:
            return _form(True, images, view), REAL
        except NoData as error:
            if sources.wanted() == "real":
                raise
            log.warning("%s Using the STAND-IN instead: drawn digits, synthetic voices. (MVAE_DATA=real refuses it.)", error)
    return _form(False, images, view), STANDIN


def recordings() -> list[Recording]:
    """Every recording, real or stand-in as in `load`, sorted by file name. DataError or NoData as `sources.find` raises them."""
    return speech.read_fsdd(sources.find(SOURCES["speech"])) if is_real() else standin.recordings()


def farsi_crops(n: int) -> tuple[list[np.ndarray], Labels]:
    """The first n Farsi training crops as they were cut, of any size, and their labels; real or stand-in as in `load`."""
    crops, labels = digits.read_hoda_mat(sources.find(SOURCES["farsi_train"])) if is_real() else standin.digits("farsi", "train")
    return list(crops[:n]), labels[:n]


@lru_cache(maxsize=1)
def _form(real: bool, images: str, view: str) -> Arrays:
    """What `arrays` lists, from data/processed if it was kept there: in a file whose name ends in its own digest.

    One that is not as it was written is made again, with a warning; nothing of it is unpacked before that is known.
    """
    made_from = " ".join([str(VERSION), images, view, *(file.sha256 for file in SOURCES.values() if real)])
    name = f"{'' if real else 'standin-'}{images}-{view}-{_digest(made_from.encode())}"
    for path in storage.PROCESSED.glob(f"{name}-*.npz") if at_hand() or not real else ():
        try:
            content = path.read_bytes()
        except OSError as error:
            content = str(error).encode()
        if path.stem.endswith(_digest(content)):
            with np.load(io.BytesIO(content)) as kept:
                return {key: kept[key] for key in kept.files}
        log.warning("%s: not as it was written; making it again.", path)

    pictures, spoken = _raw(real)
    made: Arrays = {}
    for key, (crops, labels) in pictures.items():
        form = digits.FORMS[images] if key.startswith("farsi") else np.asarray  # Kannada's are 28 x 28 as they come
        made[key] = np.stack([form(crop).ravel() for crop in crops])  # n x [h, w] -> [n, 784]
        made[f"{key}_labels"] = labels
    made["speech"] = np.stack([speech.VIEWS[view](recording.samples) for recording in spoken])
    made["speech_labels"] = np.array([recording.digit for recording in spoken], np.uint8)
    made["takes"] = np.array([recording.take for recording in spoken], np.uint8)
    made["names"] = np.array([recording.name for recording in spoken])

    packed = io.BytesIO()
    np.savez_compressed(packed, **made)  # type: ignore[arg-type]
    whole = storage.PROCESSED / f"{name}-{_digest(packed.getbuffer())}.npz"
    try:
        for broken in storage.PROCESSED.glob(f"{name}-*.npz"):
            broken.unlink(missing_ok=True)
        storage.write(whole, lambda part: part.write_bytes(packed.getbuffer()))
    except OSError as error:
        log.warning("%s cannot be kept (%s), so it is made again next time; it takes up to 20 MB.", name, error)
    return made


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _raw(real: bool) -> tuple[Pictures, list[Recording]]:
    if not real:
        keys = [(script, part) for script, hands in standin.ASSET["hands"].items() for part in hands]
        return {f"{script}_{part}": standin.digits(script, part) for script, part in keys}, standin.recordings()
    paths = {key: sources.find(file) for key, file in SOURCES.items()}
    pictures = {"farsi_train": digits.read_hoda_mat(paths["farsi_train"]), "farsi_test": digits.read_cdb(paths["farsi_test"])}
    for part, key in (("train", "kannada_train"), ("test", "kannada_test"), ("test_dig", "kannada_dig")):
        pictures[f"kannada_{part}"] = digits.read_idx(paths[f"{key}_images"]), digits.read_idx(paths[f"{key}_labels"])
    return pictures, speech.read_fsdd(paths["speech"])
