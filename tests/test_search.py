"""A search runs, goes on where it stopped, and ends with the best of its trials."""

from dataclasses import replace

import optuna
import pytest
from small import run, triplets

from mvae_lib import search
from mvae_lib.spec import RunSpec


@pytest.fixture(scope="module")
def base() -> RunSpec:
    return replace(search.BASE, model=run().model, train=replace(search.BASE.train, epochs=2, batch_size=16, precision="float32"))


def test_a_search_goes_on_and_ends_with_the_best_trial(tmp_path, base):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    where = {"base": base, "folder": tmp_path}
    assert len(search.search(triplets(), triplets("val"), 2, **where).trials) == 2
    study = search.search(triplets(), triplets("val"), 2, **where)
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(study.trials) == 4 and study.best_value == min(trial.value for trial in done)
    for trial in done:  # each is a run like any other, at the spec that its parameters say
        spec = RunSpec.from_json((tmp_path / f"search-{trial.number}" / "spec.json").read_text())
        assert spec == search.propose(optuna.trial.FixedTrial(trial.params), base)
        assert trial.intermediate_values.keys() == {1, 2} and trial.value == trial.intermediate_values[2]


def test_a_trial_that_diverges_fails_and_the_search_goes_on(tmp_path, base, monkeypatch):
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    real, calls = search.train.fit, []

    def fit(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise FloatingPointError("epoch 1: the objective is not finite")
        return real(*args, **kwargs)

    monkeypatch.setattr(search.train, "fit", fit)
    study = search.search(triplets(), triplets("val"), 2, base=base, folder=tmp_path)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]


def test_the_search_never_sees_a_test_set():
    assert search.BASE.data.split == "by_writer" and search.BASE.train.epochs <= 5
