"""Runs on disk: atomic, exact, pickle-free.

A run folder holds ``spec.json`` (how it was made), ``card.json`` (what it saw: data source, scaler, training means),
``history.csv``, ``weights.safetensors`` (to use) and ``state.safetensors`` (weights and optimiser, to go on).
A shipped run is three files in ``data/pretrained``: float16 weights, a JSON with the spec and the card, and the history.
"""

import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from mvae_lib.model import MVAE, build
from mvae_lib.pairs import Pairs
from mvae_lib.spec import RunSpec, TrainSpec
from mvae_lib.storage import PRETRAINED, RUNS, write


def run_folder(name: str, source: str, seed: int = 0) -> Path:
    """Where a run is kept: ``data/runs/<name>-<first word of the source>-<seed>``."""
    return RUNS / f"{name}-{source.split()[0]}-{seed}"


def describe_data(pairs: Pairs) -> dict[str, Any]:
    """What a run saw, for use without the data: source, scaler if there is one, training means; and by what. JSON values."""
    tables = {"scaler": getattr(pairs, "scaler", {}), "class_means": pairs.class_means(), "global_means": pairs.global_means()}
    lists = {
        key: {name: value.double().round(decimals=6).tolist() for name, value in table.items()} for key, table in tables.items()
    }
    provenance = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    return {"source": pairs.source, "provenance": provenance, **lists}


@contextmanager
def opened(folder: Path, model: MVAE) -> Iterator[None]:
    """A run folder to work in, for one process at a time: new, or one of the same spec (but for its limits) and the same data.

    What a killed process left half written is swept; a spec whose first epoch was never reached is replaced.
    ValueError for another run, for other data, for a folder that holds other things, and for one that another process works in.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "spec.json").exists() and not (folder / "lock").exists():
        raise ValueError(f"{folder} holds other things than a run; choose another name, or an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it goes when its process does, however that ends
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(
                f"{folder} is in use by process {lock.read()}; wait for it, or choose another name or seed."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        for left in (*folder.glob(".*.part"), *folder.glob(".*.tmp")):
            left.unlink(missing_ok=True)
        if (folder / "state.safetensors").exists():
            _check_same(folder, model)
        write(folder / "card.json", lambda part: part.write_text(json.dumps(model.card)))
        write(folder / "spec.json", lambda part: part.write_text(model.spec.to_json()))
        yield


LIMITS = ("epochs", "patience", "watched", "learning_rate")  # What may be another when a run goes on


def _check_same(folder: Path, model: MVAE) -> None:
    old, run = _unlimited(read_spec(folder / "spec.json")), _unlimited(model.spec)
    was, now = asdict(old), asdict(run)
    parts = [f"{part}.{key}" for part in ("data", "model", "train") for key in now[part] if now[part][key] != was[part][key]]
    if old != run:
        differs = ", ".join(parts) or "name"
        raise ValueError(
            f"{folder} holds another run (it differs in {differs}); choose another name or seed, or delete the folder."
        )
    card = read_json(folder / "card.json")
    if any(card.get(key) != model.card[key] for key in ("source", "global_means")):
        raise ValueError(f"{folder} was trained on other data than these ({model.card['source']}); choose another name.")


def save(folder: Path, model: MVAE, optimizer: Optimizer, rows: Any) -> None:
    """Keep a run as it stands, with its history's rows. They go first: `resume` drops those that the state has not reached."""
    slots = {
        f"optimizer.{index}.{slot}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for slot, value in state.items()
    }
    state = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()} | slots
    write(folder / "history.csv", lambda part: rows.to_csv(part, index=False))
    write(folder / "state.safetensors", lambda part: save_file(state, part, _metadata(model)))
    save_weights(folder, model)


