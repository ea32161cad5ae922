"""Every notebook runs, in the smoke profile on the stand-in; and what is committed is an executed, clean copy."""

import ast
import inspect
import json
import re
import shutil
from pathlib import Path

import pytest
import run

from mvae_lib.data.sources import RUNS

NOTEBOOKS = sorted((run.ROOT / "notebooks").glob("[0-9]*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A clean slate: no smoke run left over from other code, and a folder for what is drawn."""
    for folder in [*RUNS.glob("*_smoke-stand-in-0"), *RUNS.glob("try_*-stand-in-0")]:
        shutil.rmtree(folder)
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_DATA", "standin")
        patch.setenv("MVAE_OUT", str(out))
        yield out


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_it_runs(path: Path, out: Path) -> None:
    """In their order: 04 and 05 look at the run that 03 trains."""
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
    for cell in code:
        lines = [line for line in cell["source"] if not line.startswith("%")]
        imports = [node for node in ast.parse("".join(lines)).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), path.name, "exec"), scope)
    for cell in code:
        shown = "".join(line for output in cell["outputs"] for line in output.get("text", []))
        for call in re.findall(r"""inspect\.getsource\([^()]+\)(?:\.split\('\"{3}'\)\[2\])?""", "".join(cell["source"])):
            assert eval(call, scope) in shown, f"{path.name} shows another {call}; make refresh"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_it_asks_predicts_reads_and_lets_one_try(path: Path) -> None:
    text = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    for beat in ("**Question", "**Prediction", "**Reading", "Try it"):
        assert beat in text, f"{path.name} has no {beat}"


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
