"""Who is in which split, what a triplet is, what a batch holds, and which data it all comes from."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIRROR, needs_real
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mvae_lib import data
from mvae_lib.data import digits, sets, sources, speech
from mvae_lib.spec import AS_RUN, AS_WRITTEN, DataRecipe

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
    "as_run": (range(10, 50), range(5, 10)),
    "as_written": (range(5, 50), range(0)),
    "by_writer": (range(10, 50), range(5, 10)),
}


def recipe(split: str) -> DataRecipe:
    return DataRecipe(split=split)  # type: ignore[arg-type]


def takes_of(triplets: data.Triplets) -> set[int]:
    return {int(name.removesuffix(".wav").split("_")[2]) for name in triplets.speech_names}


@pytest.fixture(scope="module")
def small() -> Iterator[data.Triplets]:
    """The stand-in's train split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "standin")
        yield data.load("train")


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
    assert takes_of(triplets) == set(takes) and len(triplets.speech_names) == 60 * len(takes)
    assert triplets.source == "real data"


@needs_real
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("part", "each"), [("test", 1000), ("test_dig", 1024)])
def test_the_tests_have_the_size_that_the_design_says(split_of: Load, split: str, part: str, each: int) -> None:
    triplets = split_of("real", part, recipe(split))
    assert torch.bincount(triplets.labels).tolist() == [each] * 10
    assert sorted(triplets.pairs[:, 1].tolist()) == list(range(10 * each)), "all of Kannada's"
    assert len(triplets.pools["farsi"]) == 10 * each and takes_of(triplets) == set(range(5))
    assert torch.equal(triplets.pairs, split_of("real", part).pairs), "the same in every recipe"


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
    for name in ("farsi", "kannada"):
        assert set(first.origin[name]) != set(second.origin[name])


def test_loading_is_a_pure_function(split_of: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    np.random.seed(1)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again, first = data.load("val"), split_of("standin", "val")
    assert torch.equal(again.pairs, first.pairs) and all(torch.equal(again.pools[k], first.pools[k]) for k in first.pools)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("split", ["valid", ""])
def test_an_unknown_split_is_refused(split: str) -> None:
    with pytest.raises(ValueError, match="'train', 'val', 'test', 'test_dig'"):
        data.load(split)


def test_as_written_has_no_val() -> None:
    with pytest.raises(ValueError, match="as_written recipe trains on all 60,000 and has no 'val'"):
        data.load("val", AS_WRITTEN.data)


# --- triplets


@pytest.mark.parametrize("part", ["train", "val", "test", "test_dig"])
def test_a_triplet_is_three_samples_of_one_digit(split_of: Load, world: str, part: str) -> None:
    triplets = split_of(world, part)
    for m, name in enumerate(("farsi", "kannada", "speech")):
        assert torch.equal(triplets.pool_labels[name][triplets.pairs[:, m]], triplets.labels)
    for image in (0, 1):
        assert len(triplets.pairs[:, image].unique()) == len(triplets), "images without replacement"
    assert len(triplets.pairs[:, 2].unique()) < len(triplets), "speech with"
    assert (triplets.labels[:200].bincount(minlength=10) > 0).all(), "not in the order of the digits"


def test_train_is_paired_anew_each_epoch(split_of: Load, world: str) -> None:
    train = split_of(world, "train")
    third = train.repaired(3)
    assert torch.equal(third.pairs, train.repaired(3).pairs) and torch.equal(train.repaired(0).pairs, train.pairs)
    assert not torch.equal(third.pairs, train.repaired(4).pairs)
    partner = [dict(t.pairs[:, :2].tolist()) for t in (train, third)]
    same = np.mean([partner[0][row] == partner[1][row] for row in partner[0]])
    assert same < 0.02, "another partner for nearly every image"
    assert third.pools is train.pools
    for part in ("val", "test", "test_dig"):
        assert split_of(world, part).repaired(3) is split_of(world, part)


def test_pairing_depends_on_the_seed(small: data.Triplets, split_of: Load) -> None:
    assert not torch.equal(small.pairs, split_of("standin", "train", DataRecipe(seed=1)).pairs)


def by_hand(triplets: data.Triplets, i: int) -> dict[str, Tensor]:
    rows = triplets.pairs[i].tolist()
    farsi, kannada, spoken = (triplets.pools[name][row] for name, row in zip(triplets.pools, rows, strict=True))
    return {"farsi": farsi / 255, "kannada": kannada / 255, "speech": spoken}


def test_gather_takes_those_rows(small: data.Triplets) -> None:
    for index in ([5, 0, 5], torch.tensor([5, 0, 5])):
        x, y = small.gather(index)
        assert list(x) == ["farsi", "kannada", "speech"] and x["farsi"].dtype == torch.float32
        for place, i in enumerate((5, 0, 5)):
            assert y[place] == small.labels[i]
            for name, expected in by_hand(small, i).items():
                torch.testing.assert_close(x[name][place], expected)
    x, _ = small.gather(slice(2, 4))
    before = small.pools["speech"].clone()
    x["speech"].zero_()
    assert torch.equal(small.pools["speech"], before), "a batch is its own"


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 700), st.one_of(st.none(), st.integers(0, 2**40)))
def test_batches_hold_each_triplet_once(small: data.Triplets, size: int, seed: int | None) -> None:
    found = list(small.batches(size, seed))
    assert [len(y) for _, y in found[:-1]] == [size] * (len(found) - 1) and 0 < len(found[-1][1]) <= size
    labels = torch.cat([y for _, y in found])
    means = torch.cat([x["farsi"].mean(1) for x, _ in found])
    whole = small.gather(slice(None))[0]["farsi"].mean(1)
    if seed is None:
        assert torch.equal(labels, small.labels) and torch.equal(means, whole)
    else:
        assert not torch.equal(labels, small.labels) and torch.equal(means.sort().values, whole.sort().values)
        assert torch.equal(labels, torch.cat([y for _, y in small.batches(size, seed)]))


