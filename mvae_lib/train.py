"""One step, one loop, resume; also ``python -m mvae_lib.train as_run --train.epochs 3``, and the same under ``torchrun``."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adam, Optimizer
from tqdm.auto import tqdm

from mvae_lib import checkpoint
from mvae_lib.data import Triplets
from mvae_lib.engine import compiled, processes, recorded
from mvae_lib.loss import columns, objective, terms
from mvae_lib.model import MVAE, Output
from mvae_lib.poe import Stack, sampled_subsets, stack, subset_name
from mvae_lib.spec import PRESETS, RunSpec, TrainSpec

if TYPE_CHECKING:
    import pandas as pd

Batch = tuple[dict[str, Tensor], Tensor, Tensor, Stack]
"""x ``[B, *shape]``, y ``[B]``, noise ``[S, B, D]``, and the subsets to go through."""
SAVE_EVERY = 20.0
"""Seconds between two savings, where epochs are shorter than that."""


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
        folder: where the run is kept after every epoch (every 20 s, where epochs are shorter); by default
            ``data/runs/<name>-<data>-<seed>``. Under ``torchrun`` every process reads it and the first one writes it.
        bar: show a progress bar, with the objective of the last epoch.
    Returns: the model, in eval mode, and the history: a row an epoch, split and subset, with the results table's columns.
    Raises:
        ValueError: the folder holds another run, patience has nothing to watch, or the spec cannot run on this device or
            on so many processes.
        FloatingPointError: the objective is no longer finite; the folder holds an epoch before.
    """
    import pandas as pd

    spec, (rank, world) = run.train, processes()
    _check(run, len(train), watch is not None, device, world)
    folder = folder or checkpoint.run_folder(run.name, train.source, spec.seed)
    model, optimizer = untrained(run, device)
    model.card = checkpoint.card(train)
    if rank == 0:
        checkpoint.begin(folder, run, model.card)
    if world > 1:
        dist.barrier()
    history, done = checkpoint.resume(folder, model, optimizer)
    advance = fast_step(model, optimizer)
    train, watch = train.to(device), watch.to(device) if watch else None
    steps = -(-len(train) // spec.batch_size)
    progress = tqdm(total=spec.epochs * steps, initial=done * steps, desc=run.name, unit="step", disable=not bar or rank > 0)
    kept, kept_at = done, time.monotonic()
    products = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if spec.precision == "tf32" else products)
    try:
        for epoch in range(done + 1, spec.epochs + 1):
            if stopped(history, spec):
                break
            rows = one_epoch(model, advance, train.repaired(epoch), epoch, progress)
            if watch is not None:
                rows = pd.concat([rows, measure(model, watch, epoch)])
            if bool(rows["kl"].isna().any()):
                raise FloatingPointError(
                    f"epoch {epoch}: the objective is not finite; {folder} holds epoch {kept}. Lower the learning rate."
                )
            history, model.epochs = pd.concat([history, rows], ignore_index=True), epoch
            ends = epoch == spec.epochs or stopped(history, spec)
            if rank == 0 and (ends or time.monotonic() - kept_at > SAVE_EVERY):
                checkpoint.save(folder, model, optimizer, history, epoch)
                kept, kept_at = epoch, time.monotonic()
    except KeyboardInterrupt:
        progress.write(f"Stopped. {folder} holds epoch {kept}; the same command goes on from there.")
    finally:
        torch.set_float32_matmul_precision(products)
        progress.close()
    return model.eval(), history


def untrained(run: RunSpec, device: str = "cpu") -> tuple[MVAE, Optimizer]:
    """The model as its seed draws it, and its optimiser; torch's own generator is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(run.train.seed)
        model = MVAE(run).to(device)
    spec, on_gpu = run.train, model.device.type == "cuda"
    return model, Adam(model.parameters(), spec.learning_rate, amsgrad=spec.amsgrad, fused=True, capturable=on_gpu)


def fast_step(model: MVAE, optimizer: Optimizer) -> Callable[..., dict[str, Tensor]]:
    """`step`, bound to model and optimiser: shared among processes, compiled, recorded, as the spec and the machine allow."""
    spec, (_, world) = model.spec.train, processes()
    net = DistributedDataParallel(model) if world > 1 else model
    advance = partial(step, partial(compiled(batch_loss) if spec.compile else batch_loss, net, model.spec), optimizer)
    record = spec.compile and model.device.type == "cuda" and world == 1 and spec.subsets == "all"
    return recorded(advance) if record else advance


def one_epoch(
    model: MVAE, advance: Callable[..., dict[str, Tensor]], train: Triplets, epoch: int, progress: "tqdm[Any]"
) -> "pd.DataFrame":
    """Train for one epoch; the rows are running means over its batches, sampled z, as the report measured its Table 2.

    Nothing here waits for the device: what the steps return is added up there, and read when the epoch is over.
    """
    spec = model.spec.train
    steps = -(-len(train) // spec.batch_size)
    betas = [spec.beta_at((epoch - 1) * steps + i, steps) for i in range(steps)]
    model.beta = betas[-1]
    model.train()

    def results() -> Iterator[tuple[dict[str, Tensor], Batch]]:
        batches = _batches(model, train, epoch, spec.batch_size, shuffled=True)
        for (share, batch), beta in zip(batches, torch.tensor(betas, device=model.device), strict=True):
            yield advance(share, *batch, beta), batch
            progress.update()

    rows = _rows(model, train, epoch, results())
    progress.set_postfix(epoch=epoch, beta=f"{model.beta:.3f}", objective=f"{rows['reported_bound'].sum():.1f}")
    return rows


def step(loss_of: Callable[..., Any], optimizer: Optimizer, share: float, *batch: Any) -> dict[str, Tensor]:
    """One gradient step on one batch (`share`: 1, but for uneven processes): the batch means of every term, each ``[S]``."""
    loss, means = loss_of(*batch)
    optimizer.zero_grad()
    (share * loss).backward()
    optimizer.step()
    return means


def batch_loss(
    net: Callable[..., Output], run: RunSpec, x: dict[str, Tensor], y: Tensor, noise: Tensor, rows: Stack, beta: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The objective of one batch, and the means of its terms, each ``[S]``."""
    with torch.autocast(y.device.type, torch.bfloat16, enabled=run.train.precision == "bfloat16"):
        out = net(x, noise, rows)
    t = terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, rows)
    with torch.no_grad():
        means = t.means()
    return objective(t, run.model.modalities, beta, run.train.label_weight), means


