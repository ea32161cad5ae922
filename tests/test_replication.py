"""README.md and REPLICATION.md say what the CSVs say: every row of their tables is made again from figures/ and compared."""

import ast
import json
import re

import pandas as pd
import pytest

from mvae_lib.storage import ROOT
from mvae_lib.tables import CLASS_MEAN, FLOOR, GLOBAL_MEAN, REPORT_ORDER
from study.evidence.seeds import over_class_mean, spread
from study.plots import report_table, style

COLUMNS = {
    "accuracy": "accuracy",
    '"ELBO"': "reported_bound",
    "m1 BCE": "bce_farsi",
    "m2 BCE": "bce_kannada",
    'm3 "MSE"': "sse_speech",
}
REPLICATION, README = ((ROOT / name).read_text() for name in ("REPLICATION.md", "README.md"))
TABLE2 = pd.read_csv(ROOT / "figures" / "table2.csv")
SEEDS = pd.read_csv(ROOT / "figures" / "seeds_as_run.csv")
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


def split(name: str) -> pd.DataFrame:
    return TABLE2[TABLE2["split"] == name].set_index("given")


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
    assert len(rows) == 6
    for given, missing, theirs, own, mean, apart in rows:
        metric = f"bce_{missing.lower()}"
        value, limit = ours.loc[given, metric], split("train").loc[CLASS_MEAN, metric]
        assert says(theirs, report.loc[given, metric]) and says(own, value) and says(mean, limit)
        assert says(apart, 100 * (value / limit - 1))


METRICS = {"accuracy": "{:.2f}", "bce_farsi": "{:.1f}", "bce_kannada": "{:.1f}", "sse_speech": "{:.4f}"}
SAID = {
    "accuracy": "accuracy, %",
    "bce_farsi": "Farsi BCE, nats",
    "bce_kannada": "Kannada BCE, nats",
    "sse_speech": "speech SSE",
}
SPLITS = {"train": "train", "val": "validation", "test": "test", "test_dig": "Dig-MNIST"}


def scaled(metric: str, value: float) -> float:
    return 100 * value if metric == "accuracy" else value


def readme_s_results() -> str:
    """What stands in README between its marks: every cell from one CSV, the guesses' rows from table2.csv's baselines.
    `python tests/test_replication.py` writes it."""
    over_seeds, report = spread(SEEDS, ["split", "given"]), report_table()

    def ours(part: str, given: str, metric: str) -> str:
        values = [METRICS[metric].format(scaled(metric, over_seeds[how, metric][part, given])) for how in ("mean", "std")]
        return " ± ".join(values)

    def row(*cells: str) -> str:
        return f"| {' | '.join(cells)} |"

    names = dict(zip(("m1", "m2", "m3"), ("Farsi", "Kannada", "speech"), strict=True))
    called = {given: f"{style.marks(given, 3)} {' + '.join(names[m] for m in given.split(','))}" for given in REPORT_ORDER}
    guesses = {CLASS_MEAN: "*class mean*", GLOBAL_MEAN: "*global mean*", FLOOR: "*floor*"}
    heads = [cell for metric in METRICS for cell in (SAID[metric], "", "")]
    lines = [row("given", *heads), row("---", *["---:"] * 12)]
    lines += [row("", *["*report, train*", "ours, train", "**ours, test**"] * 4)]
    for given, words in called.items():
        each = [(METRICS[m].format(scaled(m, report.loc[given, m])), m) for m in METRICS]
        cells = [(theirs, ours("train, running", given, m), f"**{ours('test', given, m)}**") for theirs, m in each]
        lines.append(row(words, *(cell for three in cells for cell in three)))
    for name, words in guesses.items():
        on = [[look.format(split(part).loc[name, m]) for part in ("train", "test")] for m, look in METRICS.items()][1:]
        lines.append(row(words, "", "", "", *(cell for train, test in on for cell in ("", train, f"**{test}**"))))
    runs = f"mean ± sd over {SEEDS['seed'].nunique()} seeds of {SEEDS['epochs'].unique().tolist()[0]} epochs"
    lines += ["", f"*Ours: {runs}, one sampled z; train: over the last epoch, as the report has it.*", ""]
    lines += [row("test, at the posterior mean", *SAID.values()), row("---", *["---:"] * 4)]
    lines += [row(words, *(ours("test, posterior mean", given, m) for m in METRICS)) for given, words in called.items()]
    lines += ["", f"*What `model.classify` and `model.reconstruct` return: {runs}.*", ""]
    over = over_class_mean(SEEDS, TABLE2).groupby(["metric", "split"])["mean"].agg(["min", "max"])
    lines += [row("not given", *SPLITS.values()), row("---", *["---:"] * 4)]
    for metric, name in zip(list(METRICS)[1:], names.values(), strict=True):
        between = [over.loc[(metric, part)] for part in SPLITS]
        lines.append(row(name, *(f"{low:+.1f} to {high:+.1f} %" for low, high in between)))
    runs = runs.replace(" ± sd", "")
    lines += [
        "",
        f"*Its cost above that of the training class mean on the same split: lowest and highest row; {runs}, one sampled z.*",
    ]
    return "\n".join(lines)