def test_a_further_modality_has_the_same_digit(split_of: Load) -> None:
    for part in ("train", "test"):
        three, sound = split_of("standin", part), split_of("standin", part, DataRecipe(speech="frames"))
        four = three.with_modality("sound", sound.pools["speech"], sound.pool_labels["speech"])
        assert torch.equal(four.pairs[:, :3], three.pairs)
        for drawn in (four, four.repaired(2)):
            x, y = drawn.gather([0, 7])
            assert x["sound"].shape == (2, 13, 64) and torch.equal(y, drawn.labels[[0, 7]])
            assert torch.equal(sound.pool_labels["speech"][drawn.pairs[:, 3]], drawn.labels)
        assert torch.equal(four.repaired(2).pairs[:, :3], three.repaired(2).pairs)
        assert torch.equal(four.repaired(2).pairs[:, 3], four.pairs[:, 3]) == (part == "test")
        assert list(four.class_means()) == ["farsi", "kannada", "speech", "sound"]


def test_to_moves_every_tensor(small: data.Triplets) -> None:
    moved = small.to("meta")
    tensors = [moved.pairs, moved.labels, *moved.pools.values(), *moved.pool_labels.values(), *moved.scaler.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"} and len(moved) == len(small)


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
    arrays, _ = sets.arrays("stretched", view)
    raw = arrays["speech"][arrays["takes"] >= 10].astype(np.float64)
    axes = (0, 2) if view == "frames" else 0
    offset, scale = (raw.min(0), np.ptp(raw, axis=0)) if view == "ratio" else (raw.mean(axes), raw.std(axes))
    for triplets in (train, test):
        np.testing.assert_allclose(triplets.scaler["offset"].flatten(), offset, rtol=1e-4)
        np.testing.assert_allclose(triplets.scaler["scale"].flatten(), scale, rtol=1e-4)
        assert triplets.pools["speech"].shape[1:] == speech.VIEWS[view][1]
    back = train.pools["speech"] * train.scaler["scale"] + train.scaler["offset"]
    np.testing.assert_allclose(back, raw, rtol=1e-3, atol=1e-3)


@needs_real
def test_real_ratios_are_in_the_unit_interval_on_train_and_unclipped_elsewhere(split_of: Load) -> None:
    train, test = (split_of("real", part, AS_RUN.data).pools["speech"] for part in ("train", "test"))
    torch.testing.assert_close(train.min(0).values, torch.zeros(13), atol=1e-6, rtol=0)
    torch.testing.assert_close(train.max(0).values, torch.ones(13), atol=1e-6, rtol=0)
    assert test.min() < 0 or test.max() > 1


def test_means_are_those_of_the_pools(split_of: Load, world: str) -> None:
    triplets = split_of(world, "val")
    class_means, global_means = triplets.class_means(), triplets.global_means()
    for name, pool in triplets.pools.items():
        values = pool.numpy().astype(np.float64) / (255 if name != "speech" else 1)
        np.testing.assert_allclose(global_means[name], values.mean(0), atol=1e-6)
        for digit in range(10):
            mine = values[triplets.pool_labels[name].numpy() == digit]
            np.testing.assert_allclose(class_means[name][digit], mine.mean(0), atol=1e-6)
        assert class_means[name].shape == (10, *pool.shape[1:])


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
        came, (farsi, grey, spoken) = train.rows(i), train.pairs[i].tolist()
        assert labels[came["farsi"]] == sounds[came["speech"]].digit == train.labels[i]
        np.testing.assert_array_equal(train.pools["farsi"][farsi], digits.stretch(crops[came["farsi"]]).ravel())
        np.testing.assert_array_equal(train.pools["kannada"][grey], kannada[came["kannada"]].ravel())
        raw = torch.from_numpy(speech.ratio(sounds[came["speech"]].samples))
        torch.testing.assert_close(train.pools["speech"][spoken], (raw - train.scaler["offset"]) / train.scaler["scale"])
        assert recordings[train.origin["speech"][spoken]].name == came["speech"]


# --- which data


@pytest.fixture(scope="module")
def kept(split_of: Load, processed: Path) -> Path:
    """The real data's processed arrays."""
    split_of("real", "train")
    (path,) = processed.glob("stretched-ratio-*.npz")
    return path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No raw file, no mirror, no network, nothing processed."""
    monkeypatch.setattr(sources, "RAW", tmp_path / "raw")
    monkeypatch.setattr(sources, "PROCESSED", tmp_path / "processed")
    monkeypatch.setattr(sources, "offline", "refused")
    monkeypatch.delenv("MVAE_DATA_MIRROR", raising=False)
    monkeypatch.setenv("MVAE_DATA", "auto")
    sets._real.cache_clear()
    yield tmp_path
    sets._real.cache_clear()


def test_the_standin_steps_in_aloud(nothing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.source() == "stand-in" and not data.is_real() and capsys.readouterr().out == ""
    triplets = data.load("test")
    said = capsys.readouterr().out
    assert triplets.source == "stand-in"
    assert "Data_hoda_full.mat" in said and "refused" in said and "STAND-IN" in said
    assert len(data.recordings()) == 1200
    crops, labels = data.farsi_crops(7)
    assert len(crops) == len(labels) == 7 and len({crop.shape for crop in crops}) > 1


def test_real_means_real(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    assert data.source() == "real data"
    with pytest.raises(data.NoData, match="Data_hoda_full.mat"):
        data.load("test")
    with pytest.raises(data.NoData, match="free-spoken-digit"):
        data.recordings()


def test_a_bad_raw_file_does_not_lead_to_the_standin(nothing: Path) -> None:
    bad = nothing / "raw/farsi/Data_hoda_full.mat"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"not it")
    with pytest.raises(data.DataError, match="6 bytes; expected 3,989,009"):
        data.load("train")


def test_standin_on_request_says_nothing(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MVAE_DATA", "standin")
    assert data.load("test").source == data.source() == "stand-in"
    assert capsys.readouterr().out == ""


def test_a_wrong_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_DATA", "fake")
    with pytest.raises(ValueError, match="MVAE_DATA is 'fake'"):
        data.load("train")


@needs_real
def test_processed_arrays_stand_in_for_the_raw_files(
    split_of: Load, kept: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where MVAE_DATA=real asks for it. Else the files decide: a study must not begin on real digits and end without sound."""
    before = split_of("real", "train")
    copy = nothing / "processed" / kept.name
    copy.parent.mkdir()
    copy.write_bytes(kept.read_bytes())
    assert data.source() == data.load("test").source == "stand-in"
    capsys.readouterr()
    monkeypatch.setenv("MVAE_DATA", "real")
    assert data.source() == "real data"
    after = data.load("train")
    assert after.source == "real data" and torch.equal(after.pairs, before.pairs)
    assert all(torch.equal(after.pools[name], before.pools[name]) for name in before.pools)
    assert capsys.readouterr().out == "", "no raw file was looked for"


@needs_real
@pytest.mark.parametrize("fault", ["cut", "flipped", "another file"])
def test_broken_processed_arrays_are_made_again_aloud(
    kept: Path, nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    monkeypatch.setenv("MVAE_DATA", "real")
    whole = kept.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    path = nothing / "processed" / kept.name
    path.parent.mkdir()
    path.write_bytes({"cut": whole[:-1000], "flipped": flipped, "another file": b"not an archive"}[fault])
    with pytest.raises(data.NoData):  # there is nothing to make it from
        data.load("test")
    said = capsys.readouterr().out
    assert f"{path}: broken" in said and "making it again" in said


@needs_real
def test_broken_processed_arrays_are_replaced(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "RAW", sources.DATA / "raw")
    monkeypatch.setenv("MVAE_DATA_MIRROR", MIRROR)
    monkeypatch.setitem(speech.VIEWS, "ratio", (lambda samples: np.resize(samples, 13).astype(np.float32), (13,)))  # quick
    path = sets._cache("stretched", "ratio", sources.SOURCES["farsi_train"])
    path.parent.mkdir()
    path.write_bytes(b"not an archive")
    assert data.load("test").source == "real data"
    assert "broken" in capsys.readouterr().out
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no temporary file is left"
    sets._real.cache_clear()
    assert len(data.load("test")) == 10_000 and capsys.readouterr().out == ""
