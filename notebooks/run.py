"""Runs the numbered notebooks in order, each in a fresh kernel, and says what came of it.

`make study` is ``run.py --profile laptop``: executed copies and figures go to data/out/, which git ignores.
`make refresh` is ``run.py --refresh``: renews the committed notebooks and figures, on the real data alone.
"""

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "out"
REFERENCE = ROOT / "notebooks" / "seconds.json"
"""What each notebook took at the last refresh."""


def execute(path: Path, out: Path, parameters: dict[str, str], **hooks: Callable) -> None:
    """Runs one notebook in a fresh kernel of this very interpreter, in the notebook's own folder, and saves the executed copy.

    Raises: papermill's PapermillExecutionError (cell, traceback), nbclient's DeadKernelError; the copy is saved all the same.
    """
    import papermill
    from traitlets.config import Config

    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix, "share", "jupyter"))  # before any other kernel that is called python3
    out.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernel_name": "python3", "language": "python", "cwd": path.parent}
    quiet = Config(KernelManager={"transport_encryption": "auto"})  # or each kernel warns that its local sockets are in the clear
    papermill.execute_notebook(path, out, parameters, progress_bar=False, config=quiet, **kernel, **hooks)


def to_go(done: dict[str, float], rest: list[str], reference: dict[str, float]) -> str:
    """How long the rest will take, in words: as at the last refresh, times how much longer what is done took than there."""
    there = sum(reference.get(name, 0) for name in done)
    seconds = sum(reference.get(name, 0) for name in rest) * (sum(done.values()) / there if there else 1)
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(seconds, 1):.0f} seconds"


def used() -> tuple[float, float]:
    """Seconds of all cores' work until now: of every process; of this one and of those that it started and that have ended."""
    import psutil

    every = psutil.cpu_times()._asdict()
    own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(every.get(kind, 0) for kind in ("user", "nice", "system", "steal")), sum(u.ru_utime + u.ru_stime for u in own)


def beside(before: tuple[float, float], after: tuple[float, float], seconds: float) -> str:
    """What else used the cores between two calls of `used`, in words; "" for less than an eighth of them."""
    cores = os.cpu_count() or 1
    others = ((after[0] - before[0]) - (after[1] - before[1])) / seconds
    return f"; beside it, something else used {others:.1f} of the {cores} cores" if others > cores / 8 else ""


def run(notebooks: list[Path], parameters: dict[str, str], copy: Callable[[Path], Path]) -> dict[str, float]:
    """All of them under one bar of cells -> seconds of each. Exits at the first error, and at Ctrl-C.

    It says how long it expects to take, where the profile is the reference's, and when something else uses the cores.
    """
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from tqdm import tqdm

    cells = {path: len(json.loads(path.read_text())["cells"]) for path in notebooks}
    seconds, number, source = {}, 0, ""
    reference = json.loads(REFERENCE.read_text())["seconds"] if parameters.get("PROFILE", "laptop") == "laptop" else {}

    def on_cell_start(cell: dict, cell_index: int) -> None:
        nonlocal number, source
        if "injected-parameters" not in cell["metadata"].get("tags", []):
            bar.update(number > 0)
            number, source = number + 1, cell["source"].strip()
            bar.set_postfix_str(f"cell {number} of {cells[path]}")

    with tqdm(total=sum(cells.values()), unit="cell") as bar:
        if reference:
            bar.write(f"Expected: {to_go({}, [path.stem for path in notebooks], reference)}, as at the last refresh.")
        for at, path in enumerate(notebooks, 1):
            before = used()
            number, began, saved = 0, time.perf_counter(), f"Copy so far: {copy(path).relative_to(ROOT)}"
            bar.set_description(path.stem)
            try:
                execute(path, copy(path), parameters, on_cell_start=on_cell_start)
            except (PapermillExecutionError, DeadKernelError) as error:
                lines = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(getattr(error, "traceback", []))).splitlines()[-12:]
                what = "\n".join(lines) or f"{error}, without a traceback. Was there enough memory?"
                sys.exit(f"\nFailed in {path.name}, cell {number}:\n\n{source}\n\n{what}\n\n{saved}")
            except KeyboardInterrupt:
                sys.exit(f"\nStopped in {path.name}, cell {number}. {saved}")
            bar.update()
            seconds[path.stem] = round(time.perf_counter() - began, 1)
            rest = [path.stem for path in notebooks[at:]]
            left = f"; about {to_go(seconds, rest, reference)} to go" if reference and rest else ""
            bar.write(f"{path.stem}: {seconds[path.stem]} s{left}{beside(before, used(), time.perf_counter() - began)}")
    return seconds


