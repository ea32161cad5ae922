"""What a profile leaves of a preset, and which model the notebooks look at."""

import pytest
import small

from mvae_lib import PRESETS, build
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


def test_the_modalities_are_the_presets():
    assert all(preset.model.names == profiles.NAMES for preset in PRESETS.values())
