"""README.md and REPLICATION.md say what the CSVs say: every row of their tables is made again from figures/ and compared."""

import ast
import json
import re

import pandas as pd
import pytest
from telling import COLUMNS, SEEDS, figures, readme_s_text, replication_s_text, split

from mvae_lib.storage import ROOT
from mvae_lib.tables import CLASS_MEAN, GLOBAL_MEAN, REPORT_ORDER
from study.plots import report_table

REPLICATION, README = ((ROOT / name).read_text() for name in ("REPLICATION.md", "README.md"))
FLOAT = r"[-+]?\d[\d,]*\.?\d*"


def rows_under(text: str, header: str) -> list[list[str]]:
    """The cells of each row of the Markdown table whose header line begins so."""
    lines = text[text.index(header) :].splitlines()
    table = lines[2 : next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def number(cell: str) -> float:
    return float(re.search(FLOAT, cell.replace("**", "")).group().replace(",", ""))  # type: ignore[union-attr]


def places(cell: str) -> int:
    return len(re.search(FLOAT, cell.replace("**", "")).group().partition(".")[2])  # type: ignore[union-attr]


def says(cell: str, value: float) -> bool:
    """Is the number in the cell this value, rounded as the cell rounds?"""
    return abs(number(cell) - value) <= 0.5 * 10.0 ** -places(cell) + 1e-9


def test_replication_says_what_the_tables_say():
    assert replication_s_text() == REPLICATION, "python tests/telling.py writes it anew"


def test_readme_s_results_are_the_report_s_and_the_same_seeds_throughout():
    assert readme_s_text(README) == README, "python tests/telling.py writes it anew"
    assert SEEDS["epochs"].nunique() == 1, "the runs of one table are trained alike"


def test_the_numbers_that_are_typed_are_the_report_s_or_a_recipe_s():
    text = re.sub(r"\{[^}]*\}|`[^`]*`", "", (ROOT / "tests" / "replication.txt").read_text())
    recipe = {
        0.1,
        0.4,
        20.0,
        0.002,
        0.16,
        99.20,
        99.95,
    }  # of the stopping rule, tolerances, an exact sum; claim 1's are the report's
    typed = {float(each) for each in re.findall(r"(?<![\w.])\d*\.\d+", text)}
    assert typed <= recipe | set(report_table().to_numpy().ravel().round(6)), typed


def test_every_table_that_replication_names_is_there():
    for name in re.findall(r"`([\w*]+\.csv)`", REPLICATION):
        assert list((ROOT / "figures").glob(name)), name


def test_replication_s_table_2_is_the_report_s_and_ours():
    report, ours = report_table(), split("train, running")
    rows = rows_under(REPLICATION, "| given | column | report | ours |")
    assert [(row[0], row[1]) for row in rows] == [(given, column) for given in REPORT_ORDER for column in COLUMNS]
    for given, column, theirs, own, difference, tolerance, verdict in rows:
        metric = COLUMNS[column]
        scale = 100 if metric == "accuracy" else 1
        was, found = report.loc[given, metric] * scale, ours.loc[given, metric] * scale
        assert says(theirs, was) and says(own, found), (given, column)
        apart = found - was if metric == "accuracy" else 100 * (found / was - 1)
        assert says(difference, apart), (given, column, difference, apart)
        assert tolerance == ("0.4 points" if metric == "accuracy" else "5 %"), "as fixed before the run"
        assert (verdict == "replicated") == (abs(apart) <= number(tolerance)), (given, column, verdict)
    within = sum(row[-1] == "replicated" for row in rows)
    assert re.search(rf"Within their tolerance are {within} of the {len(rows)} cells", REPLICATION), within


def test_replication_s_class_means_are_the_table_s():
    ours, report = split("train, running"), report_table()
    rows = rows_under(REPLICATION, "| given | missing | report | ours | class mean (train)")
    assert len(rows) == 9
    for given, missing, theirs, own, mean, apart in rows:
        metric = f"bce_{missing.lower()}" if missing != "speech" else "sse_speech"
        value, limit = ours.loc[given, metric], split("train").loc[CLASS_MEAN, metric]
        assert says(theirs, report.loc[given, metric]) and says(own, value) and says(mean, limit)
        assert says(apart, 100 * (value / limit - 1))


def test_what_readme_s_words_say_of_limits_and_calibration_is_so():
    limit = {name: split("test_dig").loc[name, "bce_kannada"] for name in (CLASS_MEAN, GLOBAL_MEAN)}
    assert ("there the mean of all digits is the better guess" in " ".join(README.split())) == (
        limit[CLASS_MEAN] > limit[GLOBAL_MEAN]
    )
    sure = figures("calibration").query("split == 'test'")
    by = sure.assign(over=sure["confidence"] - sure["accuracy"]).groupby("z")[["over", "calibration_error"]].mean()
    assert ("`classify` is too sure" in README) == (by.loc["posterior mean", "over"] > 0)


SAME = ("mean", "std", "sd", "change", "value", "standard_error", "se", "gain", "gain_error")


class Alike(ast.NodeTransformer):
    """An expression without what tells a mean from its spread: so both must be of the same rows."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("...") if node.value in SAME else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name("...") if node.id in SAME else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return ast.Attribute(node.value, "...") if node.attr in SAME else node


def mixed(source: str) -> list[str]:
    """The "mean ± sd" of f-strings whose two halves are not of one object."""
    found = []
    for text in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr)):
        for one, between, other in zip(text.values, text.values[1:], text.values[2:], strict=False):
            if isinstance(between, ast.Constant) and re.fullmatch(r" ?%? ?± ?", str(between.value)):
                said = [ast.unparse(Alike().visit(part.value)) for part in (one, other) if isinstance(part, ast.FormattedValue)]
                found += [" ± ".join(said)] if len(set(said)) != 1 else []
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_no_mean_stands_beside_the_sd_of_other_runs(path):
    cells = [cell["source"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [found for cell in cells for found in mixed("".join(line for line in cell if not line.startswith("%")))] == []


def test_a_mixed_mean_and_sd_would_be_found():
    assert mixed("f\"{few['mean', m][g]:.2f} ± {few['std', m][g]:.2f}\"") == [] == mixed('f"{x.mean():.1f} ± {x.std():.1f}"')
    assert mixed("f\"{shipped[m][g]:.2f} ± {few['std', m][g]:.2f}\"") and mixed("f\"{few['mean', 'm1']} ± {few['std', 'm2']}\"")


def test_a_table_of_several_seeds_names_its_runs_and_they_are_alike():
    for path in sorted((ROOT / "figures").glob("*.csv")):
        frame = pd.read_csv(path)
        if "seed" not in frame or frame["seed"].nunique() < 2:
            continue
        if "command" in frame:
            for command, part in frame.dropna(subset=["command"]).groupby("command"):
                if part["seed"].nunique() < 2:  # a command a seed
                    continue
                named = max(len(re.findall(r"-(\d+)(?= |$)", command)), *map(int, re.findall(r"--seeds (\d+)", command) or [0]))
                assert named >= part["seed"].nunique(), f"{path.name}: {command} names {named} runs"
        if {"epochs", "name"} <= set(frame):
            assert (frame.groupby("name")["epochs"].nunique() == 1).all(), f"{path.name} holds runs of several lengths"


def test_each_claim_names_the_runs_of_every_table_that_it_rests_on():
    claims = figures("claims")
    assert list(claims["claim"]) == [1, 2, 3, 4, 5, 6]
    for rests in claims["rests on"]:
        for name, _, runs in (each.partition(": ") for each in rests.split(" · ")):
            assert runs == figures(name)["source"].iloc[0], (name, runs)


def test_readme_s_speeds_are_the_bench_s():
    targets = pd.read_csv(ROOT / "figures" / "speed_targets.csv").set_index("what")
    rows = rows_under(README, "| ratio | target | measured |")
    assert [row[0] for row in rows] == list(targets.index)
    for what, target, measured, between in rows:
        row = targets.loc[what]
        assert number(target) == row["target"] and target.startswith(row["sign"])
        if pd.isna(row["measured"]):
            assert measured == "not measured" and not between
        else:
            assert says(measured, row["measured"]) and measured.startswith("**") == (row["met"] == "yes")
            low, high = between.split(" to ")
            assert says(low, row["lowest"]) and says(high, row["highest"])


def test_a_wrong_number_would_be_found():
    assert says("99.49 %", 99.493) and not says("99.49 %", 99.52) and says("**+0.5 %**", 0.46) and not says("-0.0 %", 0.2)
