"""``python -m mvae_lib.evaluate``: any of the study's tables again, from the shell, as CSV with the command that made it."""

import shlex
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from mvae_lib import checkpoint, data, evaluate, search, variants
from mvae_lib.data import Triplets
from mvae_lib.evaluate import disentangle
from mvae_lib.spec import DataRecipe

if TYPE_CHECKING:
    import pandas as pd

Split = Literal["train", "val", "test", "test_dig"]
Several = tyro.conf.Positional[tuple[str, ...]]


def _print(frame: "pd.DataFrame") -> None:
    command = "python -m mvae_lib.evaluate " + shlex.join(sys.argv[1:])
    print(frame.assign(command=command).to_csv(index=False), end="")


def _first(triplets: Triplets, count: int) -> Triplets:
    return replace(triplets, pairs=triplets.pairs[:count], labels=triplets.labels[:count])


def table(run: str, split: Split = "test", z: Literal["sample", "mean"] = "sample", seed: int = 0) -> None:
    """What each combination rebuilds, and the baselines. `run`, here and below: a shipped name or a run folder."""
    model = checkpoint.load(run)
    _print(evaluate.combination_table(model, data.load(split, model.spec.data), z, seed).reset_index())


def seeds(runs: Several) -> None:
    """The tables of runs that differ in their seed, on every split."""
    _print(evaluate.over_seeds(list(runs)))


def latents(runs: Several) -> None:
    """How runs that differ in their seed use their latent, and what a sweep of every index shows, trained and untrained."""
    _print(evaluate.latents_over_seeds(list(runs)))


def coherence(run: str, split: Split = "test", z: Literal["sample", "mean"] = "mean") -> None:
    """The share of rebuilt samples that independent readers read right, and the readers' own accuracy ("given": real samples)."""
    model = checkpoint.load(run)
    train, triplets = data.load("train", model.spec.data), data.load(split, model.spec.data)
    readers = evaluate.train_readers(train)
    found = evaluate.cross_modal_coherence(model, triplets, readers, z)
    found.loc["real samples"] = evaluate.reader_accuracy(readers, triplets)
    _print(found.reset_index().assign(z=z, split=split, prior=evaluate.prior_coherence(model, readers)))


def heard(run: str, split: Split = "test") -> None:
    """Whether an independent reader hears the right digit in what is rebuilt and made sound, for a model of the view `frames`."""
    model = checkpoint.load(run)
    train, triplets = data.load("train", model.spec.data), data.load(split, model.spec.data)
    with redirect_stdout(sys.stderr):  # where the recordings were found is no row of the table
        found = evaluate.heard_table(model, triplets, train)
    _print(found)


def calibration(run: str, split: Split = "test") -> None:
    """Accuracy, confidence and calibration error of the label, by combination."""
    model = checkpoint.load(run)
    triplets = data.load(split, model.spec.data)
    _print(evaluate.calibration_table(evaluate.label_beliefs(model, triplets), triplets.labels).reset_index())


def likelihood(run: str, split: Split = "test", draws: int = 1000, triplets: int = 500) -> None:
    """Importance-weighted log p(target | given), in nats, of the first `triplets` of a split."""
    model = checkpoint.load(run)
    _print(evaluate.likelihood_table(model, _first(data.load(split, model.spec.data), triplets), draws))


def classifiers(split: Literal["as_run", "as_written", "by_writer"] = "as_run") -> None:
    """Accuracy of logistic regression, nearest neighbours and a small network, on each modality and on all three."""
    recipe = DataRecipe(split=split)
    train, tests = data.load("train", recipe), {name: data.load(name, recipe) for name in ("test", "test_dig")}
    _print(evaluate.label_baselines(train, tests))


def overlap(run: str, split: Split = "test") -> None:
    """How far the single modalities' posteriors overlap: of one triplet, of one digit, of two digits; in nats."""
    model = checkpoint.load(run)
    triplets = data.load(split, model.spec.data)
    _print(evaluate.overlap_table(evaluate.single_posteriors(model, triplets), triplets.labels))


