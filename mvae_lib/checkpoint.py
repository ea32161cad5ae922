"""Runs on disk: atomic, exact, pickle-free.

A run folder holds ``spec.json`` (how it was made), ``card.json`` (what it saw: data source, scaler, training means),
``history.csv``, ``weights.safetensors`` (to use) and ``state.safetensors`` (weights and optimiser, to go on).
A shipped run is two files in ``data/pretrained``: float16 weights, and a JSON with the spec and the card.
"""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from mvae_lib.data import Triplets
from mvae_lib.data.sets import REAL
from mvae_lib.data.sources import RUNS
from mvae_lib.model import MVAE
from mvae_lib.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

PRETRAINED = Path(__file__).resolve().parents[1] / "data" / "pretrained"


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Write beside `path`, then rename: a reader, or a crash, finds the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        writer(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def run_folder(name: str, source: str, seed: int = 0) -> Path:
    """Where a run is kept: ``data/runs/<name>-<real or stand-in>-<seed>``."""
    return RUNS / f"{name}-{source.split()[0]}-{seed}"


def card(train: Triplets) -> dict[str, Any]:
    """What a run saw, for those who use it where the data are not: the source, the scaler, the training means. JSON values."""
    tables = {"scaler": train.scaler, "class_means": train.class_means(), "global_means": train.global_means()}
    lists = {
        key: {name: value.double().round(decimals=6).tolist() for name, value in table.items()} for key, table in tables.items()
    }
    return {"source": train.source, "provenance": provenance(), **lists}


def provenance() -> dict[str, Any]:
    """Where a run is trained, and by what."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def begin(folder: Path, run: RunSpec, card: dict[str, Any]) -> None:
    """Open a run folder: new, or one of the same spec to go on with.

    Raises:
        ValueError: the folder holds another run. Only ``train.epochs`` and ``train.patience`` may change when a run goes on.
    """
    spec = folder / "spec.json"
    if spec.exists():
        known = RunSpec.from_json(spec.read_text())  # a field that was not yet when it was made has its default
        old, new = (json.loads(each.to_json()) for each in (known, run))
        for part in (old, new):
            part["train"].update(epochs=None, patience=None)
        if old != new:
            differ = [
                f"{part}.{key}"
                for part in ("data", "model", "train")
                for key in new[part]
                if new[part][key] != old[part].get(key)
            ]
            raise ValueError(
                f"{folder} holds another run (it differs in {', '.join(differ) or 'name'}); "
                "choose another name or seed, or delete the folder."
            )
        if json.loads((folder / "card.json").read_text())["source"] != card["source"]:
            raise ValueError(f"{folder} was trained on other data than {card['source']}; delete the folder to start again.")
    write(folder / "card.json", lambda part: part.write_text(json.dumps(card)))
    write(spec, lambda part: part.write_text(run.to_json()))


def save(folder: Path, model: MVAE, optimizer: Optimizer, history: "pd.DataFrame", epochs: int) -> None:
    """Keep a run as it stands after `epochs` epochs. History goes first: `resume` drops rows that the state has not reached."""
    metadata = {"epochs": str(epochs), "beta": repr(model.beta)}
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    slots = {
        f"optimizer.{index}.{slot}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for slot, value in state.items()
    }
    state = {f"model.{name}": tensor for name, tensor in weights.items()} | slots
    write(folder / "history.csv", lambda part: history.to_csv(part, index=False))
    write(folder / "state.safetensors", lambda part: save_file(state, part, metadata))
    write(folder / "weights.safetensors", lambda part: save_file(weights, part, metadata))


def resume(folder: Path, model: MVAE, optimizer: Optimizer) -> tuple["pd.DataFrame", int]:
    """Put model and optimiser back to where the folder's run stood: its history, and the number of epochs done (0: a new run)."""
    import pandas as pd

    path = folder / "state.safetensors"
    if not path.exists():
        return pd.DataFrame(), 0
    tensors = load_file(path, device=str(next(model.parameters()).device))
    metadata = _metadata(path)
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    model.beta, model.epochs = float(metadata["beta"]), int(metadata["epochs"])
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    history = pd.read_csv(folder / "history.csv")
    return history.query("epoch <= @model.epochs"), model.epochs


def load(name: str | Path) -> MVAE:
    """A trained model, in eval mode, on the CPU.

    Args:
        name: a shipped run (``"as_run"``, ``"as_written"``) or a run folder.
    Returns: the model; ``.spec`` says how it was made, ``.beta`` and ``.epochs`` how far it got, ``.card`` what it saw.
    Raises:
        FileNotFoundError: neither a shipped run nor a run folder of that name; the message lists what there is.
    """
    folder, shipped = Path(name), PRETRAINED / f"{name}.json"
    if shipped.exists():
        card = json.loads(shipped.read_text())
        run, weights = RunSpec.from_json(json.dumps(card.pop("spec"))), shipped.with_suffix(".safetensors")
    elif (folder / "weights.safetensors").exists():
        run = RunSpec.from_json((folder / "spec.json").read_text())
        card, weights = json.loads((folder / "card.json").read_text()), folder / "weights.safetensors"
    else:
        there = ", ".join(sorted(path.stem for path in PRETRAINED.glob("*.json"))) or "none"
        raise FileNotFoundError(f"{str(name)!r} is no shipped run ({there}) and no run folder with weights.safetensors in it.")
    model = MVAE(run)
    model.load_state_dict({key: tensor.float() for key, tensor in load_file(weights).items()})
    metadata = _metadata(weights)
    model.beta, model.epochs, model.card = float(metadata["beta"]), int(metadata["epochs"]), card
    return model.eval()


def history(name: str | Path) -> "pd.DataFrame":
    """How a trained model got there, of the same names as `load`: a row an epoch, split and subset."""
    import pandas as pd

    shipped = PRETRAINED / f"{name}.csv"
    return pd.read_csv(shipped if shipped.exists() else Path(name) / "history.csv")


def study_model(profile: str, source: str) -> MVAE:
    """The model that the notebooks look at: the shipped one; on the stand-in, or in the full profile, the one that 03 trained."""
    shipped = source == REAL and profile != "full"
    return load("as_run" if shipped else run_folder(f"as_run_{profile}", source))


def ship(folder: Path, described: dict[str, Any]) -> Path:
    """A run folder -> the two files of ``data/pretrained``, and its history beside them; returns the weights' path.

    Args:
        described: what `mvae_lib.evaluate.describe` found, to let the run be explored where there are no data.
    """
    run = RunSpec.from_json((folder / "spec.json").read_text())
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(folder / "weights.safetensors").items()
    }
    card = {"spec": json.loads(run.to_json()), **json.loads((folder / "card.json").read_text()), **described}
    card["provenance"] |= {**_metadata(folder / "weights.safetensors"), "seconds": round(_seconds(folder / "history.csv"))}
    path = PRETRAINED / f"{run.name}.safetensors"
    write(path, lambda part: save_file(weights, part, _metadata(folder / "weights.safetensors")))
    write(path.with_suffix(".json"), lambda part: part.write_text(json.dumps(card)))
    write(path.with_suffix(".csv"), lambda part: part.write_bytes((folder / "history.csv").read_bytes()))
    return path


def _seconds(path: Path) -> float:
    """Time that a run took, its measuring included."""
    import pandas as pd

    return float(pd.read_csv(path).drop_duplicates(["epoch", "split"])["seconds"].to_numpy().sum())


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()
