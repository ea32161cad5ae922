"""What a profile leaves of a preset, and which model the notebooks look at."""

from dataclasses import replace

import pytest
import small
import torch

from mvae_lib import PRESETS, build, checkpoint, train
from mvae_lib.data.arrays import REAL, STANDIN
from study import profiles


@pytest.mark.parametrize("name", PRESETS)
def test_a_profile_cuts_epochs_and_what_takes_a_minute_to_begin(name):
    preset = PRESETS[name]
    laptop, smoke, full = (profiles.for_profile(preset, profile, 48_000) for profile in ("laptop", "smoke", "full"))
    assert (laptop.train.epochs, smoke.train.epochs, full.train) == (1, 1, preset.train)
    assert preset.train.compile and full.train.compile and not laptop.train.compile and laptop.train.patience == 0
    assert profiles.for_profile(preset, "laptop", 12_000).train.epochs == 4
    assert (laptop.name, laptop.model, laptop.data) == (f"{name}_laptop", preset.model, preset.data)


def test_a_profile_that_is_none():
    with pytest.raises(ValueError, match="profile is 'desktop'; it takes one of 'smoke', 'laptop', 'full'"):
        profiles.for_profile(PRESETS["as_run"], "desktop", 48_000)


@pytest.mark.parametrize(
    ("profile", "source", "shipped"), [("laptop", REAL, True), ("full", REAL, False), ("smoke", STANDIN, False)]
)
def test_the_study_s_model_is_the_shipped_one_where_it_knows_the_data(profile, source, shipped, monkeypatch):
    asked, model = [], build(small.run())
    monkeypatch.setattr(profiles, "load", lambda name: asked.append(name) or model)
    assert profiles.study_model(profile, source) is model
    folder = f"as_run_{profile}-{source.split()[0]}-0"
    assert asked[0] == "as_run" if shipped else asked[0].name == folder


def test_a_training_that_takes_too_long_ends_where_its_folder_is_and_says_so(monkeypatch, tmp_path, capsys):
    """The next time it goes on from there; in the full profile there is no limit."""
    monkeypatch.setattr(checkpoint, "RUNS", tmp_path)
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    run, pairs = small.run(epochs=3), small.triplets()
    monkeypatch.setattr(profiles, "SECONDS", -1.0)
    assert profiles.in_time(run, "laptop", pairs, bar=False) is None
    assert capsys.readouterr().out.startswith("small is stopped after -1 s; it goes on from")
    monkeypatch.setattr(profiles, "SECONDS", 600.0)
    assert profiles.in_time(replace(run, train=replace(run.train, epochs=1)), "laptop", pairs, bar=False)[0].epochs == 1
    monkeypatch.setattr(profiles, "SECONDS", -1.0)
    model, rows = profiles.in_time(run, "laptop", pairs, bar=False)
    assert model.epochs == 1 and rows["epoch"].unique().tolist() == [1]
    model, rows = profiles.in_time(run, "full", pairs, bar=False)
    undisturbed, whole = train.fit(run, pairs, None, tmp_path / "undisturbed", bar=False)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), undisturbed.parameters(), strict=True))
    assert capsys.readouterr().out.count("\n") == 1


def test_the_modalities_are_the_presets():
    assert all(preset.model.names == profiles.NAMES for preset in PRESETS.values())
