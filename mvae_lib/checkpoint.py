"""Runs on disk: atomic, exact, pickle-free.

A run folder holds ``spec.json`` (how it was made), ``card.json`` (what it saw: data source, scaler, training means),
``history.csv``, ``weights.safetensors`` (to use) and ``state.safetensors`` (weights and optimiser, to go on).
A shipped run is three files in ``data/pretrained``: float16 weights, a JSON with the spec and the card, and the history.
"""

import json
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from mvae_lib.model import MVAE, build
from mvae_lib.pairs import Pairs
from mvae_lib.spec import RunSpec
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


def begin(folder: Path, run: RunSpec, card: dict[str, Any]) -> None:
    """Open a run folder: new, or one of the same spec (but for its limits) to go on with; ValueError for another run."""
    path = folder / "spec.json"
    if path.exists():
        old = RunSpec.from_json(path.read_text())
        limits = {name: getattr(run.train, name) for name in ("epochs", "patience", "watched")}
        old = replace(old, train=replace(old.train, **limits))
        was, now = asdict(old), asdict(run)
        parts = [f"{part}.{key}" for part in ("data", "model", "train") for key in now[part] if now[part][key] != was[part][key]]
        if old != run:
            raise ValueError(
                f"{folder} holds another run (it differs in {', '.join(parts) or 'name'}); "
                "choose another name or seed, or delete the folder."
            )
        if json.loads((folder / "card.json").read_text())["source"] != card["source"]:
            raise ValueError(f"{folder} was trained on other data than {card['source']}; delete the folder to start again.")
    write(folder / "card.json", lambda part: part.write_text(json.dumps(card)))
    write(path, lambda part: part.write_text(run.to_json()))


def save(folder: Path, model: MVAE, optimizer: Optimizer, rows: Any) -> None:
    """Keep a run as it stands, with its history's rows. They go first: `resume` drops those that the state has not reached."""
    metadata = {"epochs": str(model.epochs), "beta": repr(model.beta)}
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    slots = {
        f"optimizer.{index}.{slot}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for slot, value in state.items()
    }
    state = {f"model.{name}": tensor for name, tensor in weights.items()} | slots
    write(folder / "history.csv", lambda part: rows.to_csv(part, index=False))
    write(folder / "state.safetensors", lambda part: save_file(state, part, metadata))
    write(folder / "weights.safetensors", lambda part: save_file(weights, part, metadata))


def resume(folder: Path, model: MVAE, optimizer: Optimizer) -> Any:
    """Put model and optimiser back to where the folder's run stood: its history, a DataFrame; empty for a new run."""
    import pandas as pd  # late, as `import mvae_lib` is to take no longer than `import torch`

    path = folder / "state.safetensors"
    if not path.exists():
        return pd.DataFrame()
    tensors = load_file(path, device=str(model.device))
    _restore(model, {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}, path)
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    rows = pd.read_csv(folder / "history.csv")
    return rows[rows["epoch"] <= model.epochs]


def load(name: str | Path, model: MVAE | None = None) -> MVAE:
    """A trained model, in eval mode, on the CPU; its ``spec``, ``beta``, ``epochs`` and ``card`` say how it came about.

    Args:
        name: a shipped run (``"as_run"``, ``"as_written"``, ``"spoken"``) or a run folder.
        model: of the same networks, to load the weights into, where they are modules of one's own.
    Raises: FileNotFoundError for another name; ValueError where its networks are one's own, and no model is given.
    """
    folder, shipped = Path(name), PRETRAINED / f"{name}.json"
    if shipped.exists():
        card = json.loads(shipped.read_text())
        run, weights = RunSpec.from_json(json.dumps(card.pop("spec"))), shipped.with_suffix(".safetensors")
    elif (folder / "weights.safetensors").exists():
        run = RunSpec.from_json((folder / "spec.json").read_text())
        card, weights = json.loads((folder / "card.json").read_text()), folder / "weights.safetensors"
    else:
        there = ", ".join(sorted(path.stem for path in PRETRAINED.glob("*.json"))) or f"none in {PRETRAINED}"
        raise FileNotFoundError(
            f"{str(name)!r} is no shipped run ({there}) and no run folder with weights.safetensors in it. "
            "Shipped runs come with the repository: set MVAE_HOME to the folder data of a clone of it."
        )
    if model is None and not run.model.modalities:
        raise ValueError(f"The networks of {str(name)!r} are modules of one's own; give load a model of them to load into.")
    model = model or build(run)
    model.spec, model.card = run, card
    _restore(model, {key: tensor.float() for key, tensor in load_file(weights).items()}, weights)
    return model.eval()


def history(name: str | Path) -> Any:
    """How a trained model got there, of the same names as `load`: a DataFrame, a row an epoch, split and subset."""
    import pandas as pd

    shipped = PRETRAINED / f"{name}.csv"
    return pd.read_csv(shipped if shipped.exists() else Path(name) / "history.csv")


def _restore(model: MVAE, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Weights, and from the metadata of their file the beta reached and the epochs done."""
    model.load_state_dict(weights)
    metadata = read_metadata(path)
    model.beta, model.epochs = float(metadata["beta"]), int(metadata["epochs"])


def read_metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()
