"""One step, one loop, resume; also ``python -m mvae_lib.train as_run --train.epochs 3``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer
from tqdm.auto import tqdm

from mvae_lib import checkpoint
from mvae_lib.data import Triplets
from mvae_lib.data.sets import REAL
from mvae_lib.data.sources import RUNS
from mvae_lib.loss import columns, objective, terms
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name, subsets
from mvae_lib.spec import PRESETS, RunSpec, TrainSpec

if TYPE_CHECKING:
    import pandas as pd


def fit(
    run: RunSpec,
    train: Triplets,
    watch: Triplets | None = None,
    folder: Path | None = None,
    device: str = "cpu",
    bar: bool = True,
) -> tuple[MVAE, "pd.DataFrame"]:
    """Train a run, or go on with it where its folder left off; both end at the same weights, bit for bit.

    Args:
        train: the triplets to learn from, re-paired every epoch.
        watch: triplets to measure after every epoch. With ``run.train.patience`` they decide when to stop.
        folder: where the run is kept after every epoch; by default ``data/runs/<name>-<data>-<seed>``.
        bar: show a progress bar with the terms as they go.
    Returns: the model, in eval mode, and the history: a row an epoch, split and subset, with the results table's columns.
    Raises:
        ValueError: the folder holds another run, or patience has nothing to watch.
        FloatingPointError: the objective is no longer finite; the last good epoch is in the folder.
    """
    import pandas as pd

    if run.train.patience and watch is None:
        raise ValueError(
            f"TrainSpec.patience is {run.train.patience}, but there are no triplets to watch; give `watch`, or patience 0."
        )
    folder = folder or run_folder(run.name, train.source, run.train.seed)
    with torch.random.fork_rng():
        torch.manual_seed(run.train.seed)
        model = MVAE(run).to(device)
    model.card = card(train)
    optimizer = Adam(model.parameters(), run.train.learning_rate, amsgrad=run.train.amsgrad, fused=True)
    checkpoint.begin(folder, run, model.card)
    history, done = checkpoint.resume(folder, model, optimizer)
    train = train.to(device)
    watch = watch.to(device) if watch else None
    steps = -(-len(train) // run.train.batch_size)
    progress = tqdm(total=run.train.epochs * steps, initial=done * steps, desc=run.name, unit="step", disable=not bar)
    try:
        for epoch in range(done + 1, run.train.epochs + 1):
            if stopped(history, run.train):
                break
            rows = one_epoch(model, optimizer, train.repaired(epoch), epoch, progress)
            if watch is not None:
                rows = pd.concat([rows, measure(model, watch, epoch)])
            if bool(rows["kl"].isna().any()):
                raise FloatingPointError(
                    f"epoch {epoch}: the objective is not finite; {folder} holds epoch {epoch - 1}. Lower the learning rate."
                )
            history = pd.concat([history, rows], ignore_index=True)
            checkpoint.save(folder, model, optimizer, history, epoch)
            model.epochs = epoch
    except KeyboardInterrupt:
        progress.write(f"Stopped. {folder} holds the epochs done; the same command goes on from there.")
    progress.close()
    return model.eval(), history


def one_epoch(model: MVAE, optimizer: Optimizer, train: Triplets, epoch: int, progress: "tqdm[Any]") -> "pd.DataFrame":
    """Train for one epoch; the rows are running means over its batches, sampled z, as the report measured its Table 2."""
    spec, start = model.spec.train, time.perf_counter()
    noise = _generator(train, spec.seed, epoch)
    steps = -(-len(train) // spec.batch_size)
    sums: dict[str, Tensor] = {}
    model.train()
    for i, (x, y) in enumerate(train.batches(spec.batch_size, order_seed=_mix(spec.seed, epoch))):
        model.beta = beta_at(spec, (epoch - 1) * steps + i, steps)
        means = step(model, optimizer, x, y, _noise(model, y, noise))
        for name, value in means.items():
            sums[name] = sums.get(name, 0.0) + value * len(y)
        progress.update()
        if i % 25 == 0:
            terms_now = {name: f"{value.nanmean():.2f}" for name, value in means.items()}
            progress.set_postfix({"epoch": epoch, "beta": f"{model.beta:.3f}", **terms_now})
    return _rows(model, sums, train, epoch, time.perf_counter() - start)


def step(model: MVAE, optimizer: Optimizer, x: dict[str, Tensor], y: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """One gradient step on one batch, at the model's beta: the batch means of every term, each ``[S]``."""
    t = _terms(model, x, y, noise)
    loss = objective(t, model.spec.model.modalities, model.beta)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        return t.means()


