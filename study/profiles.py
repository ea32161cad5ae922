"""How much of a preset a machine runs while one watches, and what several parts of the study must agree on."""

import math
import os
import time
from dataclasses import replace
from typing import Any

from mvae_lib.checkpoint import history, load, run_folder
from mvae_lib.data.arrays import REAL
from mvae_lib.model import MVAE
from mvae_lib.pairs import Pairs
from mvae_lib.spec import RunSpec

NAMES = ("farsi", "kannada", "speech")
"""The study's modalities, m1 to m3."""

BUDGET = {"smoke": 4_800, "laptop": 48_000}
"""Tuples that a profile trains on, all epochs together; "full" trains the preset as it is."""

SECONDS = float(os.environ.get("MVAE_SECONDS", 300))
"""That one training before one's eyes may take; `make refresh` sets no limit, so that nothing committed hangs on a clock."""


def for_profile(run: RunSpec, profile: str, tuples: int) -> RunSpec:
    """A preset cut to what a profile's machine does while one watches: the epochs of `tuples` that its budget holds.

    Raises:
        ValueError: there is no such profile.
    """
    if profile not in (*BUDGET, "full"):
        raise ValueError(f"profile is {profile!r}; it takes one of {', '.join(map(repr, (*BUDGET, 'full')))}.")
    spec = run.train
    if profile != "full":
        spec = replace(spec, epochs=max(1, BUDGET[profile] // tuples), patience=0, compile=False)
    return replace(run, name=f"{run.name}_{profile}", train=spec)


def in_time(run: RunSpec, profile: str, pairs: Pairs, watch: Pairs | None = None, **options: Any) -> tuple[MVAE, Any] | None:
    """`train.fit`; or, when its `SECONDS` are over, what its folder holds by then, said in one line. None: no epoch yet."""
    from mvae_lib import train  # late: an explorer, which takes its names from here, trains nothing

    end = math.inf if profile == "full" else time.monotonic() + SECONDS

    def check() -> None:
        if time.monotonic() > end:
            raise TimeoutError

    try:
        return train.fit(run, pairs, watch, after_step=check, **options)
    except TimeoutError:
        print(
            f"{run.name} is stopped after {SECONDS:g} s; it goes on from its last whole epoch. MVAE_SECONDS=1000 gives it more."
        )
    folder = run_folder(run.name, pairs.source, run.train.seed)
    return (load(folder), history(folder)) if (folder / "weights.safetensors").exists() else None


def study_model(profile: str, source: str) -> MVAE:
    """The model that the notebooks look at: the shipped one; on the stand-in, or in the full profile, the one that 03 trained."""
    shipped = source == REAL and profile != "full"
    return load("as_run" if shipped else run_folder(f"as_run_{profile}", source))
