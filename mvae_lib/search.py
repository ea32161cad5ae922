"""A hyper-parameter search: ``python -m mvae_lib.search --trials 20``, here or on many machines that share a storage.

Each trial is a run like any other, with a folder of its own, so a search that was stopped goes on with the same command.
`python -m mvae_lib.evaluate trials` and `importances` print what it has found.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mvae_lib import train
from mvae_lib.data import Triplets
from mvae_lib.data.sources import RUNS
from mvae_lib.spec import AS_WRITTEN, RunSpec

if TYPE_CHECKING:
    import pandas as pd
    from optuna import Study, Trial

BASE = replace(
    AS_WRITTEN,
    name="search",
    data=replace(AS_WRITTEN.data, split="by_writer"),
    train=replace(AS_WRITTEN.train, epochs=2, precision="bfloat16", compile=False),
)
"""What is varied: the small networks, on the split by writers, two epochs; nothing of the test sets is ever looked at."""


def propose(trial: "Trial", base: RunSpec = BASE) -> RunSpec:
    """A trial's spec: learning rate, batch size, beta, latent size, the networks' width, activation and logvar heads."""
    width = trial.suggest_categorical("width", [256, 512, 1024])
    model = replace(
        base.model,
        latent=trial.suggest_categorical("latent", [16, 64, 256, 512]),
        activation=trial.suggest_categorical("activation", ["swish", "mish", "relu"]),
        zero_logvar=trial.suggest_categorical("zero_logvar", ["none", "weights", "all"]),
        modalities=tuple(replace(m, encoder=(width, width), decoder=(width, width)) for m in base.model.modalities),
    )
    learning = replace(
        base.train,
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        batch_size=trial.suggest_categorical("batch_size", [64, 128, 256]),
        beta=trial.suggest_float("beta", 0.05, 4.0, log=True),
    )
    return replace(base, model=model, train=learning)


def study_of(name: str = "search", storage: str | None = None, folder: Path = RUNS, seed: int = 0) -> "Study":
    """The Optuna study of that name, new or to go on with; by default in an SQLite file beside the runs."""
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        study_name=name,
        storage=storage or f"sqlite:///{folder / (name + '.db')}",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )


def search(
    triplets: Triplets,
    held_out: Triplets,
    trials: int,
    storage: str | None = None,
    name: str = "search",
    base: RunSpec = BASE,
    folder: Path = RUNS,
) -> "Study":
    """Look for the spec with the least negative ELBO on the held-out triplets, at beta 1 whatever it trained at.

    It is the mean over the combinations. A trial reports after every epoch, and ends early where the median before it was better.

    Args:
        trials: how many more to run here.
        storage: an Optuna storage URL; by default an SQLite file beside the runs. Others may work on the same search.
        base: the spec that `propose` varies; its epochs are every trial's at most.
    Returns: the Optuna study, with every trial so far; ``best_params`` goes into `propose` through ``optuna.trial.FixedTrial``.
    """
    import optuna

    study = study_of(name, storage, folder, base.train.seed)

    def objective(trial: "Trial") -> float:
        run = propose(trial, base)
        value = float("inf")
        for epoch in range(1, base.train.epochs + 1):
            own, so_far = folder / f"{name}-{trial.number}", replace(run, train=replace(run.train, epochs=epoch))
            _, history = train.fit(so_far, triplets, held_out, own, bar=False)
            watched = history.query("epoch == @epoch and split != 'train'")
            value = float(watched["neg_elbo"].to_numpy().mean())
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=trials, catch=(FloatingPointError,))
    return study


def winner(study: "Study", base: RunSpec = BASE) -> RunSpec:
    """The spec of a study's best trial."""
    from optuna.trial import FixedTrial

    return propose(FixedTrial(study.best_params), base)  # type: ignore[arg-type]


def trials_table(study: "Study") -> "pd.DataFrame":
    """Tidy: trial, state, value (nats, of the last epoch reached), best (so far), epochs, and a column a parameter."""
    import pandas as pd

    rows = []
    for trial in study.trials:
        reached = trial.intermediate_values
        own = {"trial": trial.number, "state": trial.state.name.lower(), "value": reached.get(max(reached, default=0))}
        rows.append({**own, "epochs": max(reached, default=0), **trial.params})
    frame = pd.DataFrame(rows)
    frame.insert(3, "best", frame["value"].where(frame["state"] == "complete").cummin().ffill())
    return frame


def importance_table(study: "Study", seeds: int = 10) -> "pd.DataFrame":
    """How much of the trials' spread each parameter explains (functional ANOVA): mean and spread over forests. Sums to 1.

    Source: Hutter, Hoos & Leyton-Brown, ICML 2014; Optuna's evaluator.
    """
    import pandas as pd
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found = [get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)) for seed in range(seeds)]
    frame = pd.DataFrame(found)
    table = pd.DataFrame({"mean": frame.mean(), "sd": frame.std()}).rename_axis("parameter").reset_index()
    return table.sort_values("mean", ascending=False)


def main(trials: int = 20, storage: str | None = None, name: str = "search") -> None:
    """Search, and print the trials. `storage`: an Optuna URL that others may share; by default an SQLite file in data/runs."""
    from mvae_lib import data

    study = search(data.load("train", BASE.data), data.load("val", BASE.data), trials, storage, name)
    print(trials_table(study).to_string(index=False))
    print(f"best: trial {study.best_trial.number}, {study.best_value:.2f} nats, {study.best_params}")


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