@torch.no_grad()
def measure(model: MVAE, triplets: Triplets, epoch: int) -> "pd.DataFrame":
    """The same rows as `one_epoch`, on triplets that are not learnt from."""
    start, sums = time.perf_counter(), {}
    noise = _generator(triplets, model.spec.train.seed, epoch)
    model.eval()
    for x, y in triplets.batches(1024, order_seed=None):
        for name, value in _terms(model, x, y, _noise(model, y, noise)).means().items():
            sums[name] = sums.get(name, 0.0) + value * len(y)
    return _rows(model, sums, triplets, epoch, time.perf_counter() - start)


def run_folder(name: str, source: str, seed: int = 0) -> Path:
    """Where a run is kept: ``data/runs/<name>-<real or stand-in>-<seed>``."""
    return RUNS / f"{name}-{source.split()[0]}-{seed}"


def study_model(profile: str, source: str) -> MVAE:
    """The model that the notebooks look at: the shipped one; on the stand-in, or in the full profile, the one that 03 trained."""
    shipped = source == REAL and profile != "full"
    return checkpoint.load("as_run" if shipped else run_folder(f"as_run_{profile}", source))


def card(train: Triplets) -> dict[str, Any]:
    """What a run saw, for those who use it where the data are not: the source, the scaler, the training means. JSON values."""
    tables = {"scaler": train.scaler, "class_means": train.class_means(), "global_means": train.global_means()}
    lists = {
        key: {name: value.double().round(decimals=6).tolist() for name, value in table.items()} for key, table in tables.items()
    }
    return {"source": train.source, "provenance": checkpoint.provenance(), **lists}


def beta_at(spec: TrainSpec, step: int, steps_per_epoch: int) -> float:
    """Weight of the KL term at a step, counted from 0: linear from 0 over ``beta_epochs``, then constant."""
    return spec.beta * min(1.0, step / (spec.beta_epochs * steps_per_epoch)) if spec.beta_epochs else spec.beta


def stopped(history: "pd.DataFrame", spec: TrainSpec) -> bool:
    """Has the watched objective (the bounds of all subsets) gone ``patience`` epochs without getting better by ``min_delta``?"""
    if history.empty or not spec.patience:
        return False
    watched = history.query("split != 'train'").pivot_table(index="epoch", values="reported_bound", aggfunc="sum")
    best, waited = float("inf"), 0
    for value in watched.to_numpy().ravel():
        best, waited = (value, 0) if value < best - spec.min_delta else (best, waited + 1)
    return waited >= spec.patience


def _terms(model: MVAE, x: dict[str, Tensor], y: Tensor, noise: Tensor):
    with torch.autocast(y.device.type, torch.bfloat16, enabled=model.spec.train.precision == "bfloat16"):
        out = model(x, noise)
    return terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, out.targets)


def _noise(model: MVAE, y: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(len(model.present), len(y), model.spec.model.latent, generator=generator, device=y.device)  # [S, B, D]


def _mix(seed: int, epoch: int) -> int:
    return seed * 100_003 + epoch


def _generator(triplets: Triplets, seed: int, epoch: int) -> torch.Generator:
    """Noise is a function of (seed, epoch): a resumed run draws what an uninterrupted one would."""
    return torch.Generator(triplets.labels.device).manual_seed(_mix(seed, epoch))


def _rows(model: MVAE, sums: dict[str, Tensor], triplets: Triplets, epoch: int, seconds: float) -> "pd.DataFrame":
    import pandas as pd

    spec = model.spec.model
    means = {name: value / len(triplets) for name, value in sums.items()}
    names = [subset_name(subset) for subset in subsets(len(spec.modalities))]
    table = {name: value.tolist() for name, value in columns(means, spec.modalities, model.beta).items()}
    return pd.DataFrame(
        {"epoch": epoch, "split": triplets.split, "subset": names, **table, "beta": model.beta, "seconds": seconds}
    )


def main() -> None:
    """Command line: a preset, with any field of its spec overridden."""
    import tyro

    from mvae_lib import data

    run = tyro.extras.overridable_config_cli({name: (f"the preset {name!r}", spec) for name, spec in PRESETS.items()})
    watch = "test" if run.data.split == "as_written" else "val"  # as_written has no validation split: watched, never chosen by
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _, history = fit(run, data.load("train", run.data), data.load(watch, run.data), device=device)
    last = history[history["epoch"] == history["epoch"].max()]
    print(last.drop(columns=["beta", "seconds"]).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
