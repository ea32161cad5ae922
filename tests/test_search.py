"""A search runs, goes on where it stopped, and ends with the best of its trials."""

import math
from dataclasses import replace

import optuna
import pytest
from small import run, triplets

from mvae_lib import data
from mvae_lib.spec import RunSpec
from study.evidence import search


@pytest.fixture
def base(monkeypatch, tmp_path) -> RunSpec:
    """A small spec to vary, on small data, with runs of its own."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    monkeypatch.setattr(data, "load", lambda split, recipe: replace(triplets(split), recipe=recipe))
    monkeypatch.setattr(search, "RUNS", tmp_path)
    return replace(search.BASE, model=run().model, train=replace(search.BASE.train, batch_size=16, precision="float32"))


def test_a_search_goes_on_and_ends_with_the_best_trial(base, tmp_path):
    assert len(search.search(2, base=base)) == 2
    assert len(search.search(4, base=base)) == len(search.search(4, base=base)) == 4
    study = search.study_of()
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(study.trials) == 4 and study.best_value == min(trial.value for trial in done)
    for trial in done:  # each is a run like any other, at the spec that its parameters say
        spec = RunSpec.from_json((tmp_path / f"search-{trial.number}" / "spec.json").read_text())
        assert spec == search.propose(optuna.trial.FixedTrial(trial.params), base)
        assert trial.intermediate_values.keys() == {1, 2} and trial.value == trial.intermediate_values[2]


def test_a_search_that_was_stopped_ends_as_one_that_was_not(base, monkeypatch):
    """And it repeats no trial: a sampler whose seed is always the same would propose its first random trial again."""
    monkeypatch.setattr(search, "STARTUP", 2)
    told = ["state", "how", "value", "learning_rate", "beta", "width"]
    whole = search.search(4, base=base)
    for trials in (1, 3, 4):
        parts = search.search(trials, name="other", base=base)
    assert parts[told].equals(whole[told]) and whole["learning_rate"].nunique() == 4
    assert whole["how"].tolist() == ["random", "random", "proposed", "proposed"]


def test_a_trial_that_diverges_fails_and_the_search_goes_on(base, monkeypatch):
    real, calls = search.train.fit, []

    def fit(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise FloatingPointError("epoch 1: the objective is not finite")
        return real(*args, **kwargs)

    monkeypatch.setattr(search.train, "fit", fit)
    assert search.search(2, base=base)["state"].tolist() == ["fail", "complete"]


def test_a_storage_that_cannot_be_had_or_holds_no_such_search_is_one_line_and_leaves_nothing(base, tmp_path):
    (tmp_path / "file").touch()
    for storage in ("nonsense://", "nonsense", "mysql://nobody@nowhere/x", f"sqlite:///{tmp_path}/file/x.db"):
        for new in (True, False):
            with pytest.raises(ValueError, match="The storage .* cannot be had|There is no search") as caught:
                search.study_of("search", storage, new=new)
            assert "\n" not in str(caught.value) and len(str(caught.value)) <= 200
    for name, words in (("typo", "There is no search 'typo'"), ("../../evil", "it takes a folder's name")):
        with pytest.raises(ValueError, match=words):
            search.study_of(name)
    search.search(1, base=base)
    with pytest.raises(ValueError, match="There is no search 'typo'"):
        search.study_of("typo", f"sqlite:///{tmp_path}/search.db")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["file", "search.db"]


def test_the_search_never_sees_a_test_set(base, monkeypatch):
    assert search.BASE.data.split == "by_writer" and search.BASE.train.epochs <= 5
    loaded, load = [], data.load
    monkeypatch.setattr(data, "load", lambda split, recipe: loaded.append((split, recipe.split)) or load(split, recipe))
    search.search(1, base=base)
    assert loaded == [("train", "by_writer"), ("val", "by_writer")]


def by_hand(values: list[float | None]) -> optuna.Study:
    """A study of trials that were never run: the value depends on the learning rate alone; None: pruned after an epoch."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study()
    for i, value in enumerate(values):
        trial = study.ask()
        search.propose(trial)
        trial.report(50.0 + i, 1)
        if value is not None:
            trial.report(value, 2)
        study.tell(trial, *([value] if value is not None else [None, optuna.trial.TrialState.PRUNED]))
    return study


def test_the_table_of_trials_says_how_far_each_came_and_what_was_best_so_far():
    table = search.trials_table(by_hand([30.0, None, 40.0, 20.0]))
    assert table["state"].tolist() == ["complete", "pruned", "complete", "complete"]
    assert table["value"].tolist() == [30.0, 51.0, 40.0, 20.0] and table["epochs"].tolist() == [2, 1, 2, 2]
    assert table["best"].tolist() == [30.0, 30.0, 30.0, 20.0]
    assert list(table.columns[:6]) == ["trial", "state", "value", "best", "epochs", "how"]
    assert set(table["how"]) == {"random"}, "by default ten trials are drawn before one is proposed"
    assert {"learning_rate", "beta", "width"} <= set(table.columns)


def test_the_winner_is_the_best_trial_s_spec():
    study = by_hand([30.0, 10.0, 20.0])
    assert search.winner(study) == search.propose(optuna.trial.FixedTrial(study.trials[1].params))


@pytest.mark.parametrize("matters", ["learning_rate", "latent"])
def test_importance_goes_to_the_one_parameter_that_matters(matters):
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(60):
        trial = study.ask()
        search.propose(trial)
        study.tell(
            trial, abs(math.log10(trial.params["learning_rate"]) + 3) if matters == "learning_rate" else trial.params["latent"]
        )
    table = search.importance_table(study, resamples=4).set_index("parameter")
    assert table.index[0] == matters and table["importance"].iloc[0] > 0.7 and table["importance"].sum() == pytest.approx(1.0)
    assert (table["low"] <= table["high"]).all() and set(table["trials"]) == {60} and set(table["resamples"]) == {4}
    assert table["low"].iloc[0] > table["high"].iloc[1], "sixty trials can tell one that matters from the rest"
