"""Specs: what they refuse, and that JSON brings back the same spec."""

import json
import subprocess
import sys

import pytest

from mvae_lib.presets import AS_RUN, AS_WRITTEN, PRESETS
from mvae_lib.spec import Modality, RunSpec


@pytest.mark.parametrize("run", PRESETS.values(), ids=PRESETS)
def test_json_round_trip(run):
    assert RunSpec.from_json(run.to_json()) == run


def test_presets_are_what_the_report_and_its_notebooks_say():
    farsi, _, speech = AS_RUN.model.modalities
    assert (farsi.encoder, farsi.decoder) == ((2048, 1024, 512), (512,) * 4)
    assert (speech.encoder, speech.decoder, speech.weight) == ((512, 512), (512,) * 3, 100.0)
    assert AS_RUN.model.label_decoder == (512,) * 3 and AS_RUN.model.zero_logvar == "all"
    assert AS_RUN.train.amsgrad and AS_RUN.train.beta_epochs == 200 and AS_RUN.train.patience == 4
    assert AS_WRITTEN.model.label_decoder == () and AS_WRITTEN.model.zero_logvar == "weights"
    assert not AS_WRITTEN.train.amsgrad and AS_WRITTEN.train.beta_epochs == 0 and AS_WRITTEN.train.epochs == 500
    for run in (AS_RUN, AS_WRITTEN):
        assert run.model.latent == 512 and run.train.batch_size == 128 and run.train.learning_rate == 1e-3
        assert run.model.names == ("farsi", "kannada", "speech") and not run.model.batch_norm


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        ("TrainSpec(batch_size=0)", "TrainSpec.batch_size is 0; expected int >= 1."),
        ("TrainSpec(epochs=0)", "TrainSpec.epochs is 0; expected int >= 1."),
        ("TrainSpec(beta=-1.0)", "TrainSpec.beta is -1.0; expected float >= 0.0."),
        ("TrainSpec(learning_rate=float('nan'))", "TrainSpec.learning_rate is nan; expected float > 0.0."),
        ("TrainSpec(min_delta=float('inf'))", "TrainSpec.min_delta is inf; expected float <= 1e+30."),
        ("TrainSpec(seed=99999999999999999999)", "TrainSpec.seed is 99999999999999999999; expected int <= 1099511627776."),
        ("ModelSpec(latent=200_000)", "ModelSpec.latent is 200000; expected int <= 65536."),
        ("Modality('a', 5, 'gaussian')", "Modality.shape is 5; expected array, got int."),
        ("print(Modality('a', [2, 3], 'gaussian', [8]))", str(Modality("a", (2, 3), "gaussian", (8,)))),  # what is meant
        ("Modality('a', (0,), 'gaussian')", "Modality.shape is (0,); expected int >= 1 - at $[0]."),
        ("DataRecipe(split='random')", "DataRecipe.split is 'random'; it takes one of 'as_run', 'as_written', 'by_writer'."),
        (
            "ModelSpec((Modality('a', (2,), 'gaussian'),) * 2)",
            "ModelSpec.modalities has names ['a', 'a']; they must all be different.",
        ),
    ],
)
def test_refuses_in_one_line(made, refusal):
    """In a process of its own, as a user meets it: under pytest, beartype would be there first."""
    code = f"from mvae_lib.spec import *\ntry: {made}\nexcept ValueError as error: print(error)"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == refusal


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"train": {"momentum": 0.9}}, r"no field is called \$.train.momentum"),
        ({"train": {"rebuild": "some"}}, r"Invalid enum value 'some' - at `\$.train.rebuild`"),
        ({"model": {"latent": "x"}}, r"Expected `int`, got `str` - at `\$.model.latent`"),
        ({"model": {"modalities": [{"name": "a"}]}}, r"missing required field `shape` - at `\$.model.modalities\[0\]`"),
        (
            {"model": {"modalities": [{"name": "a", "shape": [2], "likelihood": "gaussian", "colour": 1}]}},
            r"modalities\[0\].colour",
        ),
    ],
)
def test_refuses_json_of_another_form(change, match):
    raw = json.loads(AS_RUN.to_json())
    for part, values in change.items():
        raw[part] |= values
    with pytest.raises(ValueError, match=match) as error:
        RunSpec.from_json(json.dumps(raw))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a/b", "../evil", "..", ".hidden", "a\\b", "a\nb"])
def test_a_run_s_name_is_a_folder_s(name):
    with pytest.raises(ValueError, match="RunSpec.name is .*; it takes a folder's name, without / and no dot first."):
        RunSpec(name=name)


@pytest.mark.parametrize("name", ["", "left.eye", "kl", "7up", "a b", "keys"])
def test_a_modality_s_name_is_a_word_that_nothing_else_has(name):
    with pytest.raises(
        ValueError, match="Modality.name is .*; it takes letters, digits and _, a letter first, and no word of ours"
    ):
        Modality(name, (2,), "gaussian")


def test_a_field_that_was_not_yet_has_its_default():
    raw = json.loads(AS_RUN.to_json())
    del raw["train"]["subsets"], raw["model"]["fusion"], raw["data"]["left_out"]
    assert RunSpec.from_json(json.dumps(raw)) == AS_RUN


def test_features_of_any_rank():
    assert Modality("a", (13, 64), "gaussian").features == 832 and Modality("b", (28, 28), "bernoulli").features == 784
