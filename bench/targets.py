"""The table of targets: what was asked, what `make bench` measured, and whether that is enough."""

import json

import pandas as pd

from bench import busy
from bench.clocks import ROOT, ratio

BENCH = "make bench"
GPU = "python -m mvae_lib.train as_written --train.precision bfloat16  # with a GPU"


def table(clocks: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What was asked, what was measured (median of the rounds, lowest to highest), and by which command.

    Args:
        clocks: what was timed, by the name of its CSV: "steps" and "start", and "peers" and "busy" if they were.
    """
    steps = clocks["steps"].assign(way=clocks["steps"]["way"] + ", " + clocks["steps"]["precision"])
    rows = [
        ("(a) plain way ÷ ours, float32", "≥", 2.4, ratio(steps, "plain, float32", "ours, float32"), BENCH),
        ("(a) plain way ÷ ours, bfloat16", "≥", 4.0, ratio(steps, "plain, float32", "ours, bfloat16"), BENCH),
    ]
    peers = clocks.get("peers")
    for precision, least in (("float32", 3.0), ("bfloat16", 5.0)):
        values = None if peers is None else ratio(peers, "MultiVae, float32", f"ours, {precision}")
        rows.append((f"(b) MultiVae ÷ ours, {precision}, equal work", "≥", least, values, "make bench PEERS=1"))
    for precision, below, most in (("float32", "floor", 1.2), ("float32", "floor by oneDNN", 1.2), ("bfloat16", "floor", 1.45)):
        if f"{below}, {precision}" in set(steps["way"]):
            by = " by oneDNN" if "oneDNN" in below else ""
            values = ratio(steps, f"ours, {precision}", f"{below}, {precision}")
            rows.append((f"(c) ours ÷ the matrix products alone{by}, {precision}", "≤", most, values, BENCH))
    imports = ratio(clocks["start"], "import mvae_lib", "import torch")
    rows.append(("(f) import mvae_lib ÷ import torch", "≤", 1.2, imports, BENCH))
    rows.append(("one H100: as_written, 500 epochs, 60,000 triplets, minutes", "≤", 2.0, None, GPU))
    rows.append(("peak memory of make study, GB", "≤", 3.0, _peak_of_study(), "make study"))
    return verdicts(rows + busy.rows(clocks.get("busy")))


def verdicts(rows: list[tuple[str, str, float, pd.Series | None, str]]) -> pd.DataFrame:
    """Rows of what, sign, target, values and command -> with the values' median, lowest and highest, and whether that is met."""
    frame = pd.DataFrame(rows, columns=["what", "sign", "target", "values", "command"])
    for column, statistic in (("measured", pd.Series.median), ("lowest", pd.Series.min), ("highest", pd.Series.max)):
        frame[column] = [None if values is None else statistic(values) for values in frame["values"]]
    frame["met"] = [_verdict(*row) for row in zip(frame["measured"], frame["sign"], frame["target"], strict=True)]
    return frame.drop(columns="values")


def _peak_of_study() -> pd.Series | None:
    """In GB, of a whole run, if there was one here."""
    study = ROOT / "data" / "out" / "study.json"
    return pd.Series([max(json.loads(study.read_text())["peak MiB"].values()) / 953.67]) if study.exists() else None


def _verdict(measured: float | None, sign: str, target: float) -> str:
    if measured is None or pd.isna(measured):
        return "not measured"
    return "yes" if (measured <= target if sign == "≤" else measured >= target) else "no"


def show(frame: pd.DataFrame) -> str:
    """The table, a line each."""
    lines = [f"{'':70} {'target':>7}  {'measured':>8}  {'(rounds)':15} met"]
    for row in frame.itertuples():
        if pd.isna(row.measured):
            lines.append(f"{row.what:70} {row.sign} {row.target:<5}  not measured: {row.command}")
        else:
            spread = f"({row.lowest:.2f} to {row.highest:.2f})"
            lines.append(f"{row.what:70} {row.sign} {row.target:<5}  {row.measured:8.2f}  {spread:15} {row.met}")
    return "\n".join(lines)
