"""How much of a preset a machine runs while one watches, and what several parts of the study must agree on."""

from dataclasses import replace

from mvae_lib.checkpoint import load, run_folder
from mvae_lib.data.arrays import REAL
from mvae_lib.model import MVAE
from mvae_lib.spec import RunSpec

NAMES = ("farsi", "kannada", "speech")
"""The study's modalities, m1 to m3."""

BUDGET = {"smoke": 4_800, "laptop": 48_000}
"""Tuples that a profile trains on, all epochs together; "full" trains the preset as it is."""


def for_profile(run: RunSpec, profile: str, tuples: int) -> RunSpec:
    """A preset cut to what a profile's machine does while one watches: the epochs of `tuples` that its budget holds.

    Raises:
        ValueError: there is no such profile.
    """
    if profile not in (*BUDGET, "full"):
        raise ValueError(f"profile is {profile!r}; it takes one of {', '.join(map(repr, (*BUDGET, 'full')))}.")
    train = run.train
    if profile != "full":
        train = replace(train, epochs=max(1, BUDGET[profile] // tuples), patience=0, compile=False)
    return replace(run, name=f"{run.name}_{profile}", train=train)


def study_model(profile: str, source: str) -> MVAE:
    """The model that the notebooks look at: the shipped one; on the stand-in, or in the full profile, the one that 03 trained."""
    shipped = source == REAL and profile != "full"
    return load("as_run" if shipped else run_folder(f"as_run_{profile}", source))
