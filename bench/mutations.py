"""Files that lie: a small good file for each reader, and how it is broken. For `make soak`, and for the tests of the readers."""

import gzip
import io
import random
import struct
import tarfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from mvae_lib import checkpoint, storage, train
from mvae_lib.data import arrays, digits, sources, speech
from mvae_lib.pairs import Pairs
from mvae_lib.spec import Modality, ModelSpec, RunSpec, TrainSpec
from study.app import sound

SPEC = RunSpec(
    model=ModelSpec((Modality("one", (4,), "gaussian", (8,), (8,)), Modality("two", (3, 3), "bernoulli", (8,), (8,))), 2, 3),
    train=TrainSpec(epochs=2, batch_size=16, precision="float32"),
    name="broken",
)
LONGEST = 200
"""Characters that an error may have, its path aside."""


@dataclass(frozen=True)
class Reader:
    """What reads a file, and a small good one."""

    good: bytes
    read: Callable[[bytes], object]
    packed: bool = False  # gzipped before it is read: what is inside may be broken too


def pairs(n: int = 48) -> Pairs:
    """Random samples of `SPEC`'s two modalities."""
    draw = torch.Generator().manual_seed(0)
    pools = {m.name: torch.rand(n, m.features, generator=draw) for m in SPEC.model.modalities}
    return Pairs(pools, torch.arange(n)[:, None].expand(-1, 2), torch.arange(n) % 3)


def cdb(items: list[tuple[np.ndarray, int]]) -> bytes:
    """A writer of HODA's format: white and black runs of each row in turn, white first."""
    labels = [label for _, label in items]
    head = struct.pack("<HBBBBI", 2005, 4, 8, 0, 0, len(items))
    head += struct.pack("<128I", *(labels.count(i) for i in range(128))) + b"\0"
    body = b""
    for crop, label in items:
        runs: list[int] = []
        for row in crop:
            ink, length = 0, 0
            for pixel in row:
                if (pixel > 0) != ink:
                    runs.append(length)
                    ink, length = 1 - ink, 0
                length += 1
            runs.append(length)
        body += struct.pack("<BBBBH", 0xFF, label, crop.shape[1], crop.shape[0], len(runs)) + bytes(runs)
    return head.ljust(1024, b"\0") + body


def tarred(members: dict[str, bytes]) -> bytes:
    """An archive that is not gzipped yet."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def wav(samples: np.ndarray, rate: int = 8000, channels: int = 1) -> bytes:
    """16 bits a sample."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def readers(folder: Path) -> dict[str, Reader]:
    """Every reader of the project, by what it reads; they write and read in the folder, which is to be theirs."""
    rng = np.random.default_rng(0)
    tone = (8000 * np.sin(np.arange(900) / 3)).astype(np.int16)
    crops = [(rng.integers(0, 2, (6 + i, 5)).astype(np.uint8) * 255, i % 10) for i in range(6)]
    idx = struct.pack(">HBB3I", 0, 8, 3, 5, 6, 6) + rng.integers(0, 256, 180, dtype=np.uint8).tobytes()
    kept = io.BytesIO()
    np.savez_compressed(kept, farsi_train=rng.integers(0, 256, (9, 784), dtype=np.uint8), speech=rng.random((9, 13)))

    def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def write_and_read(content: bytes) -> object:
            (folder / name).write_bytes(content)
            return read(folder / name)

        return write_and_read

    found = {
        "speech .tar.gz": Reader(
            tarred({f"set/{i}_ann_{i}.wav": wav(tone[: 300 + i]) for i in range(3)}), in_file("s.tgz", speech.read_fsdd), True
        ),
        "HODA .cdb": Reader(cdb(crops), in_file("h.cdb", digits.read_cdb)),
        "idx .gz": Reader(idx, in_file("i.gz", digits.read_idx), True),
        "a sound": Reader(wav(tone), sound.read_upload),
        "processed arrays": Reader(kept.getvalue(), lambda content: _processed(content, kept.getvalue(), folder)),
    }
    run = folder / "run"
    train.fit(SPEC, pairs(), None, run, bar=False)
    for name in ("spec.json", "card.json", "weights.safetensors", "state.safetensors", "history.csv"):
        read = _resume if name in ("state.safetensors", "history.csv") else checkpoint.load
        found[name] = Reader((run / name).read_bytes(), lambda content, name=name, read=read: _swapped(run, name, content, read))
    return found


