"""Pictures hold any model's tables, are in the study's look, leave the reader's alone, and become files."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
import torch
from test_figures import things

from mvae_lib.subsets import powerset, subset_name
from mvae_lib.tables import CLASS_MEAN, GLOBAL_MEAN
from study.plots import draw, report_table, style
from study.plots.chart import looks_of, texts

TWO, FOUR = ("left", "right"), ("a", "b", "c", "d")


def results(names: tuple[str, ...] = TWO, labelled: bool = True) -> pd.DataFrame:
    """A results table of a model of one's own, as `tables.combination_table` has it: a row a combination, then guesses."""
    given = [subset_name(subset) for subset in powerset(len(names))]
    rows = pd.DataFrame({"given": given + [CLASS_MEAN] * labelled + [GLOBAL_MEAN]})
    columns = ["accuracy", *(f"sse_{name}" for name in names), "ce", "kl"]
    rows[columns] = np.random.default_rng(0).random((len(rows), len(columns)))
    rows.loc[len(given) :, ["accuracy", "ce", "kl"]] = np.nan
    return rows if labelled else rows.assign(accuracy=np.nan, ce=np.nan)


@pytest.mark.parametrize(("names", "labelled"), [(TWO, True), (FOUR, True), (TWO, False)])
def test_a_results_table_of_one_s_own_is_drawn(names: tuple[str, ...], labelled: bool) -> None:
    figure = draw("table2", results(names, labelled))
    assert things(figure, "marks") == (2 ** len(names) - 1) * (len(names) + labelled)
    places = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert places[0] == f"●{'○' * (len(names) - 1)}  m1" and len(places) == 2 ** len(names) - 1
    assert figure.axes[-1].get_title() == f"{names[-1]}:\nsum of squared errors"


def test_a_history_and_seeds_of_one_s_own_are_drawn() -> None:
    every = results().rename(columns={"given": "subset"})
    epochs = [every.iloc[:3].assign(epoch=epoch, split=split) for epoch in (1, 2, 3) for split in ("train", "val")]
    figure = draw("terms_as_run", pd.concat([*epochs, every[every["subset"] == CLASS_MEAN].assign(split="baseline")]))
    assert len(figure.axes) == 2 * 5 and things(figure, "lines") == 2 * 5 * 3
    assert [axis.get_ylabel() for axis in figure.axes[::5]] == ["train", "validation"]
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colours == {"●○": style.CYCLE[0], "○●": style.CYCLE[1], "●●": style.COLOUR["joint"]}

    table = pd.concat([results().iloc[:3].assign(name="mine", seed=seed, split="test") for seed in range(3)])
    assert things(draw("seeds_as_run", table), "marks") == 3 * 3 * (3 + 1)


def test_reconstructions_of_one_s_own_are_drawn() -> None:
    rows = [(given, k, 1.0) for given in ("original", "m1", "m2", "m1,m2") for k in range(5)]
    frame = pd.DataFrame(rows, columns=["given", "place", "metric"])
    images = {given: torch.rand(5, 64) for given in frame["given"].unique()}
    figure = draw("fig4_farsi", frame, images=images, colour="right", framed="given.str.contains('m2')")
    assert [image.get_array().shape for image in figure.axes[0].images] == [(8, 8)] * 20
    np.testing.assert_array_equal(figure.axes[0].images[7].get_array(), images["m1"][2].reshape(8, 8))
    assert [tile.get_linewidth() > 1 for tile in figure.axes[0].patches] == [False] * 10 + [True] * 10


def test_a_picture_is_in_the_study_s_look_and_leaves_the_reader_s(tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False, "axes.spines.top": True}):
        figure = draw("poe_numerics", style.saved("poe_numerics")[0])
        figure.savefig(tmp_path / "picture.png")
        assert figure.axes[0].xaxis.get_major_ticks()[0].label1.get_fontsize() == 9
        assert matplotlib.rcParams["font.size"] == 30
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert not matplotlib.pyplot.get_fignums()


