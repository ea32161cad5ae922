"""README.md and REPLICATION.md say what the CSVs say: every row of their tables is made again from figures/ and compared."""

import re

import pandas as pd

from mvae_lib.storage import ROOT
from mvae_lib.tables import CLASS_MEAN, FLOOR, GLOBAL_MEAN, REPORT_ORDER
from study.evidence.seeds import spread
from study.plots import report_table

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


METRICS = ("accuracy", "bce_farsi", "bce_kannada", "sse_speech")


def scaled(metric: str, value: float) -> float:
    return 100 * value if metric == "accuracy" else value


def test_readme_s_results_are_the_report_s_the_shipped_run_s_and_the_seeds():
    rows = rows_under(README, "| given | accuracy, % |")[1:]
    over_seeds = spread(SEEDS[SEEDS["split"] == "test"], ["given"])
    for given, cells in zip(REPORT_ORDER, rows, strict=False):
        for metric, theirs, own, seeds in zip(METRICS, cells[1::3], cells[2::3], cells[3::3], strict=True):
            assert says(theirs, scaled(metric, report_table().loc[given, metric]))
            assert says(own, scaled(metric, split("train, running").loc[given, metric]))
            mean, sd = seeds.split(" ± ")
            assert says(mean, scaled(metric, split("test").loc[given, metric])), (given, metric)
            assert says(sd, scaled(metric, over_seeds["std", metric][given])), (given, metric)
    for name, cells in zip((CLASS_MEAN, GLOBAL_MEAN, FLOOR), rows[7:], strict=True):
        for metric, _, train, test in zip(METRICS[1:], cells[4::3], cells[5::3], cells[6::3], strict=True):
            assert says(train, split("train").loc[name, metric]) and says(test, split("test").loc[name, metric])
    words = re.search(r"five seeds.*?(\d+) epochs", README[README.index("<!-- end of table -->") :], re.DOTALL)
    assert words and int(words[1]) == SEEDS["epochs"].max() == SEEDS["epochs"].min() and SEEDS["seed"].nunique() == 5


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