def departure(run: str, split: Split = "test") -> None:
    """How far the posterior goes from the full one as modalities go, and how wide it gets."""
    model = checkpoint.load(run)
    _print(evaluate.departure_table(model, data.load(split, model.spec.data)).reset_index())


def probes(run: str, split: Split = "test", every: int = 8) -> None:
    """Fit a linear probe of the digit on one modality's posterior means (a training triplet in `every`), test it on another's."""
    model = checkpoint.load(run)
    train, triplets = data.load("train", model.spec.data), data.load(split, model.spec.data)
    few = replace(train, pairs=train.pairs[::every], labels=train.labels[::every])
    learnt, asked = (evaluate.single_posteriors(model, each) for each in (few, triplets))
    _print(evaluate.probe_table(learnt, few.labels, asked, triplets.labels).reset_index())


def missing(run: str, split: Split = "test") -> None:
    """How near a missing script is rebuilt to its class mean, and how wide its strokes are."""
    model = checkpoint.load(run)
    _print(evaluate.missing_table(model, data.load(split, model.spec.data)))


def sweeps(run: str, split: Split = "test") -> None:
    """Every index and as many random directions swept, by the report's reach and by 4 sd, trained and untrained."""
    model = checkpoint.load(run)
    readers = evaluate.train_readers(data.load("train", model.spec.data))
    _print(evaluate.sweep_table(model, data.load(split, model.spec.data), readers))


def information(run: str, split: Split = "test") -> None:
    """Mutual information of every latent index with digit, speaker, slants and stroke widths, beside chance."""
    model = checkpoint.load(run)
    triplets = data.load(split, model.spec.data)
    _print(disentangle.information_table(evaluate.posteriors(model, triplets)[0], disentangle.factors(triplets)))


def disentanglement(run: str, split: Split = "test", triplets: int = 4000) -> None:
    """MIG and SAP of each factor, DCI of all, beside chance, on the first `triplets` of a split."""
    model = checkpoint.load(run)
    few = _first(data.load(split, model.spec.data), triplets)
    _print(disentangle.disentanglement_table(evaluate.posteriors(model, few)[0], disentangle.factors(few)))


def objectives(questions: Several = (), epochs: int = 3) -> None:
    """One choice changed at a time (rebuilt, beta, latent size, ...; by default all), trained here where it is not yet."""
    _print(variants.compare(questions, epochs))


def gradients() -> None:
    """Gradient norms of the first epoch, by what of the logvar heads starts at zero."""
    _print(variants.gradient_norms())


def speakers(epochs: int = 3) -> None:
    """Each speaker left out in turn, then heard alone, trained here where it is not yet."""
    _print(variants.without_a_speaker(epochs))


def trials(name: str = "search", storage: str | None = None) -> None:
    """The trials of a search (python -m mvae_lib.search)."""
    _print(search.trials_table(search.study_of(name, storage)))


def importances(name: str = "search", storage: str | None = None) -> None:
    """How much each parameter of a search explains."""
    _print(search.importance_table(search.study_of(name, storage)))


def contest(name: str = "search", storage: str | None = None, epochs: int = 5) -> None:
    """A search's winner beside both presets, trained here where they are not yet."""
    _print(variants.contest(search.winner(search.study_of(name, storage)), epochs))


def ship(run: Path) -> None:
    """Copy a run folder's weights, spec and card to data/pretrained, with what lets it be explored where there are no data."""
    model = checkpoint.load(run)
    test, train = (data.load(split, model.spec.data) for split in ("test", "train"))
    print(checkpoint.ship(run, evaluate.describe(model, test, train)))


tables = (
    table,
    seeds,
    latents,
    coherence,
    heard,
    calibration,
    likelihood,
    classifiers,
    overlap,
    probes,
    departure,
    missing,
    sweeps,
    information,
    disentanglement,
)
trainings = (objectives, gradients, speakers, trials, importances, contest)


def main() -> None:
    commands = {command.__name__: command for command in (*tables, *trainings, ship)}
    tyro.extras.subcommand_cli_from_dict(commands, config=(tyro.conf.PositionalRequiredArgs,))


if __name__ == "__main__":
    main()