def test_figure_2_has_the_report_s_three_panels() -> None:
    """(a) z generates every modality and the label; (c) of the experts one, and one alone, is crossed out and in no product."""
    (axis,) = draw("fig2_architecture", style.saved("fig2_architecture")[0]).axes
    words = [text.get_text() for text in axis.texts]
    assert [word[:3] for word in words if word.startswith("(")] == ["(a)", "(b)", "(c)"]
    assert {"z", "$x_1$", "$x_2$", "$x_3$", "y"} <= set(words) and words.count("product\nof experts") == 2
    assert sum(line.get_marker() == "x" for line in axis.lines) == 1
    moments = [text for text in axis.texts if text.get_text().startswith("$\\mu")]
    assert [text.arrow_patch is None for text in moments] == [False, True, False]


def test_what_has_no_figure_says_so() -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(ValueError, match="'table1' is a table; the figures are"):
        draw("table1", frame)
    with pytest.raises(ValueError, match="'fig6' is no figure"):
        draw("fig6", frame)


def test_the_stand_in_shows_in_the_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    figure, _ = style.new()
    path = style.save(figure, "table2", pd.DataFrame({"a": [1]}), "stand-in; laptop")
    assert path.name == "table2-stand-in.png" and path.with_suffix(".csv").read_text() == "a,source\n1,stand-in; laptop\n"
    assert style.save(None, "table1", pd.DataFrame({"a": [1]}), "real data").name == "table1.csv"
    assert not path.with_name("table1.png").exists()


def test_a_measurement_is_this_machine_s_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "HOME", tmp_path)
    assert style.measured("start")[1] == style.saved("speed_start")[1]
    bench = tmp_path / "out" / "bench"
    bench.mkdir(parents=True)
    (bench / "machine.json").write_text('{"cpu": "mine", "flags": "avx2", "threads": 2, "torch": "2.6"}')
    (bench / "start.csv").write_text("way,ms\nimport torch,1\n")
    frame, machine = style.measured("start")
    assert machine == "mine (avx2), 2 threads, torch 2.6" and frame["ms"].tolist() == [1]


def test_the_report_s_table_is_as_printed() -> None:
    table = report_table()
    assert table.loc["m2", "bce_farsi"] == 348.67 and table.loc["m1,m2,m3", "reported_bound"] == 177.62
    assert table.shape == (7, 5) and table["accuracy"].between(0.99, 1).all()


@pytest.mark.parametrize(
    ("given", "n", "marks"), [("m1", 3, "●○○"), ("m2,m3", 3, "○●●"), ("m1,m2", 2, "●●"), ("m4", 5, "○○○●○"), ("", 2, "○○")]
)
def test_marks(given: str, n: int, marks: str) -> None:
    assert style.marks(given, n) == marks


def test_names_that_the_study_does_not_know_have_a_colour_and_a_title() -> None:
    names = ("left", "farsi", "right")
    assert [style.colour(name, names) for name in names] == [style.CYCLE[0], style.COLOUR["farsi"], style.CYCLE[1]]
    assert [style.title(name, names) for name in names] == ["m1 left", "m1 Farsi", "m3 right"] and style.title("left") == "left"


def test_words_of_a_row() -> None:
    frame = pd.DataFrame({"given": ["m1", "m1,m2"], "metric": ["bce_farsi", "kl"], "x": [0.126, 2]})
    assert texts(frame, "{given} {given_}: {x:.1f}") == ["●○ m1: 0.1", "●● m1,m2: 2.0"]
    assert texts(frame, "{metric}")[0] == "m1 Farsi:\nBCE (nats)"
    assert list(looks_of(frame, "given", {}, ("left", "right"))) == ["m1", "m1,m2"]


def test_a_mean_and_its_sd_are_of_the_same_values() -> None:
    assert style.pm(pd.Series([1.0, 3.0])) == "2.0 ± 1.4" and style.pm(pd.Series([0.5, 0.5]), "{:.1%}") == "50.0% ± 0.0%"
