"""Each promise of README names a test, and the test is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROMISES = (ROOT / "README.md").read_text().partition("## What it promises\n")[2].partition("\n## ")[0]


def defined_in(path: str) -> set[str]:
    found = (ROOT / path).read_text() if (ROOT / path).exists() else ""
    return {node.name for node in ast.walk(ast.parse(found)) if isinstance(node, ast.FunctionDef)}


def test_each_promise_is_kept_by_a_test() -> None:
    rows = [line for line in PROMISES.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 10
    for row in rows:
        named = re.findall(r"`(tests/\w+\.py)::(test_\w+)`", row)
        assert named, f"no test: {row}"
        assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []


def test_make_soak_tries_as_often_as_it_is_said_to() -> None:
    text = (ROOT / "bench" / "soak.py").read_text()
    for what, said in (("mutations", "100,000 broken"), ("kills", "25 kills"), ("moves", "10,000 moves")):
        count = said.split()[0].replace(",", "_")
        assert f'"{what}": {count}' in text and said in PROMISES
