"""Every notebook runs, in the smoke profile on the stand-in; and what is committed is an executed, clean copy."""

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import run

from mvae_lib import data, train
from mvae_lib.presets import AS_RUN
from study.profiles import for_profile

NOTEBOOKS = sorted((run.ROOT / "notebooks").glob("[0-9]*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]
PREDICT = ("00", "02", "03", "07", "08", "10")
LOOK_AT_IT = ("04", "05", "09", "11")  # at the run that 03 trains


def source_of(code: list[dict]) -> str:
    """The cells as one program, without Jupyter's magic."""
    return "\n".join("".join(line for line in cell["source"] if not line.startswith("%")) for cell in code)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what is drawn, of the stand-in."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "standin")
        patch.setenv("MVAE_OUT", str(out))
        yield out


@pytest.fixture(scope="module")
def trained(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as notebook 03 trains it, of two steps: so each notebook can be run by itself."""
    folder = tmp_path_factory.mktemp("trained")
    few = [replace(data.load(split, AS_RUN.data).take(slice(256)), pool_labels={}) for split in ("train", "val")]
    train.fit(for_profile(AS_RUN, "smoke", 4800), *few, folder, bar=False)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean slate: the shipped runs, the stand-in's arrays, which are made once, and no other run."""
    (run.ROOT / "data" / "processed").mkdir(exist_ok=True)
    for kept in ("pretrained", "processed"):
        (tmp_path / kept).symlink_to(run.ROOT / "data" / kept)
    monkeypatch.setenv("MVAE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_it_runs(path: Path, out: Path, home: Path, request: pytest.FixtureRequest) -> None:
    if path.stem[:2] in LOOK_AT_IT:
        (home / "runs").mkdir()
        (home / "runs" / "as_run_smoke-stand-in-0").symlink_to(request.getfixturevalue("trained"))
    run.execute(path, out / path.name, {"PROFILE": "smoke"})
    outputs = [o for cell in json.loads((out / path.name).read_text())["cells"] for o in cell.get("outputs", [])]
    assert outputs and not [o for o in outputs if o["output_type"] == "error"]
    for csv in (out / "figures").glob("*.csv"):
        drawn_from_data = "stand-in" in csv.read_text().splitlines()[1]
        assert not drawn_from_data or csv.stem.endswith("-stand-in"), f"{csv.name} does not say that it is of the stand-in"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_what_is_committed_is_executed_and_clean(path: Path) -> None:
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert path.stat().st_size < 1_500_000
    assert notebook["metadata"]["kernelspec"]["name"] == "python3" and "widgets" not in notebook["metadata"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert "Data: real data" in json.dumps(outputs), "it must be executed on the real data"
    assert run.faults(notebook) == []
    for cell in code:
        lines = "".join(cell["source"]).splitlines()
        assert len(lines) <= 25 and not [line for line in lines if line.startswith("class ")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_the_source_it_shows_is_the_librarys_as_it_is(path: Path) -> None:
    code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    scope = {"inspect": inspect}
    imports = [node for node in ast.walk(ast.parse(source_of(code))) if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), path.name, "exec"), scope)
    for cell in code:
        shown = "".join(line for output in cell["outputs"] for line in output.get("text", []))
        for call in re.findall(r"""inspect\.getsource\([^()]+\)(?:\.split\('\"{3}'\)\[2\])?""", "".join(cell["source"])):
            assert eval(call, scope) in shown, f"{path.name} shows another {call}; make refresh"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_its_cells_can_be_run_again(path: Path) -> None:
    """No cell puts something else under a name that was imported."""
    code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    nodes = list(ast.walk(ast.parse(source_of(code))))
    imports = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    imported = {alias.asname or alias.name.partition(".")[0] for alias in imports}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    assert not imported & bound


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_it_asks_predicts_reads_and_lets_one_try(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    for beat in ("**Question", "**Prediction", "**Reading", "Try it"):
        assert beat in text, f"{path.name} has no {beat}"


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem[:2] in PREDICT], ids=lambda path: path.stem)
def test_each_prediction_is_followed_by_whether_it_held(path: Path) -> None:
    """And by words that are computed: either could come out."""
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
    asked = [k for k, text in enumerate(cells) if re.search(r"\*\*?Prediction", text)]
    for k, end in zip(asked, [*asked[1:], len(cells)], strict=True):
        after = "\n".join(cells[k:end] if k != asked[0] else cells)  # the first may be answered anywhere
        assert "held" in after and "failed" in after, f"{path.name}, cell {k}: did it hold?"


def test_notebook_08_names_every_target_of_the_bench() -> None:
    text = (run.ROOT / "notebooks" / "08_speed_and_scale.ipynb").read_text()
    assert [letter for letter in "abcdef" if f"({letter})" not in text] == []
    assert "Target (d)." in text and "Target (e)." in text, "those without a number are read where they are drawn"


def test_a_refresh_keeps_no_recording_and_no_widget_and_sees_what_may_not_be_committed() -> None:
    def output(**data):
        return {"output_type": "display_data", "data": data, "metadata": {}}

    player = {"text/html": ["<audio controls src='data:audio/wav;base64,UklGR'>"]}
    widget = {"application/vnd.jupyter.widget-view+json": {}}
    warning = {"output_type": "stream", "name": "stderr", "text": ["UserWarning: it is late"]}
    cell = {"cell_type": "code", "source": "", "metadata": {"papermill": {}, "tags": ["parameters"]}, "execution_count": 1}
    cell["outputs"] = [output(**player), output(**widget), output(**{"text/plain": "7"}), warning]
    cleaned = run.clean({"metadata": {"widgets": {}, "papermill": {}}, "cells": [cell]})
    assert "widgets" not in cleaned["metadata"] and cleaned["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert len(cleaned["cells"][0]["outputs"]) == 3 and "audio/wav" not in json.dumps(cleaned)
    assert run.faults(cleaned) == ["cell 1 shows a warning: UserWarning: it is late"]
    cell["source"] = f"open('{run.ROOT}/data')"
    assert "absolute path" in run.faults(cleaned)[0]


def test_the_study_says_how_long_it_expects_to_take() -> None:
    reference = {"00": 10.0, "01": 60.0, "02": 300.0}
    assert run.to_go({}, ["00", "01", "02"], reference) == "6 minutes"
    assert run.to_go({"00": 30.0}, ["01", "02"], reference) == "18 minutes", "three times as slow as there"
    assert run.to_go({"00": 5.0, "01": 30.0}, [], reference) == "1 seconds"
    known = json.loads(run.REFERENCE.read_text())["seconds"]
    assert list(known) == IDS and all(seconds > 0 for seconds in known.values())


def test_what_else_uses_the_cores_is_told_from_the_study_s_own_work() -> None:
    """A process of ours that has worked for half a second, and has ended, is ours."""
    before = run.used()
    spin = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    after = run.used()
    assert after[1] - before[1] >= 0.5 and after[0] > before[0]
    cores = run.os.cpu_count() or 1
    assert run.beside((0.0, 0.0), (10.0 * cores, 9.9 * cores), 10.0) == "", "the system's own work is none"
    assert f"something else used {cores / 2:.1f} of the {cores} cores" in run.beside(
        (0.0, 0.0), (10.0 * cores, 5.0 * cores), 10.0
    )
