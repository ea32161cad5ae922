"""Every committed figure has its table beside it, and can be drawn again from it; the stand-in shows in every name."""

import pandas as pd
import pytest
from conftest import needs_real

from mvae_lib.figures import redraw, results, style

NAMES = sorted(path.stem for path in redraw.SAVED.glob("*.png"))


def test_each_figure_has_its_csv_and_says_whose_data_it_is():
    assert NAMES and NAMES == sorted(path.stem for path in redraw.SAVED.glob("*.csv"))
    for name in NAMES:
        frame = pd.read_csv(redraw.SAVED / f"{name}.csv")
        assert frame["source"].nunique() == 1 and not frame["source"].iloc[0].startswith(style.STAND_IN), name
        assert len(frame.columns) <= 24, f"{name}.csv looks as if it held pixels"


def test_each_figure_of_the_report_is_there():
    wanted = {"table1", "fig1_samples", "fig2_architecture", "fig3_as_run", "fig3_as_written", "table2"}
    assert wanted | {f"fig{n}_{script}" for n in (4, 5) for script in ("farsi", "kannada")} <= set(NAMES)


@needs_real
def test_redraw_draws_all_that_it_knows_and_says_what_it_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    monkeypatch.setenv("MVAE_DATA", "real")
    done = redraw.redraw().set_index("figure")["became"]
    assert list(done.index) == NAMES
    drawn = set(done[done == "drawn"].index)
    assert drawn == set(NAMES) & (redraw.FROM_TABLE.keys() | redraw.WITH_DATA.keys())
    assert drawn == {path.stem for path in (tmp_path / "figures").glob("*.png")}
    for name in ("fig4_farsi", "fig5_best_kannada", "walk_top", "table2"):
        fresh, saved = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path / "figures", redraw.SAVED))
        pd.testing.assert_frame_equal(fresh, saved)


def test_without_the_data_pictures_of_tables_are_drawn_and_the_others_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    monkeypatch.setenv("MVAE_DATA", "standin")
    done = redraw.redraw().set_index("figure")["became"]
    assert (done[[name for name in NAMES if name in redraw.FROM_TABLE]] == "drawn").all()
    assert done[[name for name in NAMES if name in redraw.WITH_DATA]].str.contains("need the real data").all()


def test_the_stand_in_shows_in_the_file_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MVAE_OUT", str(tmp_path))
    figure, _ = style.new()
    path = style.save(figure, "table2", pd.DataFrame({"a": [1]}), "stand-in; laptop")
    assert path.name == "table2-stand-in.png" and path.with_suffix(".csv").exists()
    assert path.with_suffix(".csv").read_text() == "a,source\n1,stand-in; laptop\n"


def test_the_report_s_table_is_as_printed():
    table = results.report_table()
    assert table.loc["m2", "bce_farsi"] == 348.67 and table.loc["m1,m2,m3", "reported_bound"] == 177.62
    assert table.shape == (7, 5) and table["accuracy"].between(0.99, 1).all()


@pytest.mark.parametrize(("given", "marks"), [("m1", "●○○"), ("m2,m3", "○●●"), ("m1,m2,m3", "●●●")])
def test_marks(given, marks):
    assert style.marks(given, ("farsi", "kannada", "speech")) == marks
