"""A hyper-parameter search. Each trial is a run like any other: a search that was stopped goes on with the same command."""

from dataclasses import replace

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from mvae_lib import data, train
from mvae_lib.presets import AS_WRITTEN
from mvae_lib.spec import RunSpec
from mvae_lib.storage import RUNS

# What is varied: the small networks, on the split by writers, two epochs; nothing of the test sets is ever looked at.
_LEARNING = replace(AS_WRITTEN.train, epochs=2, compile=False)
BASE = replace(AS_WRITTEN, name="search", data=replace(AS_WRITTEN.data, split="by_writer"), train=_LEARNING)


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


def study_of(name: str = "search", storage: str | None = None) -> optuna.Study:
    """The Optuna study of that name, new or to go on with; by default in an SQLite file beside the runs."""
    RUNS.mkdir(parents=True, exist_ok=True)
    sampler, pruner = optuna.samplers.TPESampler(seed=0), optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
    storage = storage or f"sqlite:///{RUNS / (name + '.db')}"
    return optuna.create_study(storage=storage, sampler=sampler, pruner=pruner, study_name=name, load_if_exists=True)


def search(trials: int = 20, storage: str | None = None, name: str = "search", base: RunSpec = BASE) -> pd.DataFrame:
    """Try so many more specs, for the least negative ELBO on the validation writers; `trials_table` of all so far.
    The value is the mean over combinations, at beta 1 whatever it trained at. A trial reports after each of the base's epochs and
    ends early where the median before it was better. Machines that share a storage (an Optuna URL) share a search."""
    study, (pairs, held_out) = study_of(name, storage), (data.load(split, base.data) for split in ("train", "val"))

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

    study.optimize(value_of, n_trials=trials, catch=(FloatingPointError,))
    return trials_table(study)


def winner(study: optuna.Study) -> RunSpec:
    """The spec of a study's best trial."""
    return propose(optuna.trial.FixedTrial(study.best_params))


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """The trials of a search: state, value (nats, of the last epoch reached), the best so far, epochs, and each parameter."""
    rows = []
    for trial in study.trials:
        epochs = max(trial.intermediate_values, default=0)
        about = {"trial": trial.number, "state": trial.state.name.lower(), "value": trial.intermediate_values.get(epochs)}
        rows.append(about | {"best": None, "epochs": epochs} | trial.params)
    frame = pd.DataFrame(rows)
    return frame.assign(best=frame["value"].where(frame["state"] == "complete").cummin().ffill())


def importance_table(study: optuna.Study, seeds: int = 10) -> pd.DataFrame:
    """How much of a search's spread each parameter explains (functional ANOVA): mean and sd over forests. Sums to 1.
    Source: Hutter, Hoos & Leyton-Brown, ICML 2014; Optuna's evaluator."""
    frame = pd.DataFrame([get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)) for seed in range(seeds)])
    table = pd.DataFrame({"mean": frame.mean(), "sd": frame.std()}).rename_axis("parameter").reset_index()
    return table.sort_values("mean", ascending=False)