@torch.no_grad()
def measure(model: MVAE, triplets: Triplets, epoch: int) -> "pd.DataFrame":
    """The same rows as `one_epoch`, on triplets that are not learnt from."""
    model.eval()
    batches = _batches(model, triplets, epoch, 1024, shuffled=False)
    beta = torch.tensor(model.beta, device=model.device)
    return _rows(model, triplets, epoch, ((batch_loss(model, model.spec, *batch, beta)[1], batch) for _, batch in batches))


def stopped(history: "pd.DataFrame", spec: TrainSpec) -> bool:
    """Has the watched objective (the bounds of all subsets) gone ``patience`` epochs without getting better by ``min_delta``?"""
    if history.empty or not spec.patience:
        return False
    watched = history.query("split != 'train'").pivot_table(index="epoch", values="reported_bound", aggfunc="sum")
    best, waited = float("inf"), 0
    for value in watched.to_numpy().ravel():
        best, waited = (value, 0) if value < best - spec.min_delta else (best, waited + 1)
    return waited >= spec.patience


def _check(run: RunSpec, triplets: int, watched: bool, device: str, world: int) -> None:
    spec, last = run.train, triplets % run.train.batch_size or run.train.batch_size
    if spec.patience and not watched:
        raise ValueError(
            f"TrainSpec.patience is {spec.patience}, but there are no triplets to watch; give `watch`, or patience 0."
        )
    if spec.precision == "tf32" and not device.startswith("cuda"):
        raise ValueError(f"TrainSpec.precision is 'tf32' on {device}; that needs CUDA. Take 'float32' or 'bfloat16'.")
    if world > 1 and (run.model.batch_norm or min(last, spec.batch_size) < world):
        raise ValueError(
            f"{world} processes cannot share batches of {spec.batch_size} (the last: {last}), batch norm {run.model.batch_norm}; "
            "take fewer than triplets in a batch, and no batch norm."
        )


def _batches(model: MVAE, triplets: Triplets, epoch: int, size: int, shuffled: bool) -> Iterator[tuple[float, Batch]]:
    """This process's share of each batch: its weight, and the batch.

    All is a function of (seed, epoch), whatever the number of processes: a resumed run draws what an uninterrupted one would.
    """
    spec, n, (rank, world) = model.spec.train, len(model.names), processes()
    seed, all_rows = spec.seed * 100_003 + epoch, model.powerset(spec.rebuild) if spec.subsets == "all" else None
    on_device, on_host = (torch.Generator(device).manual_seed(seed) for device in (model.device, "cpu"))
    for index in triplets.order(size, seed if shuffled else None):
        rows = all_rows or stack(sampled_subsets(n, spec.random_subsets, on_host), n, spec.rebuild, model.device)
        noise = torch.randn(len(rows.subsets), len(index), model.spec.model.latent, generator=on_device, device=model.device)
        mine, noise = index.tensor_split(world)[rank], noise.tensor_split(world, dim=1)[rank]
        yield len(mine) * world / len(index), (*triplets.gather(mine), noise, rows)


def _rows(model: MVAE, triplets: Triplets, epoch: int, results: Iterator[tuple[dict[str, Tensor], Batch]]) -> "pd.DataFrame":
    """Batch means -> means over the epoch, a row a subset; the random ones of sampled subsets share one row, "between"."""
    import pandas as pd

    start, n, names, given, total = time.perf_counter(), len(model.names), (), [], torch.zeros((), device=model.device)
    pooled = range(2, n) if model.spec.train.subsets == "sampled" else ()
    for means, (_, y, _, rows) in results:
        names, given = tuple(means), ["between" if len(row) in pooled else subset_name(row) for row in rows.subsets]
        total = total + torch.stack(tuple(means.values())) * len(y)  # T of [S] -> [T, S]
    if processes()[1] > 1:
        dist.all_reduce(total)
    table = columns(dict(zip(names, total / len(triplets), strict=True)), model.spec.model.modalities, model.beta)
    frame = pd.DataFrame({"subset": given, **{name: value.tolist() for name, value in table.items()}})
    frame = frame.groupby("subset", sort=False, as_index=False).agg("mean")
    frame.insert(0, "epoch", epoch)
    frame.insert(1, "split", triplets.split)
    return frame.assign(beta=model.beta, seconds=time.perf_counter() - start)


def main() -> None:
    """Command line: a preset, with any field of its spec overridden."""
    import tyro

    from mvae_lib import data

    run = tyro.extras.overridable_config_cli({name: (f"the preset {name!r}", spec) for name, spec in PRESETS.items()})
    watch = "test" if run.data.split == "as_written" else "val"  # as_written has no validation split: watched, never chosen by
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if "LOCAL_RANK" in os.environ:  # torchrun's doing
        device = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    _, history = fit(run, data.load("train", run.data), data.load(watch, run.data), device=device)
    if processes()[0] == 0:
        last = history[history["epoch"] == history["epoch"].max()]
        print(last.drop(columns=["beta", "seconds"]).round(4).to_string(index=False))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