BEGIN, END = "<!-- table: figures/seeds_as_run.csv, the guesses from figures/table2.csv -->\n", "\n<!-- end of table -->"


def test_readme_s_results_are_the_report_s_and_the_same_seeds_throughout():
    assert README.split(BEGIN)[1].split(END)[0] == readme_s_results(), "python tests/test_replication.py writes it anew"
    assert SEEDS["epochs"].nunique() == 1, "the runs of one table are trained alike"


def test_what_readme_s_words_say_of_limits_and_calibration_is_so():
    limit = {name: split("test_dig").loc[name, "bce_kannada"] for name in (CLASS_MEAN, GLOBAL_MEAN)}
    assert ("there the mean of all digits is the better guess" in " ".join(README.split())) == (
        limit[CLASS_MEAN] > limit[GLOBAL_MEAN]
    )
    sure = pd.read_csv(ROOT / "figures" / "calibration.csv").query("split == 'test'")
    by = sure.assign(over=sure["confidence"] - sure["accuracy"]).groupby(["z", "given"])[["over", "calibration_error"]].mean()
    mean, averaged = by.loc["posterior mean"], by.loc["20 draws"]
    too_sure = (mean["over"] > 0).mean() > 0.5 and mean["calibration_error"].mean() > averaged["calibration_error"].mean()
    assert ("`classify` is too sure; averaged over draws it is well calibrated" in README) == too_sure


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


def test_replication_s_six_claims_are_the_notebook_s():
    claims = pd.read_csv(ROOT / "figures" / "claims.csv").astype(str)
    rows = rows_under(REPLICATION, "| | the report | verdict | measured |")
    assert rows == claims[["claim", "the report", "verdict", "measured"]].to_numpy().tolist() and len(rows) == 6


def test_the_claims_name_every_kind_of_run_that_they_rest_on():
    named = figures("claims")["source"].iloc[0]
    for table in ("seeds_as_run", "speakers"):
        assert figures(table)["source"].iloc[0] in named, table
    assert re.search(r"as_run, seed \d+, \d+ epochs, test", named)


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


def figures(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "figures" / f"{name}.csv", dtype={"answer": str})


def by_answer(question: str, metric: str) -> pd.Series:
    return figures(f"choice_{question}").set_index(["answer", "given"])[metric]


def test_the_numbers_of_replication_s_other_rows_are_the_tables():
    """Row by row: which numbers its third cell must hold, in order."""
    kl, gradient = split("train")["kl"], figures("gradients").groupby("answer")["gradient"].max()
    grey = figures("grey_levels").query("0 < value < 255").groupby("modality")["share"].sum()
    choice, farsi, right = figures("choice_rebuilt"), by_answer("rebuilt", "bce_farsi"), 100 * by_answer("rebuilt", "accuracy")
    epochs, singles = choice["epochs"].iloc[0], ["m1", "m2", "m3"]
    two = figures("choice_activation").pivot(index="answer", columns="given").loc[["swish", "ReLU, batch norm"]]
    every = [("neg_elbo", 1), ("sse_speech", 100), ("kl", 1), ("bce_farsi", 1), ("bce_kannada", 1)]
    sums = [list(scale * two[column, "m1,m2,m3"]) for column, scale in every]
    trials = figures("search_history")
    done = trials.query("state == 'complete'")
    pairs = ["m1,m2", "m2,m3", "m1,m3"]
    expected = {
        '"information in this latent': [kl[["m1", "m2", "m3"]].mean(), kl[pairs].mean(), kl["m1,m2,m3"]],
        "zero-initialised logvar heads": [gradient[w] for w in ("weights at zero", "weights and biases at zero", "default")],
        'swish "as an alternative': [epochs, *sums[0], 100, *sum(sums[1:], []), *100 * two["accuracy", "m3"]],
        "its formula:": [epochs, choice["seed"].nunique(), farsi["given", "m2"], farsi["all", "m2"]]
        + [right[answer, given] for answer in ("given", "all") for given in singles],
        "hyper-parameters were tuned": [
            len(trials),
            *trials["how"].value_counts().reindex(["random", "proposed"]),
            len(done),
            done["value"].min(),
        ],
        '"binary images"': [100 * grey["farsi"], 100 * grey["kannada"]],
    }
    rows = rows_under(REPLICATION, "| what the report says | report | ours |")
    for beginning, values in expected.items():
        (cell,) = [row[2] for row in rows if row[0].startswith(beginning)]
        said = re.findall(rf"(?<![\w.]){FLOAT}(?![\w.])", re.sub(r"`[^`]*`", "", cell))
        assert len(said) == len(values), (beginning, said, values)
        assert all(says(word, value) for word, value in zip(said, values, strict=True)), (beginning, said, values)


if __name__ == "__main__":  # README's results anew, from the committed CSVs
    before, rest = README.split(BEGIN)
    (ROOT / "README.md").write_text(before + BEGIN + readme_s_results() + END + rest.split(END, 1)[1])
