"""``python -m study.evidence TABLE``: any of the study's tables again, from the shell, as CSV with the command that made it."""

import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import field, make_dataclass
from inspect import Parameter, signature
from typing import Any, Literal, get_origin

import pandas as pd
import torch
import tyro

from mvae_lib import checkpoint, command, data, metrics, tables
from study.evidence import (
    alignment,
    audibility,
    classifiers,
    disentangle,
    labels,
    latent,
    likelihood,
    missing,
    search,
    seeds,
    sweeps,
    validation,
    variants,
)
from study.evidence.ship import ship

Function = Callable[..., Any]
TABLES: dict[str, tuple[Function, str]] = {  # what makes each, and which parameters are options: its own, or of what `MADE` has
    "table": (tables.combination_table, "run split z seed"),
    "seeds": (seeds.over_seeds, "runs"),
    "latents": (seeds.latents_over_seeds, "runs"),
    "coherence": (classifiers.coherence_table, "run split z"),
    "audibility": (audibility.audibility_table, "run split"),
    "noise": (audibility.noise_table, "run split seed"),
    "calibration": (labels.calibration_table, "run split"),
    "likelihood": (likelihood.likelihood_table, "run split draws steps triplets=60"),
    "classifiers": (labels.label_baselines, "split seeds"),
    "overlap": (alignment.overlap_table, "run split"),
    "probes": (alignment.probe_table, "run split every=8"),
    "departure": (alignment.departure_table, "run split"),
    "missing": (missing.missing_table, "run split"),
    "sweeps": (sweeps.sweep_means, "run split"),
    "information": (disentangle.information_table, "run split"),
    "informed": (disentangle.informed_table, "run split"),
    "disentanglement": (disentangle.disentanglement_table, "run split triplets=4000"),
    "validation": (validation.validation_curve, "seed epochs"),
    "objectives": (variants.compare, "questions epochs"),
    "gradients": (variants.gradient_norms, ""),
    "speakers": (variants.without_a_speaker, "epochs seeds"),
    "search": (search.search, "trials storage name"),
    "trials": (search.trials_table, "name storage"),
    "importances": (search.importance_table, "name storage resamples"),
    "contest": (variants.contest, "name storage epochs seeds"),
    "ship": (ship, "run"),
}
MADE: dict[str, Function] = {  # what a parameter of this name asks for, made of what its maker's parameters ask for in turn
    "model": lambda run: checkpoint.load(run),
    "pairs": lambda model, split, triplets=None: data.load(split, model.spec.data).take(slice(triplets)),
    "labels": classifiers.labels_of,
    "train": lambda model: data.load("train", model.spec.data),
    "few": lambda train, every: train.take(slice(None, None, every)),
    "few_labels": lambda few: classifiers.labels_of(few),
    "few_singles": lambda model, few: alignment.single_posteriors(model, few),
    "singles": alignment.single_posteriors,
    "draws": latent.drawn,
    "kl": lambda model, pairs: torch.tensor(latent.latent_table(tables.posteriors(model, pairs))["kl"].to_numpy()),
    "active": lambda model, pairs: metrics.active_units(tables.posteriors(model, pairs).mean),
    "factors": disentangle.factors,
    "val": lambda model: data.load("val", model.spec.data),
    "val_draws": lambda model, val: latent.drawn(model, val),
    "val_factors": lambda val: disentangle.factors(val),
    "swept": sweeps.sweep_table,
    "told": disentangle.information_table,
    "classifiers": classifiers.train_classifiers,
    "study": search.study_of,
    "best": search.winner,
}
COMMON: dict[str, tuple[Any, Any]] = {  # type and default of the options that are parameters neither of a table nor of `study_of`
    "run": (tuple[str, ...], Parameter.empty),  # of several, that differ in their seed, all tables in one
    "split": (Literal["train", "val", "test", "test_dig"], "test"),
}


def called(function: Function, inputs: dict[str, Any]) -> Any:
    """The function's result. What it takes without a default that is none of the inputs is made, and is one from then on."""
    parameters = signature(function).parameters
    for name, parameter in parameters.items():
        if name not in inputs and parameter.default is Parameter.empty:
            inputs[name] = called(MADE[name], inputs)
    return function(**{name: inputs[name] for name in parameters if name in inputs})


def _form(name: str) -> type:
    """A dataclass of a table's options, which tyro reads; those without a default, and lists, are positional."""
    (function, options), fields = TABLES[name], []
    own = {**signature(search.study_of).parameters, **signature(function).parameters}
    known = COMMON | {option: (each.annotation, each.default) for option, each in own.items()}
    for option, _, preset in (each.partition("=") for each in options.split()):
        kind, default = (int, int(preset)) if preset else known[option]
        kind = tyro.conf.Positional[kind] if get_origin(kind) is tuple else kind
        fields.append((option, kind) if default is Parameter.empty else (option, kind, field(default=default)))
    return make_dataclass(name, fields, namespace={"__doc__": (function.__doc__ or "").partition("\n")[0]})


def main() -> None:
    forms = {name: _form(name) for name in TABLES}
    options = tyro.extras.subcommand_cli_from_dict(forms, config=(tyro.conf.PositionalRequiredArgs,))
    function, given = TABLES[type(options).__name__][0], vars(options)
    if () in (given.get("run"), given.get("runs")):
        print(
            "Give a run: a shipped name or a folder. Several that differ in their seed make one table.",
            file=sys.stderr,
        )
        sys.exit(2)
    with redirect_stdout(sys.stderr):  # nothing but the table on stdout
        if isinstance(given.get("run"), tuple):
            results = {checkpoint.load(run).spec.train.seed: called(function, given | {"run": run}) for run in given["run"]}
            result = pd.concat(results, names=["seed"]).reset_index(0) if len(results) > 1 else next(iter(results.values()))
        else:
            result = called(function, given)
    if isinstance(result, pd.DataFrame):
        result = result.reset_index() if result.index.name else result
        result = result.assign(command=f"python -m study.evidence {shlex.join(sys.argv[1:])}").to_csv(index=False).rstrip("\n")
    print(result)


if __name__ == "__main__":
    command.run(main)
