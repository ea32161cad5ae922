"""Every table of the evidence comes from the shell, and says by which command."""

import dataclasses
import io
import sys

import pandas as pd
import pytest
from small import run, triplets

from mvae_lib import data, train
from mvae_lib.evaluate import __main__ as shell
from mvae_lib.evaluate import coherence, seeds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "small"
    train.fit(run(epochs=1), triplets(), None, path, bar=False)
    return str(path)


@pytest.mark.parametrize(
    "command", [c for c in shell.tables if c not in (shell.classifiers, shell.heard)], ids=lambda c: c.__name__
)
def test_it_prints_a_csv_with_its_command(command, folder, monkeypatch, capsys):
    def load(split, recipe=None):
        named = [f"{i % 10}_{'ab'[i // 10 % 2]}_{i}.wav" for i in range(40)]
        return dataclasses.replace(triplets(split), speech_names=named)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(seeds, "load", load)
    monkeypatch.setattr(coherence, "UPDATES", 5)
    monkeypatch.setattr(coherence, "BATCH", 16)
    options = {"likelihood": ["--draws", "5", "--triplets", "20"]}.get(command.__name__, [])
    monkeypatch.setattr(sys, "argv", ["-m", command.__name__, folder, *options])
    shell.main()
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(frame) >= 3 and set(frame["command"]) == {
        " ".join(["python -m mvae_lib.evaluate", command.__name__, folder, *options])
    }


def test_classifiers(monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda split, recipe: triplets(split, n=200))
    monkeypatch.setattr(coherence, "UPDATES", 50)
    shell.classifiers()
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(frame) == 3 * 4 * 2 and set(frame["split"]) == {"test", "test_dig"}