def decide(real_only: bool) -> str:
    """Which data the study runs on: decided once, told to every kernel through MVAE_DATA. Exits if that is not `real_only`."""
    from mvae_lib.data import DataError, load
    from mvae_lib.data.arrays import STANDIN

    try:
        source = load("test").source
    except DataError as error:
        sys.exit(str(error))
    if real_only and source == STANDIN:
        sys.exit("What is committed is made from the real data, and here there is only the stand-in. Nothing was changed.")
    os.environ["MVAE_DATA"] = "standin" if source == STANDIN else "real"
    print(f"The study runs on: {source}", flush=True)
    return source


def clean(notebook: dict) -> dict:
    """What is committed of a run: nothing of when, where or by what it was run, no widget and no widget's state."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if v and k not in ("papermill", "execution")}
        if "outputs" in cell:
            kept = [o for o in cell["outputs"] if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})]
            cell["outputs"] = [_quiet(output) for output in kept]
    return notebook


def _quiet(output: dict) -> dict:
    """An output without its recording: no sample of the data is committed. Where the notebook runs there is a player."""
    if "<audio" in "".join(output.get("data", {}).get("text/html", "")):
        return {**output, "data": {"text/plain": ["(a player, where the notebook runs: no recording is committed)"]}}
    return output


def faults(notebook: dict) -> list[str]:
    """Why a cleaned notebook may not be committed, a line each: it tells of this machine, or it shows a warning."""
    places = (str(ROOT), f"{Path.home()}/", f"{tempfile.gettempdir()}/")
    found = []
    for number, cell in enumerate(notebook["cells"], 1):
        found += [f"cell {number} holds the absolute path {place}" for place in places if place in json.dumps(cell)]
        errors = ["".join(output["text"]).strip() for output in cell.get("outputs", []) if output.get("name") == "stderr"]
        found += [f"cell {number} shows a warning: {text.splitlines()[0]}" for text in errors if "warning" in text.lower()]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("smoke", "laptop", "full"), default="laptop")
    parser.add_argument("--refresh", action="store_true", help="renew what is committed, with the notebooks' own parameters")
    parser.add_argument("--only", default="", metavar="03", help="only the notebooks whose names begin so")
    args = parser.parse_args()
    notebooks = sorted(path for path in (ROOT / "notebooks").glob("[0-9]*.ipynb") if path.name.startswith(args.only))
    if not notebooks:
        sys.exit(f"No numbered notebook in notebooks/ begins with {args.only!r}.")
    try:
        (OUT / "notebooks").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=OUT / "notebooks").close()
    except OSError as error:
        sys.exit(f"{OUT} cannot be written ({error.strerror}), and results go there. Run the study from a copy that you own.")
    source = decide(real_only=args.refresh)
    mark = f"-{source}" if os.environ["MVAE_DATA"] == "standin" else ""  # a stand-in's results never overwrite real ones
    target = ROOT if args.refresh else OUT
    os.environ["MVAE_OUT"] = str(target)
    if args.refresh:
        os.environ["MVAE_SECONDS"] = "inf"  # no training is cut short by the clock: what is committed does not depend on it
    parameters = {} if args.refresh else {"PROFILE": args.profile}
    seconds = run(notebooks, parameters, lambda path: OUT / "notebooks" / f"{path.stem}{mark}.ipynb")

    if args.refresh:
        renewed = {path: clean(json.loads((OUT / "notebooks" / path.name).read_text())) for path in notebooks}
        if bad := [f"{path.name}: {fault}" for path, notebook in renewed.items() for fault in faults(notebook)]:
            sys.exit("\n".join(["No notebook was renewed (executed copies: data/out/notebooks).", *bad]))
        if not args.only:
            REFERENCE.write_text(
                json.dumps({"of": f"make refresh, {os.cpu_count()} cores, {source}", "seconds": seconds}, indent=2) + "\n"
            )
        for path, notebook in renewed.items():
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")

    processes = {"largest kernel": resource.RUSAGE_CHILDREN, "this runner": resource.RUSAGE_SELF}
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in MiB
    study = {
        "data": source,
        "profile": parameters.get("PROFILE", "as committed"),
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "peak MiB": {who: resource.getrusage(which).ru_maxrss // unit for who, which in processes.items()},
        "executed notebooks": f"{(target / 'notebooks').relative_to(ROOT)}/",
        "figures and tables": f"{(target / 'figures').relative_to(ROOT)}/",
    }
    if not args.only:
        (OUT / f"study{mark}.json").write_text(json.dumps(study, indent=2) + "\n")
    print("\nDone.")
    for key, value in study.items():
        print(f"  {key:20}", ", ".join(f"{k} {v:,}" for k, v in value.items()) if isinstance(value, dict) else value)


if __name__ == "__main__":
    main()
