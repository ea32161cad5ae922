"""A hyper-parameter search. Each trial is a run like any other: a search that was stopped goes on with the same command."""

from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from sklearn.utils import resample
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from mvae_lib import data, train
from mvae_lib.presets import AS_WRITTEN
from mvae_lib.spec import RunSpec
from mvae_lib.storage import RUNS

# What is varied: the small networks, on the split by writers, two epochs; nothing of the test sets is ever looked at.
_LEARNING = replace(AS_WRITTEN.train, epochs=2, compile=False)
BASE = replace(AS_WRITTEN, name="search", data=replace(AS_WRITTEN.data, split="by_writer"), train=_LEARNING)
STARTUP = 10  # This many trials are drawn at random before Optuna's sampler proposes any


def propose(trial: optuna.trial.BaseTrial, base: RunSpec = BASE) -> RunSpec:
    """A trial's spec: learning rate, batch size, beta, latent size, the networks' width, activation and logvar heads."""
    pick = trial.suggest_categorical
    width, latent = pick("width", [256, 512, 1024]), pick("latent", [16, 64, 256, 512])
    activation, heads = pick("activation", ["swish", "mish", "relu"]), pick("zero_logvar", ["none", "weights", "all"])
    networks = tuple(replace(m, encoder=(width, width), decoder=(width, width)) for m in base.model.modalities)
    model = replace(base.model, latent=latent, activation=activation, zero_logvar=heads, modalities=networks)
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    batch, beta = pick("batch_size", [64, 128, 256]), trial.suggest_float("beta", 0.05, 4.0, log=True)
    return replace(base, model=model, train=replace(base.train, learning_rate=rate, batch_size=batch, beta=beta))


def study_of(name: str = "search", storage: str | None = None, new: bool = False) -> optuna.Study:
    """The Optuna study of that name; by default in an SQLite file beside the runs. `new`: it may be one that is not there yet.
    ValueError, and nothing is made: no such study, a name that no folder can have, or a storage that cannot be had."""
    url = storage or f"sqlite:///{RUNS / (RunSpec(name=name).name + '.db')}"
    try:
        if new:
            RUNS.mkdir(parents=True, exist_ok=True)
            pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
            return optuna.create_study(storage=url, pruner=pruner, study_name=name, load_if_exists=True)
        if url.startswith("sqlite") and not Path(make_url(url).database or "").is_file():  # SQLite would make it
            raise KeyError
        return optuna.load_study(storage=url, study_name=name)
    except KeyError:
        raise ValueError(f"There is no search {name!r:.40} in {url:.80}; begin one: python -m study.evidence search.") from None
    except (SQLAlchemyError, ImportError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"The storage {url:.60} cannot be had ({why:.60}); take one like sqlite:////tmp/search.db.") from None


def search(trials: int = 40, storage: str | None = None, name: str = "search", base: RunSpec = BASE) -> pd.DataFrame:
    """Try specs until so many trials have ended, for the least negative ELBO on the validation writers; `trials_table` of all.
    The first `STARTUP` are random; then the tree-structured Parzen estimator proposes. A trial's seed is its number, so a search
    that was stopped after one ends as one that was not. The value is the mean over combinations, at beta 1 whatever it trained
    at. A trial reports after each of the base's epochs and ends early where the median before it was better. Machines that share
    a storage (an Optuna URL) share a search. Source: Bergstra et al., NeurIPS 2011."""
    study, (pairs, held_out) = study_of(name, storage, new=True), (data.load(split, base.data) for split in ("train", "val"))

    def value_of(trial: optuna.Trial) -> float:
        run, value = propose(trial, base), float("inf")
        for epoch in range(1, base.train.epochs + 1):
            so_far = replace(run, train=replace(run.train, epochs=epoch))
            _, history = train.fit(so_far, pairs, held_out, RUNS / f"{name}-{trial.number}", bar=False)
            value = float(history.query("epoch == @epoch and split != 'train'")["neg_elbo"].to_numpy().mean())
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    while sum(trial.state.is_finished() for trial in study.trials) < trials:
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=len(study.trials))
        study.optimize(value_of, n_trials=1, catch=(FloatingPointError,))
    return trials_table(study)


def winner(study: optuna.Study) -> RunSpec:
    """The spec of a study's best trial."""
    return propose(optuna.trial.FixedTrial(study.best_params))


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """A search's trials: state, value (nats, of the last epoch), best so far, epochs, how (random or proposed), parameters."""
    rows = []
    for trial in study.trials:
        epochs = max(trial.intermediate_values, default=0)
        about = {"trial": trial.number, "state": trial.state.name.lower(), "value": trial.intermediate_values.get(epochs)}
        rows.append(about | {"best": None, "epochs": epochs} | trial.params)
    frame = pd.DataFrame(rows)
    known = frame["state"].isin(["complete", "pruned"]).cumsum().shift(fill_value=0)
    frame.insert(5, "how", (known < STARTUP).map({True: "random", False: "proposed"}))
    return frame.assign(best=frame["value"].where(frame["state"] == "complete").cummin().ffill())


def importance_table(study: optuna.Study, resamples: int = 100) -> pd.DataFrame:
    """How much of a search's spread each parameter explains (functional ANOVA; sums to 1), of the trials that ran to their end.
    low, high: the 95 % interval over bootstrap samples of these trials. It is wide where few trials cannot tell.
    Source: Hutter, Hoos & Leyton-Brown, ICML 2014; Optuna's evaluator."""
    trials, evaluator = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)), FanovaImportanceEvaluator(seed=0)
    drawn = []
    for seed in range(resamples):
        again = optuna.create_study()
        again.add_trials(resample(trials, random_state=seed))
        drawn.append(get_param_importances(again, evaluator=evaluator))
    table = pd.DataFrame(drawn).rename_axis("parameter", axis=1).quantile([0.025, 0.975])
    table = table.set_axis(["low", "high"]).T.reset_index()
    table.insert(1, "importance", table["parameter"].map(get_param_importances(study, evaluator=evaluator)))
    return table.sort_values("importance", ascending=False).assign(trials=len(trials), resamples=resamples)
