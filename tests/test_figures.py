"""Every committed figure has its table beside it and is drawn from it again, once; all of the table is in the picture."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from conftest import HAVE_REAL
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from mvae_lib.data.arrays import STANDIN
from study.plots import FIGURES, draw, redraw, style

NAMES = sorted(path.stem for path in style.SAVED.glob("*.csv"))
TABLES = {name for name, entry in FIGURES.items() if "draw" not in entry}
SEEDED = ("seeds_as_run", "classifiers", "speakers", "calibration")  # a mark a seed, and one their mean
ALONE = {name for name in NAMES if FIGURES.get(name, {"needs": "notebook"}).get("needs") == "notebook"}

pytestmark = pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")  # seaborn calls it

RUNS = {name: pd.read_csv(style.SAVED / f"{name}.csv")["seed"].nunique() for name in SEEDED}
RUNS["classifiers"] = pd.read_csv(style.SAVED / "classifiers.csv").query("classifier == 'MLP'")["seed"].nunique()


def with_means(name: str) -> int:
    """A mark for each seed and one for their mean."""
    return 1 + pd.read_csv(style.SAVED / f"{name}.csv").get("seed", pd.Series(0)).nunique()


SHOWN = {  # figure -> panels, and what must be in them: a mark a row of a table, a cell a number, a tile an image
    "class_balance": (12, "bars", 120),
    "grey_levels": (2, "bars", 2 + 256),
    "confusion_class_means": (3, "cells", 300),
    "poe_1d": (4, "lines", 13),
    "poe_2d": (3, "lines", 20),
    "seven_experts": (1, "marks", 48),
    "terms_as_run": (12, "lines", 12 * 7),
    "table2": (4, "marks", 4 * 4 * 7),
    "seeds_as_run": (4, "marks", 4 * 7 * (4 * (RUNS["seeds_as_run"] + 1) + 2)),
    "seeds_as_written": (4, "marks", 4 * 7 * 3 * (5 + 1) + 3 * 7 * 2),
    "classifiers": (3, "marks", 3 * 7 * sum(seeds + 1 for seeds in (RUNS["seeds_as_run"], RUNS["classifiers"], 1, 1))),
    "speech_seven": (8, "lines", 8),
    "latent_kl": (2, "lines", 2),
    "information": (6, "lines", 6),
    "disentanglement": (1, "marks", 3 * 20),
    "speakers": (1, "marks", 5 * 7 * (RUNS["speakers"] + 1)),
    "added": (4, "marks", 9 * (4 + 3 * 3)),
    "added_rebuilt": (9, "marks", 9 * 3 * 4),
    "likelihood": (3, "marks", pd.read_csv(style.SAVED / "likelihood.csv")["gain"].count()),  # of some there is no estimate
    "missing": (4, "marks", 14 * 4 * with_means("missing")),
    "overlap": (1, "marks", (3 * 3 + 3 * 2) * with_means("overlap")),
    "probes": (3, "cells", 3 * 9),
    "departure": (1, "marks", 6 * 2 * with_means("departure")),
    "choice_rebuilt": (5, "marks", 5 * 4 * 3),
    "choice_beta": (5, "marks", 5 * 4 * 4),
    "search_importances": (1, "marks", 7),
    "contest": (5, "marks", (3 + 2 + 3 + 3 + 2) * 7 * (1 + pd.read_csv(style.SAVED / "contest.csv")["seed"].nunique())),
    "validation": (2, "lines", 2 * (1 + pd.read_csv(style.SAVED / "validation.csv")[["sampled", "mean"]].notna().any().sum())),
    "choice_speech_view": (4, "marks", 4 * 4 * 2),
    "coherence": (2, "cells", 2 * 8 * 3),
    "beliefs_seven": (7, "bars", 70),
    "calibration": (4, "marks", 4 * 7 * 2 * (RUNS["calibration"] + 1)),
    "gains": (2, "cells", 90),
    "heard": (2, "marks", 14),
    "noise": (1, "marks", 8 * 3),
    "speed_profile": (1, "bars", 24),
    "speed_targets": (1, "marks", 10 + 9),
    "speed_precision": (4, "marks", 4 * 42),
    "speed_start": (1, "marks", 15),
    "speed_page": (1, "marks", 8),
    "fig4_farsi": (1, "tiles", 90),
    "fig5_kannada": (1, "tiles", 100),
    "walk_top": (1, "tiles", 18),
    "best_indices": (1, "tiles", 84),
    "beside_class_means": (1, "tiles", 100),
    "fig1_samples": (1, "tiles", 120),
    "hoda_crops": (1, "tiles", 30),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.Series, dict[str, Figure], Path]]:
    """All committed figures, drawn again once: what became of each, the figures, and where their files are."""
    figures, out = {}, tmp_path_factory.mktemp("drawn")

    def keep(name: str, frame: pd.DataFrame, **inputs) -> Figure:
        figures[name] = draw(name, frame, **inputs)
        return figures[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MVAE_OUT", str(out))
        patch.setenv("MVAE_DATA", "real" if HAVE_REAL else "standin")
        patch.setitem(style.LOOK["rc"], "savefig.dpi", 100)  # as on the screen, where `boxes` looks
        patch.setattr(redraw, "draw", keep)
        before = dict(matplotlib.rcParams)
        done = redraw.redraw().set_index("figure")["became"]
        assert before == dict(matplotlib.rcParams), "a figure changed the reader's settings"
    yield done, figures, out / "figures"


def things(figure: Figure, kind: str) -> int:
    """How many marks, lines, bars, cells or tiles there are, the legend's aside."""
    axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    full = [line for axis in axes for line in axis.lines if len(line.get_xdata()) and line.get_transform() == axis.transData]
    return {
        "marks": sum(len(line.get_xdata()) for line in full if line.get_marker() != "None"),
        "lines": sum(line.get_linestyle() != "None" for line in full),
        "bars": sum(bar.get_height() > 0 and bar.get_width() > 0 for axis in axes for bar in axis.patches),
        "cells": sum(mesh.get_array().size for axis in axes for mesh in axis.collections if isinstance(mesh, QuadMesh)),
        "tiles": sum(len(axis.images) for axis in axes),
    }[kind]