def save_weights(folder: Path, model: MVAE) -> None:
    """The weights alone, where the folder has not those of this epoch yet."""
    path, weights = folder / "weights.safetensors", {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if not path.exists() or read_metadata(path) != _metadata(model):
        write(path, lambda part: save_file(weights, part, _metadata(model)))


def _metadata(model: MVAE) -> dict[str, str]:
    """Which run the tensors are of, and how far it has come."""
    return {"epochs": str(model.epochs), "beta": repr(model.beta), "run": _unlimited(model.spec).to_json()}


def _unlimited(run: RunSpec) -> RunSpec:
    """The run with all that may be another when it goes on at its default."""
    return replace(run, train=replace(run.train, **{name: getattr(TrainSpec, name) for name in LIMITS}))


def resume(folder: Path, model: MVAE, optimizer: Optimizer) -> Any:
    """Put model and optimiser back to where the folder's run stood: its history, a DataFrame; empty for a new run."""
    import pandas as pd  # late, as `import mvae_lib` is to take no longer than `import torch`

    path = folder / "state.safetensors"
    if not path.exists():
        return pd.DataFrame()
    known, tensors = read_metadata(path).get("run"), load_file(path, device=str(model.device))
    if known is not None and RunSpec.from_json(known) != _unlimited(model.spec):
        raise ValueError(f"{path} is of another run than {folder / 'spec.json'}; put its own back, or delete the folder.")
    _restore(model, {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}, path)
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    rows = history(folder)
    rows = rows[rows["epoch"] <= model.epochs]
    if rows["epoch"].unique().tolist() != list(range(1, model.epochs + 1)):
        raise ValueError(
            f"{folder / 'history.csv'} has not all of the {model.epochs} epochs; put it back whole, or delete the folder."
        )
    return rows


def load(name: str | Path, model: MVAE | None = None) -> MVAE:
    """A trained model, in eval mode, on the CPU; its ``spec``, ``beta``, ``epochs`` and ``card`` say how it came about.

    Args:
        name: a shipped run (``"as_run"``, ``"as_written"``, ``"spoken"``) or a run folder.
        model: of the same networks, to load the weights into, where they are modules of one's own.
    Raises: FileNotFoundError for another name; ValueError where its networks are one's own, and no model is given.
    """
    folder, shipped = Path(name), PRETRAINED / f"{name}.json"
    if shipped.exists():
        card = read_json(shipped)
        run, weights = RunSpec.from_json(json.dumps(card.pop("spec"))), shipped.with_suffix(".safetensors")
    elif (folder / "weights.safetensors").exists():
        run, card, weights = read_spec(folder / "spec.json"), read_json(folder / "card.json"), folder / "weights.safetensors"
    else:
        there = ", ".join(sorted(path.stem for path in PRETRAINED.glob("*.json"))) or f"none in {PRETRAINED}"
        raise FileNotFoundError(
            f"{str(name)!r} is no shipped run ({there}) and no run folder with weights.safetensors in it. "
            "Shipped runs come with the repository: set MVAE_HOME to the folder data of a clone of it."
        )
    if model is None and not run.model.modalities:
        raise ValueError(f"The networks of {str(name)!r} are modules of one's own; give load a model of them to load into.")
    read_metadata(weights)  # is it whole?
    model = model or build(run)
    model.spec, model.card = run, card
    _restore(model, {key: tensor.float() for key, tensor in load_file(weights).items()}, weights)
    return model.eval()


def history(name: str | Path) -> Any:
    """How a trained model got there, of the same names as `load`: a DataFrame, a row an epoch, split and subset.

    ValueError, with the path, for a file that is no history.
    """
    import pandas as pd

    shipped = PRETRAINED / f"{name}.csv"
    path = shipped if shipped.exists() else Path(name) / "history.csv"
    try:
        rows = pd.read_csv(path, dtype={"epoch": int})
        rows.drop(columns=["epoch", "split", "subset"]).astype(float)  # all else is numbers
    except (ValueError, KeyError) as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{path} is broken ({words:.80}); put it back whole, or delete the folder.") from None
    return rows


def _restore(model: MVAE, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Weights, and from the metadata of their file the beta reached and the epochs done."""
    wanted, metadata = model.state_dict(), read_metadata(path)
    wrong = sorted(wanted.keys() ^ weights.keys())
    wrong += [name for name in wanted.keys() & weights.keys() if wanted[name].shape != weights[name].shape]
    if wrong or not {"epochs", "beta"} <= metadata.keys():
        fault = f"{len(wrong)} tensors are others, {wrong[0]!r:.80} first" if wrong else "its metadata have no epochs and beta"
        raise ValueError(f"{path} does not hold this model's weights: {fault}. Was it made with another spec?")
    model.load_state_dict(weights)
    model.beta, model.epochs = float(metadata["beta"]), int(metadata["epochs"])


def read_json(path: Path) -> dict[str, Any]:
    """ValueError, with the path, for what is no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is broken ({error}); put a whole copy back.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, no JSON object; put a whole copy back.")
    return content


def read_spec(path: Path) -> RunSpec:
    """ValueError, with the path, for what is no spec."""
    try:
        return RunSpec.from_json(json.dumps(read_json(path)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is broken ({str(error):.80}); put a whole copy back, or delete its folder.") from None
