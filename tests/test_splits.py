"""Who is in which split, how speech is scaled, and where a triplet came from."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import needs_real

from mvae_lib import data
from mvae_lib.data import arrays, digits, sources, speech
from mvae_lib.presets import AS_RUN, AS_WRITTEN
from mvae_lib.spec import DataRecipe

Load = Callable[..., data.Triplets]
SPLITS = {"as_run": ("train", "val"), "as_written": ("train",), "by_writer": ("train", "val")}
EACH = {  # a digit, in the real data
    ("as_run", "train"): 4800,
    ("as_run", "val"): 1200,
    ("as_written", "train"): 6000,
    ("by_writer", "train"): 4736,
    ("by_writer", "val"): 1264,
}
TAKES = {
    "as_run": (range(5, 50), range(5, 50)),
    "as_written": (range(5, 50), range(0)),
    "by_writer": (range(10, 50), range(5, 10)),
}


def recipe(split: str) -> DataRecipe:
    return DataRecipe(split=split)  # type: ignore[arg-type]


def takes_of(triplets: data.Triplets) -> set[int]:
    return {int(name.removesuffix(".wav").split("_")[2]) for name in triplets.speech_names}


# --- splits


@needs_real
@pytest.mark.parametrize(("split", "part"), EACH)
def test_train_and_val_have_the_size_that_the_design_says(split_of: Load, split: str, part: str) -> None:
    triplets = split_of("real", part, recipe(split))
    each = EACH[split, part]
    assert len(triplets) == 10 * each and torch.bincount(triplets.labels).tolist() == [each] * 10
    for name in ("farsi", "kannada"):
        assert torch.bincount(triplets.pool_labels[name]).tolist() == [each] * 10
    takes = TAKES[split][part == "val"]
    assert takes_of(triplets) == set(takes)
    recordings = {("as_run", "train"): 216, ("as_run", "val"): 54}.get((split, part), 6 * len(takes))  # as_run: 80 % and 20 %
    assert torch.bincount(triplets.pool_labels["speech"]).tolist() == [recordings] * 10
    assert triplets.source == "real data"


@needs_real
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("part", "each"), [("test", 1000), ("test_dig", 1024)])
def test_the_tests_have_the_size_that_the_design_says(split_of: Load, split: str, part: str, each: int) -> None:
    triplets = split_of("real", part, recipe(split))
    assert torch.bincount(triplets.labels).tolist() == [each] * 10
    assert sorted(triplets.rows[:, 1].tolist()) == list(range(10 * each)), "all of Kannada's"
    assert len(triplets.pools["farsi"]) == 10 * each and takes_of(triplets) == set(range(5))
    assert torch.equal(triplets.rows, split_of("real", part).rows), "the same in every recipe"


def test_the_standin_is_a_tenth_of_it(split_of: Load) -> None:
    for (split, part), each in EACH.items():
        counts = torch.bincount(split_of("standin", part, recipe(split)).labels).tolist()
        assert all(abs(count - each / 10) <= 1 for count in counts), (split, part)
    assert len(split_of("standin", "test")) == 1000 and len(split_of("standin", "test_dig")) == 1020
    assert split_of("standin", "train").source == "stand-in"


@pytest.mark.parametrize("split", SPLITS)
def test_no_sample_crosses_a_split(split_of: Load, world: str, split: str) -> None:
    parts = {part: split_of(world, part, recipe(split)) for part in SPLITS[split]}
    images = {name: [set(triplets.origin[name].tolist()) for triplets in parts.values()] for name in ("farsi", "kannada")}
    for name, pools in images.items():  # train and val are cut from one file, the tests from another
        assert sum(map(len, pools)) == len(set().union(*pools)), f"{name}: an image is in train and in val"
    sounds = [set(triplets.speech_names) for triplets in (*parts.values(), split_of(world, "test", recipe(split)))]
    assert sum(map(len, sounds)) == len(set().union(*sounds)), "a recording is in two splits"


def test_by_writer_holds_out_whole_writers(split_of: Load, world: str) -> None:
    held = split_of(world, "val", recipe("by_writer")).origin["kannada"]
    block = {"real": 1280, "standin": 128}[world]
    assert held.tolist() == list(range(37 * block, 46 * block + block * 7 // 8)), "nine writers and the short one"
    assert not set(held // block) & set(split_of(world, "train", recipe("by_writer")).origin["kannada"] // block)


def test_the_seed_makes_the_split(split_of: Load) -> None:
    first, second = split_of("standin", "val"), split_of("standin", "val", DataRecipe(seed=1))
    for name in ("farsi", "kannada", "speech"):
        assert set(first.origin[name]) != set(second.origin[name])


def test_loading_is_a_pure_function(split_of: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    np.random.seed(1)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again, first = data.load("val"), split_of("standin", "val")
    assert torch.equal(again.rows, first.rows) and all(torch.equal(again.pools[k], first.pools[k]) for k in first.pools)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("split", ["valid", ""])
def test_an_unknown_split_is_refused(split: str) -> None:
    with pytest.raises(ValueError, match="'train', 'val', 'test', 'test_dig'"):
        data.load(split)


def test_as_written_has_no_val() -> None:
    with pytest.raises(ValueError, match="as_written recipe trains on all 60,000 and has no 'val'"):
        data.load("val", AS_WRITTEN.data)


# --- a speaker left out


def test_a_speaker_left_out_is_heard_in_the_tests_alone(split_of: Load, world: str) -> None:
    def speakers(triplets: data.Triplets) -> set[str]:
        return {name.split("_")[1] for name in triplets.speech_names}

    everyone = speakers(split_of(world, "train", recipe("by_writer")))
    out = sorted(everyone)[2]
    left = DataRecipe(split="by_writer", left_out=out)
    for part in ("train", "val"):
        heard, usual = split_of(world, part, left), split_of(world, part, recipe("by_writer"))
        assert speakers(heard) == everyone - {out} and takes_of(heard) == takes_of(usual)
        for name in ("farsi", "kannada"):
            assert torch.equal(heard.pools[name], usual.pools[name]), "the images stay where they were"
    for part in ("test", "test_dig"):
        heard = split_of(world, part, left)
        assert speakers(heard) == {out} and set(heard.pool_labels["speech"].tolist()) == set(range(10))
    own = split_of(world, "train", left)
    assert not torch.equal(own.scaler["offset"], split_of(world, "train", recipe("by_writer")).scaler["offset"]), "fitted without"


def test_there_is_no_leaving_out_of_nobody(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", world)
    with pytest.raises(ValueError, match="'nobody'; the speakers are"):
        data.load("train", DataRecipe(left_out="nobody"))


# --- scalers and means


@pytest.mark.parametrize("view", ["ratio", "mean", "frames"])
def test_the_scaler_is_fitted_on_training_recordings_alone(monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    form = DataRecipe(speech=view)  # type: ignore[arg-type]
    train, test = data.load("train", form), data.load("test", form)
    given, _ = arrays.arrays("stretched", view)
    raw = given["speech"][np.isin(given["names"], train.speech_names)].astype(np.float64)
    axes = (0, 2) if view == "frames" else 0
    offset, scale = (raw.min(0), np.ptp(raw, axis=0)) if view == "ratio" else (raw.mean(axes), raw.std(axes))
    for triplets in (train, test):
        np.testing.assert_allclose(triplets.scaler["offset"].flatten(), offset, rtol=1e-4)
        np.testing.assert_allclose(triplets.scaler["scale"].flatten(), scale, rtol=1e-4)
        assert triplets.pools["speech"].shape[1:] == ((13, 64) if view == "frames" else (13,))
    back = train.pools["speech"] * train.scaler["scale"] + train.scaler["offset"]
    np.testing.assert_allclose(back, raw, rtol=1e-3, atol=1e-3)


@needs_real
def test_real_ratios_are_in_the_unit_interval_on_train_and_unclipped_elsewhere(split_of: Load) -> None:
    train, test = (split_of("real", part, AS_RUN.data).pools["speech"] for part in ("train", "test"))
    torch.testing.assert_close(train.min(0).values, torch.zeros(13), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.max(0).values, torch.ones(13), atol=1e-6, rtol=0)
    assert test.min() < 0 or test.max() > 1


@needs_real
def test_the_class_mean_is_as_good_as_the_report_when_nothing_was_given(split_of: Load) -> None:
    """Its Table 2, where a modality is missing: BCE 348.7 and 135.4, SSE 0.133; the class mean, told the label, is the limit."""
    train = split_of("real", "train", AS_RUN.data)
    means = train.class_means()
    bce = {"farsi": 0.0, "kannada": 0.0}
    sse = 0.0
    for x, y in train.batches(4000, None):
        for name in bce:
            guess = means[name][y].clamp(1e-7, 1 - 1e-7)
            bce[name] += torch.nn.functional.binary_cross_entropy(guess, x[name], reduction="sum").item() / len(train)
        sse += (means["speech"][y] - x["speech"]).square().sum().item() / len(train)
    assert bce["farsi"] == pytest.approx(348.7, rel=0.02) and bce["kannada"] == pytest.approx(135.4, rel=0.01)
    assert sse == pytest.approx(0.133, rel=0.1)


# --- where a triplet came from


@needs_real
def test_a_triplet_can_be_traced_to_its_files(split_of: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    train = split_of("real", "train", AS_RUN.data)
    crops, labels = data.farsi_crops(60_000)
    kannada = digits.read_idx(sources.find(sources.SOURCES["kannada_train_images"]))
    recordings = data.recordings()
    sounds = {recording.name: recording for recording in recordings}
    for i in (0, 201, 47_999):
        came, (farsi, grey, spoken) = train.origins(i), train.rows[i].tolist()
        assert labels[came["farsi"]] == sounds[came["speech"]].digit == train.labels[i]
        np.testing.assert_array_equal(train.pools["farsi"][farsi], digits.stretch(crops[came["farsi"]]).ravel())
        np.testing.assert_array_equal(train.pools["kannada"][grey], kannada[came["kannada"]].ravel())
        raw = torch.from_numpy(speech.ratio(sounds[came["speech"]].samples))
        torch.testing.assert_close(train.pools["speech"][spoken], (raw - train.scaler["offset"]) / train.scaler["scale"])
        assert recordings[train.origin["speech"][spoken]].name == came["speech"]