def test_each_table_has_its_figure_and_says_whose_data_it_is() -> None:
    pictures = {path.stem for path in style.SAVED.glob("*.png")}
    assert pictures | TABLES == set(NAMES) and set(FIGURES) <= set(NAMES)
    for name in NAMES:
        frame = pd.read_csv(style.SAVED / f"{name}.csv")
        assert frame["source"].nunique() == 1 and not frame["source"].iloc[0].startswith(STANDIN), name
        assert len(frame.columns) <= 24, f"{name}.csv looks as if it held pixels"


def test_each_figure_of_the_report_is_there() -> None:
    wanted = {"table1", "fig1_samples", "fig2_architecture", "fig3_as_run", "fig3_as_written", "table2"}
    assert wanted | {f"fig{n}_{script}" for n in (4, 5) for script in ("farsi", "kannada")} <= set(NAMES)


def test_redraw_draws_all_that_it_knows_and_says_what_it_does_not(drawn) -> None:
    done, figures, out = drawn
    needs = {name for name in NAMES if FIGURES.get(name, {}).get("needs")} - ALONE
    assert list(done.index) == NAMES
    assert set(figures) == set(NAMES) - TABLES - ALONE - (set() if HAVE_REAL else needs)
    assert set(figures) == set(done[done == "drawn"].index) == {path.stem for path in out.glob("*.png")}
    assert (done[sorted(TABLES)] == "a table, without a picture").all()
    assert done[sorted(ALONE)].str.contains("notebook alone").all()
    for name in {*figures, *TABLES}:
        assert (out / f"{name}.csv").read_bytes() == (style.SAVED / f"{name}.csv").read_bytes(), name


@pytest.mark.parametrize("name", SHOWN)
def test_all_of_a_table_is_in_its_picture(drawn, name: str) -> None:
    if name not in drawn[1]:
        pytest.skip("its samples need the real data")
    panels, kind, count = SHOWN[name]
    assert (len(drawn[1][name].axes), things(drawn[1][name], kind)) == (panels, count)


def units(row: dict, measure: str) -> tuple:
    """What a row's squared error of speech, or its bound, is counted in: the speech view, and for a bound the speech's weight."""
    names = {row.get("name"), row.get("answer")}
    view = "ratio" if "as_run" in names else "frames" if "13 × 64 frames" in names else "mean"
    return (view, row["answer"]) if row.get("question") == "speech coefficient" and measure != "sse_speech" else (view,)


def test_no_panel_holds_two_units(drawn) -> None:
    """A squared error of speech is in its view's units; recon + KL lacks the Gaussian's constant, which the weight decides."""
    found = set()
    for name, measure in itertools.product(drawn[1], ("sse_speech", "neg_elbo", "reported_bound")):
        frame = style.saved(name)[0]
        frame = frame.dropna(subset=measure) if measure in frame else frame[:0]
        known = [(units(row, measure), round(row[measure], 9)) for row in frame.to_dict("records")]
        found |= {name} if len(dict(known)) > 1 else set()
        for axis in drawn[1][name].axes:
            if axis.get_title() == style.word(measure):
                shown = {round(float(x), 9) for line in axis.lines for x in line.get_xdata() if line.get_marker() != "None"}
                assert len({unit for unit, value in known if value in shown}) <= 1, (name, measure)
    assert {"contest", "choice_speech_view", "choice_speech_coefficient"} <= found, "tables of two units, which it must notice"


def boxes(texts) -> list:
    """Where the words of some texts are, in pixels, from left to right."""
    return sorted((text.get_window_extent() for text in texts if text.get_visible() and text.get_text()), key=lambda box: box.x0)


def meeting(texts) -> list[float]:
    """By how many pixels each two neighbours overlap."""
    return [one.x1 - other.x0 for one, other in itertools.pairwise(boxes(texts)) if one.x1 > other.x0 + 1]


def test_no_words_meet_and_none_are_cut_off(drawn) -> None:
    for name, figure in drawn[1].items():
        axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
        for axis in axes:
            words = [*axis.texts, axis.title, axis.xaxis.label, axis.yaxis.label]
            left, right = sorted(axis.get_xlim())
            ticks = axis.xaxis.get_major_ticks() if axis.axison else []
            ticks = [tick.label1 for tick in ticks if left <= tick.get_loc() <= right]
            assert not meeting(ticks), f"{name}: two of the numbers under {axis.get_title()!r} meet"
            for box in boxes([*words, *ticks]):
                inside = min(box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
                assert inside > -4, f"{name}: {-inside} pixels of words are cut off"
        for top in {round(axis.get_position().y1, 2) for axis in axes}:
            titles = [axis.title for axis in axes if round(axis.get_position().y1, 2) == top]
            assert not meeting(titles), f"{name}: two titles meet"