def _swapped(run: Path, name: str, content: bytes, read: Callable[[Path], object]) -> None:
    """A run's folder read with one file of it swapped for another, and put back."""
    good = (run / name).read_bytes()
    try:
        (run / name).write_bytes(content)
        read(run)
    finally:
        (run / name).write_bytes(good)


def _resume(run: Path) -> None:
    checkpoint.resume(run, *train.untrained(SPEC))


def _processed(content: bytes, whole: bytes, folder: Path) -> None:
    """Read as the arrays that were kept of the real data, where there is nothing to make them from."""
    (folder / "processed").mkdir(exist_ok=True)
    made_from = " ".join([str(arrays.VERSION), "stretched", "ratio", *(file.sha256 for file in sources.SOURCES.values())])
    name = f"stretched-ratio-{arrays._digest(made_from.encode())}-{arrays._digest(whole)}.npz"
    (folder / "processed" / name).write_bytes(content)
    nowhere = {"MVAE_DATA": "real", "MVAE_DATA_MIRROR": str(folder / "nowhere")}
    with (
        patch.object(storage, "PROCESSED", folder / "processed"), patch.object(storage, "RAW", folder / "nowhere"),
        patch.object(sources, "offline", "no network is asked"), patch.dict("os.environ", nowhere),
        patch.object(arrays.log, "disabled", True),
    ):  # fmt: skip
        arrays._form.cache_clear()
        try:
            arrays._form(True, "stretched", "ratio")
        finally:
            arrays._form.cache_clear()
    if content != whole:
        raise AssertionError("arrays that are not as they were written were used")


def packed(reader: Reader) -> bytes:
    """The good file, as it lies on a disk."""
    return gzip.compress(reader.good, 1, mtime=0) if reader.packed else reader.good


def mutated(reader: Reader, draw: random.Random) -> bytes:
    """One of the ways in which a file is broken: inside or outside of its packing, once or a few times."""
    inside = reader.packed and draw.random() < 0.5
    content = reader.good if inside else packed(reader)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        content = _broken(content, draw)
    return gzip.compress(content, 1, mtime=0) if inside else content


def _broken(content: bytes, draw: random.Random) -> bytes:
    at = (
        draw.randrange(len(content) + 1) if draw.random() < 0.5 else draw.randrange(min(len(content), 64) + 1)
    )  # headers lie most
    some = draw.randrange(1, 17)
    match draw.randrange(7):
        case 0:  # a bit
            return content[:at] + bytes(byte ^ (1 << draw.randrange(8)) for byte in content[at : at + 1]) + content[at + 1 :]
        case 1:  # bytes of any value
            return content[:at] + draw.randbytes(some) + content[at + some :]
        case 2:  # the values that counts and sizes break at
            return content[:at] + draw.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * some + content[at + some :]
        case 3:  # cut short
            return content[:at]
        case 4:  # a piece is missing
            return content[:at] + content[at + some :]
        case 5:  # a piece is there twice
            return content[: at + some] + content[at:]
        case _:  # a word that text readers trip over
            word = draw.choice((b"NaN", b"-1", b"1e999", b"null", b"[", b'"', b"\xff\xfe", b"9" * 400, b"{}", b"\n", b","))
            return content[:at] + word + content[at + some :]


def fault(reader: Reader, content: bytes) -> str:
    """What the reader did wrong with a file; "" where it read it, or refused it in one short, printable line."""
    try:
        reader.read(content)
    except (sources.DataError, ValueError) as error:
        words = str(error)
        short = max(len(part) for part in words.split("/")) if "/" in words else len(words)  # whatever the folder is called
        if not words.isprintable() or short > LONGEST:
            return f"{type(error).__name__} of {len(words)} characters: {words[:160]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:160]!r}"
    return ""
