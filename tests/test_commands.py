"""Every table of the evidence comes from the shell, and says by which command."""

import dataclasses
import io
import sys
from functools import partial, wraps
from pathlib import Path

import pandas as pd
import pytest
from small import run, triplets

from mvae_lib import data, train
from study.evidence import __main__ as shell
from study.evidence import classifiers, likelihood

OF_A_RUN = [name for name, (_, options) in shell.TABLES.items() if options.startswith("run ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "small"
    train.fit(run(epochs=1), triplets(), None, path, bar=False)
    return str(path)


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    def load(split, recipe=None):
        print("a word of the data's")  # which must not get into the CSV
        named = [f"{i % 10}_{'ab'[i // 10 % 2]}_{i}.wav" for i in range(40)]
        return dataclasses.replace(triplets(split), speech_names=named)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(likelihood, "proposal", partial(likelihood.proposal, rounds=0))
    monkeypatch.setattr(classifiers, "UPDATES", 5)
    monkeypatch.setattr(classifiers, "BATCH", 16)


def printed(arguments: list[str], monkeypatch, capsys) -> pd.DataFrame:
    """What the command prints, read as a CSV; each row says the command."""
    monkeypatch.setattr(sys, "argv", ["-m", *arguments])
    shell.main()
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert set(frame["command"]) == {" ".join(["python -m study.evidence", *arguments])}
    return frame


@pytest.mark.parametrize("command", [*(name for name in OF_A_RUN if name not in ("audibility", "noise")), "seeds", "latents"])
def test_it_prints_a_csv_with_its_command(command, folder, monkeypatch, capsys):
    options = {"likelihood": ["--draws", "5", "--steps", "2", "--triplets", "20"], "probes": ["--every", "2"]}.get(command, [])
    assert len(printed([command, folder, *options], monkeypatch, capsys)) >= 3


def test_of_several_runs_it_is_one_table_with_their_seeds(folder, tmp_path, monkeypatch, capsys):
    other = str(tmp_path / "other")
    train.fit(run(epochs=1, seed=1), triplets(), None, Path(other), bar=False)
    both = printed(["departure", folder, other], monkeypatch, capsys)
    one, two = (printed(["departure", each], monkeypatch, capsys) for each in (folder, other))
    assert list(both["seed"]) == [0] * 7 + [1] * 7
    told = [column for column in one if column != "command"]
    assert both[told].equals(pd.concat([one, two], ignore_index=True)[told])


def test_options_reach_what_they_are_for(folder, monkeypatch, capsys):
    table = printed(
        ["likelihood", folder, "--draws", "2", "--steps", "2", "--triplets", "7", "--split", "val"], monkeypatch, capsys
    )
    assert set(table["triplets"]) == {7} and set(table["draws"]) == {2}
    one, again, other = (printed(["table", folder, "--seed", seed], monkeypatch, capsys) for seed in ("1", "1", "2"))
    assert one.equals(again) and not one["bce_farsi"].equals(other["bce_farsi"])
    means = printed(["coherence", folder, "--z", "sample"], monkeypatch, capsys)
    assert set(means["z"]) == {"sample"} and means["given"].iloc[-1] == "real samples"


def test_each_input_is_made_once_and_only_when_asked_for(folder):
    made = []
    inputs = {"run": folder, "split": "test"}
    with pytest.MonkeyPatch.context() as patch:
        for name, maker in list(shell.MADE.items()):
            patch.setitem(shell.MADE, name, _counting(name, maker, made))
        shell.called(classifiers.coherence_table, inputs)
        shell.called(classifiers.coherence_table, inputs)
    assert sorted(made) == ["classifiers", "model", "pairs", "train"]


def _counting(name, maker, made):
    @wraps(maker)
    def counted(**asked):
        made.append(name)
        return maker(**asked)

    return counted


def test_classifiers(monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda split, recipe: triplets(split, n=200))
    frame = printed(["classifiers", "--split", "by_writer", "--seeds", "1"], monkeypatch, capsys)
    assert len(frame) == 3 * 7 * 3 and set(frame["split"]) == {"val", "test", "test_dig"}


def test_help_says_a_line_of_each(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--help"])
    with pytest.raises(SystemExit) as ended:
        shell.main()
    said = capsys.readouterr().out
    assert ended.value.code == 0 and all(f"• {name} " in said for name in shell.TABLES)
    for function, _ in shell.TABLES.values():
        first = function.__doc__.partition("\n")[0]
        assert len(first) > 20 and first.split()[0] in said


@pytest.mark.parametrize(
    "wrong", [["taste"], ["table"], ["seeds"], ["table", "as_run", "--split", "else"], ["gradients", "--epochs", "1"]]
)
def test_what_it_does_not_know_is_refused(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", *wrong])
    with pytest.raises(SystemExit) as ended:
        shell.main()
    assert ended.value.code == 2 and not capsys.readouterr().out
