"""One step, one loop, resume; also ``python -m mvae_lib.train as_run --train.epochs 3``, and the same under ``torchrun``."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
import tyro
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adam, Optimizer
from tqdm.auto import tqdm

from mvae_lib import checkpoint, command, data
from mvae_lib.checks import check_training, not_finite
from mvae_lib.engine import compiled, fastest_precision, processes
from mvae_lib.fusion import Noise, noise_source
from mvae_lib.model import MVAE, Pass, Plan, build
from mvae_lib.objectives import OBJECTIVES, Averages, Objective, columns, terms
from mvae_lib.pairs import Pairs
from mvae_lib.presets import PRESETS
from mvae_lib.spec import RunSpec, TrainSpec
from mvae_lib.subsets import powerset, sampled, subset_name

Result = tuple[Tensor, dict[str, Tensor], Tensor]
"""Of one batch: the objective; the means of its terms, by name ``[S]``; of how many samples each is, ``[T, S]``."""
SAVE_EVERY = 20.0  # Seconds between two savings, where epochs are shorter than that


def fit(
    run: RunSpec | MVAE,
    pairs: Pairs,
    watch: Pairs | None = None,
    folder: Path | None = None,
    objective: Objective | None = None,
    *,
    device: str = "cpu",
    bar: bool = True,
    after_step: Callable[[], Any] = lambda: None,
) -> tuple[MVAE, pd.DataFrame]:
    """Train a run, or go on with it where its folder left off; both end at the same weights, bit for bit.

    Args:
        run: a spec, or a model whose networks are one's own: its ``spec`` says how to train it.
        pairs, watch: what to learn from, paired anew every epoch; what to measure then, and with ``train.patience`` stop by.
        folder: where the first process keeps the run, every epoch or 20 s; by default ``data/runs/<name>-<data>-<seed>``.
        objective: a function of one's own; by default the one that ``train.objective`` names.
        after_step: called after each step; what it raises ends the training, and the folder holds what it held.
    Returns: the model, in eval mode, and the history: a row an epoch, split and subset, with the results table's columns and
        ``objective``, what was optimised, one number an epoch and split.
    Raises: ValueError where the folder holds another run or is in use, or the spec cannot run on these pairs, or here;
        FloatingPointError where a term or a weight is no longer finite; KeyboardInterrupt when stopped. The latter two say which
        epoch the folder holds.
    """
    rank, world = processes()
    asked = (run if isinstance(run, RunSpec) else run.spec).train
    folder = folder or checkpoint.run_folder(run.name if isinstance(run, RunSpec) else run.spec.name, pairs.source, asked.seed)
    model, optimizer = untrained(run, device)
    if asked.precision == "auto" and (folder / "state.safetensors").exists():  # maybe begun on another machine
        began = checkpoint.read_spec(folder / "spec.json").train.precision
        model.spec = replace(model.spec, train=replace(model.spec.train, precision=began))
    spec = model.spec.train
    if objective is not None:  # a run must not go on with another objective
        model.spec = replace(model.spec, train=replace(spec, objective=f"{objective.__module__}.{objective.__qualname__}"))
    check_training(model, pairs, watch, device, world)
    model.card = checkpoint.describe_data(pairs)
    with checkpoint.opened(folder, model) if rank == 0 else nullcontext():
        if world > 1:
            dist.barrier()
        history, pairs, watch = checkpoint.resume(folder, model, optimizer), pairs.to(device), watch and watch.to(device)
        history = _epochs(model, optimizer, pairs, watch, folder, history, objective, bar, after_step)
        if rank == 0:
            checkpoint.save_weights(folder, model)  # also where the run before was killed between its state and its weights
    if world > 1:
        dist.barrier()  # nobody leaves before the folder is whole
    return model.eval(), history


def _epochs(
    model: MVAE, optimizer: Optimizer, pairs: Pairs, watch: Pairs | None, folder: Path, history: pd.DataFrame,
    objective: Objective | None, bar: bool, after_step: Callable[[], Any],
) -> pd.DataFrame:  # fmt: skip
    """The loop of `fit`: train, measure, save, epoch by epoch, to the spec's end; the whole history."""
    spec, rank, kept = model.spec.train, processes()[0], model.epochs
    step, steps = fast_step(model, optimizer, objective), -(-len(pairs) // spec.batch_size)
    quiet = not bar or rank > 0
    products, kept_at = torch.get_float32_matmul_precision(), time.monotonic()
    torch.set_float32_matmul_precision("high" if spec.precision == "tf32" else products)
    try:
        with tqdm(total=spec.epochs * steps, initial=kept * steps, desc=model.spec.name, unit="step", disable=quiet) as progress:
            for epoch in range(kept + 1, spec.epochs + 1):
                if stopped(history, spec):
                    break
                rows = train_epoch(model, step, pairs.repaired(epoch), epoch, lambda: (progress.update(), after_step()))
                progress.set_postfix(epoch=epoch, beta=f"{model.beta:.3f}", objective=f"{rows['objective'].iloc[0]:.1f}")
                if watch is not None:
                    rows = pd.concat([rows, measure_epoch(model, watch, epoch, objective)])
                history, model.epochs = pd.concat([history, rows], ignore_index=True), epoch
                ends = epoch == spec.epochs or stopped(history, spec)
                if rank == 0 and (ends or time.monotonic() - kept_at > SAVE_EVERY):
                    checkpoint.save(folder, model, optimizer, history)
                    kept, kept_at = epoch, time.monotonic()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{folder} holds epoch {kept}; the same command goes on from there.") from None
    except FloatingPointError as error:
        raise FloatingPointError(f"{error} {folder} holds epoch {kept}; it goes on with another learning_rate.") from None
    finally:
        torch.set_float32_matmul_precision(products)
    return history


def train_epoch(
    model: MVAE, step: Callable[..., Result], pairs: Pairs, epoch: int, after_step: Callable[[], Any] = lambda: None
) -> pd.DataFrame:
    """Train for one epoch; the rows are running means over its batches, sampled z, as the report measured its Table 2."""
    spec, start, averages, plan = model.spec.train, time.perf_counter(), Averages(), None
    steps = -(-len(pairs) // spec.batch_size)
    betas = [spec.beta_at((epoch - 1) * steps + i, steps) for i in range(steps)]
    model.beta = betas[-1]
    model.train()
    batches = _batches(model, pairs, epoch, spec.batch_size, shuffled=True)
    steps_done, names = [], ()
    for (share, x, y, seen, noise, plan), beta in zip(batches, torch.tensor(betas, device=model.device), strict=True):
        loss, means, count = step(share, x, y, seen, noise, plan, beta)
        averages.add(loss, means, count, samples=len(y))
        names = tuple(means)
        steps_done.append(torch.stack([loss.expand_as(count[0]), *means.values(), *count]))  # [1 + 2 T, S]
        after_step()
    if plan and (fault := not_finite(model, torch.stack(steps_done), names, plan)):
        raise FloatingPointError(f"Epoch {epoch}, {fault}. Lower learning_rate ({spec.learning_rate:g}).")
    return _rows(model, pairs, epoch, averages, plan, start, beta=sum(betas) / steps)


@torch.no_grad()
def measure_epoch(model: MVAE, pairs: Pairs, epoch: int, objective: Objective | None = None) -> pd.DataFrame:
    """The same rows as `train_epoch`, on tuples that are not learnt from."""
    start, averages, function, plan = time.perf_counter(), Averages(), _objective(model, objective), None
    model.eval()
    beta = torch.tensor(model.beta, device=model.device)
    for _, x, y, seen, noise, plan in _batches(model, pairs, epoch, 1024, shuffled=False):
        averages.add(*batch_loss(model, model, function, x, y, seen, noise, plan, beta), samples=len(y))
    return _rows(model, pairs, epoch, averages, plan, start, model.beta)


def untrained(run: RunSpec | MVAE, device: str = "cpu") -> tuple[MVAE, Optimizer]:
    """The model as its seed draws it (or one's own as it is), and its optimiser; torch's own generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(run.train.seed if isinstance(run, RunSpec) else 0)
        model = (build(run) if isinstance(run, RunSpec) else run).to(device)
    if model.spec.train.precision == "auto":
        model.spec = replace(model.spec, train=replace(model.spec.train, precision=fastest_precision(model.device)))
    spec, on_gpu = model.spec.train, model.device.type == "cuda"
    return model, Adam(model.parameters(), spec.learning_rate, amsgrad=spec.amsgrad, fused=True, capturable=on_gpu)


def fast_step(model: MVAE, optimizer: Optimizer, objective: Objective | None = None) -> Callable[..., Result]:
    """`step`, bound to model and optimiser: shared among processes, and compiled, as the spec says."""
    net = DistributedDataParallel(model) if processes()[1] > 1 else model
    loss_of = compiled(batch_loss, model.device) if model.spec.train.compile else batch_loss
    return partial(step, partial(loss_of, net, model, _objective(model, objective)), optimizer)


def step(loss_of: Callable[..., Result], optimizer: Optimizer, share: float, *batch: Any) -> Result:
    """One gradient step on one batch (`share`: 1, but for uneven processes): what `batch_loss` gives."""
    loss, means, count = loss_of(*batch)
    optimizer.zero_grad()
    (share * loss).backward()
    optimizer.step()
    return loss.detach(), means, count


def batch_loss(net: Callable[..., Pass], model: MVAE, objective: Objective, x, y, seen, noise, plan, beta) -> Result:
    """The objective of one batch, and its terms' means: x, y, seen as `Pairs` gives them, `net` the model or what shares it."""
    with torch.autocast(y.device.type, torch.bfloat16, enabled=model.spec.train.precision == "bfloat16"):
        out = net(x, noise, plan, seen)
    t = terms(out, x, y, model, seen)
    with torch.no_grad():
        means, count = t.means()
    return objective(out, t, beta), means, count


def stopped(history: pd.DataFrame, spec: TrainSpec) -> bool:
    """Has what is watched gone ``patience`` epochs without getting ``min_delta`` below its best? (The report's authors' rule.)"""
    column, best, waited = {"objective": "objective", "joint": "reported_bound"}[spec.watched], float("inf"), 0
    for value in history.query("split != 'train'").groupby("epoch")[column].last() if len(history) else ():  # all given: last
        best, waited = min(best, value), 0 if value < best - spec.min_delta else waited + 1
    return 0 < spec.patience <= waited


def _objective(model: MVAE, own: Objective | None) -> Objective:
    if own is None and model.spec.train.objective not in OBJECTIVES:
        known = ", ".join(map(repr, OBJECTIVES))
        raise ValueError(f"TrainSpec.objective is {model.spec.train.objective!r}; it takes one of {known}, or give fit yours.")
    return own or OBJECTIVES[model.spec.train.objective]


def _batches(model: MVAE, pairs: Pairs, epoch: int, size: int, shuffled: bool) -> Iterator[tuple[Any, ...]]:
    """This process's share of each batch: its weight; x, y, seen, noise; the plan. All is a function of (seed, epoch) alone."""
    spec, n, (rank, world) = model.spec.train, len(model.names), processes()
    seed = spec.seed * 100_003 + epoch
    draw, on_host = noise_source(seed, model.device), torch.Generator().manual_seed(seed)
    latent, whole = model.latent_size(pairs.gather([0])[0]), Plan.of(powerset(n), n, spec.rebuild, model.device)
    for index in pairs.order(size, seed if shuffled else None):
        some = spec.subsets == "sampled"
        plan = Plan.of(sampled(n, spec.random_subsets, on_host), n, spec.rebuild, model.device) if some else whole
        noise = draw(len(plan.subsets), len(index), latent)
        mine, noise = index.tensor_split(world)[rank], Noise(*(part.tensor_split(world, dim=1)[rank] for part in noise))
        yield len(mine) * world / len(index), *pairs.gather(mine), pairs.seen(mine), noise, plan


def _rows(
    model: MVAE, pairs: Pairs, epoch: int, averages: Averages, plan: Plan | None, start: float, beta: float
) -> pd.DataFrame:
    """Means over an epoch, and over its betas -> its rows, one a subset; the random ones of sampled subsets share "between"."""
    pooled = range(2, len(model.names)) if model.spec.train.subsets == "sampled" else ()
    objective, means = averages.value(dist.all_reduce if processes()[1] > 1 else None)
    table = columns(means, model, beta)
    names = ["between" if len(subset) in pooled else subset_name(subset) for subset in (plan.subsets if plan else ())]
    frame = pd.DataFrame({"subset": names, **{name: value.tolist() for name, value in table.items()}})
    frame = frame.groupby("subset", sort=False, as_index=False).agg("mean")
    frame.insert(0, "epoch", epoch)
    frame.insert(1, "split", pairs.split)
    return frame.assign(beta=beta, seconds=time.perf_counter() - start, objective=objective)


def main() -> None:
    """Command line: a preset, with any field of its spec overridden."""
    run = tyro.extras.overridable_config_cli({name: (f"the preset {name!r}", spec) for name, spec in PRESETS.items()})
    watch = "test" if run.data.split == "as_written" else "val"  # as_written has no validation split: watched, never chosen by
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if "LOCAL_RANK" in os.environ:  # torchrun's doing
        device = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    _, history = fit(run, data.load("train", run.data), data.load(watch, run.data), device=device)
    if processes()[0] == 0:
        last = history[history["epoch"] == history["epoch"].max()]
        print(last.drop(columns=["beta", "seconds", "objective"]).round(4).to_string(index=False))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    command.run(main)
