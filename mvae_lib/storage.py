"""Where the library's files lie, and the one way to write them."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BESIDE = Path(__file__).resolve().parents[1]
ROOT = _BESIDE if (_BESIDE / "pyproject.toml").is_file() else None
"""The repository, where the library is used from it; None where it was installed elsewhere."""

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "mvae_lib"
HOME = Path(os.environ.get("MVAE_HOME") or (ROOT / "data" if ROOT else _CACHE)).expanduser().resolve()
"""For data and runs: ``MVAE_HOME``, else the repository's ``data``, else a folder in the user's cache."""
RAW, PROCESSED, RUNS, PRETRAINED = (HOME / name for name in ("raw", "processed", "runs", "pretrained"))


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Write beside `path`, then rename: a reader, or a crash, finds the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        writer(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def advice(error: OSError) -> str:
    """What to do where a file cannot be written, in a sentence; "" where the reason is another than room and rights."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Set MVAE_HOME to a folder that you may write in, then run again."
    return "Make room there, then run again." if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ""
