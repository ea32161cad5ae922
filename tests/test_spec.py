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


def test_a_field_that_was_not_yet_has_its_default():
    raw = json.loads(AS_RUN.to_json())
    del raw["train"]["subsets"], raw["model"]["fusion"], raw["data"]["left_out"]
    assert RunSpec.from_json(json.dumps(raw)) == AS_RUN


def test_features_of_any_rank():
    assert Modality("a", (13, 64), "gaussian").features == 832 and Modality("b", (28, 28), "bernoulli").features == 784
