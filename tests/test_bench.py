"""The benchmarks compare like with like: what they time computes the same, and their table says what it measured."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch
from small import MODEL, run, triplets
from torch.utils.flop_counter import FlopCounterMode

from bench import before, busy, clocks, floor, plain, targets
from mvae_lib import train
from mvae_lib.fusion import noise_source
from mvae_lib.model import MVAE, Plan, build
from mvae_lib.objectives import powerset_objective
from mvae_lib.subsets import powerset
from study.plots import draw


def one_loss(model: MVAE, rebuild: str = "all") -> torch.Tensor:
    x, y = triplets().gather(slice(16))
    noise, plan = noise_source(0)(7, 16, MODEL.latent), Plan.of(powerset(3), 3, rebuild)
    return train.batch_loss(model, model, powerset_objective, x, y, None, noise, plan, torch.tensor(0.3))[0]


@pytest.mark.parametrize("rebuild", ["all", "given"])
@pytest.mark.parametrize("change", before.CHANGES)
def test_what_was_before_a_change_gives_the_same_numbers(change, rebuild):
    torch.manual_seed(0)
    model = build(run())
    ends = []
    for taken_back in ((), (change,)):
        model.zero_grad()
        with before.without(*taken_back):
            loss = one_loss(model, rebuild)
        loss.backward()
        ends.append([loss.detach(), *(p.grad for p in model.parameters())])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_change_taken_back_is_in_use_and_then_put_back(monkeypatch):
    """The product: a model holds its own, so it is the one that could go unnoticed."""
    model, calls, one = build(run()), [], before.softmax_and_logsumexp
    monkeypatch.setattr(before, "softmax_and_logsumexp", lambda *given: calls.append(1) or one(*given))
    with before.without("product of experts"):
        one_loss(model)
    one_loss(model)
    assert calls == [1]


def test_the_plain_way_learns():
    steps = plain.steps(build(run()), triplets(), beta=1.0)
    losses = [next(steps) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_floor_has_the_products_of_a_step_and_no_other():
    """Counted by torch on a real step, with the linear layers as torch's own, which it can count."""
    model = build(run())
    with before.without("float32 by oneDNN"), FlopCounterMode(display=False) as counted:
        one_loss(model).backward()
    with FlopCounterMode(display=False) as alone:
        floor.by_mm(floor.products(model, torch.float32))
    assert counted.get_total_flops() == alone.get_total_flops() > 0


def test_side_by_side_takes_turns():
    calls = []
    times = clocks.side_by_side({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, calls=2, warm_up=1)
    assert "".join(calls) == "ab" + "aabb" * 2
    assert times[["way", "round"]].to_numpy().tolist() == [["a", 0], ["b", 0], ["a", 1], ["b", 1]] and (times["ms"] >= 0).all()


def test_the_table_of_targets_says_what_was_met_and_how_to_measure_the_rest():
    ms = {
        ("plain", "float32"): 240, ("ours", "float32"): 100, ("ours", "bfloat16"): 50,
        ("floor", "float32"): 100, ("floor", "bfloat16"): 25,
    }  # fmt: skip
    steps = pd.DataFrame([{"way": w, "precision": p, "round": k, "ms": v} for (w, p), v in ms.items() for k in range(3)])
    start = pd.DataFrame([{"way": w, "round": 0, "ms": v} for w, v in {"import torch": 100, "import mvae_lib": 130}.items()])
    table = targets.table({"steps": steps, "start": start}).set_index("what")
    assert table.loc["(a) plain way ÷ ours, float32", ["measured", "met"]].tolist() == [2.4, "yes"]
    assert table.loc["(c) ours ÷ the matrix products alone, bfloat16", ["measured", "met"]].tolist() == [2.0, "no"]
    assert table.loc["(f) import mvae_lib ÷ import torch", "met"] == "no"
    peers = table.loc["(b) MultiVae ÷ ours, float32, equal work"]
    assert peers["met"] == "not measured" and "not measured: make bench PEERS=1" in targets.show(table.reset_index())
    assert draw("speed_targets", table.reset_index())  # and can be drawn as it is


def test_a_step_of_two_and_three_modalities_can_be_timed():
    command = [sys.executable, "-m", "bench.scale", "sampled", "given", "2", "3"]
    lines = subprocess.run(command, cwd=clocks.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["modalities"] for row in rows] == [2, 3] and all(row["ms"] > 0 for row in rows)


def test_what_is_beside_a_step_is_timed_and_set_against_its_targets(monkeypatch, capsys):
    """Two of the ways, one round of one call, in processes as the benchmark starts them."""
    monkeypatch.setattr(busy, "WAYS", {way: busy.WAYS[way] for way in (busy.OURS, busy.SPINNING)})
    monkeypatch.setattr(busy.pages, "CHROMIUM", None)
    frame = busy.times(rounds=1, calls=1, batch_size=2, moves=1)
    steps = frame[frame["what"] == "step"]
    assert steps[["way", "beside"]].to_numpy().tolist() == [
        *([way, load] for load in "012" for way in (busy.OURS, busy.SPINNING)), [busy.OURS, "a training"],
    ]  # fmt: skip
    assert (frame["ms"] > 0).all() and "evaluation" in busy.show(frame)
    table = targets.verdicts(busy.rows(frame)).set_index("what")
    assert table["met"].tolist()[:4] != ["not measured"] * 4 and table["met"].iloc[4] == "not measured"
    assert "skipped, as there is no chromium" in capsys.readouterr().out
    ms = dict(zip(steps["way"] + steps["beside"], steps["ms"], strict=True))
    assert table["measured"].iloc[1] == pytest.approx(ms["ours1"] / ms["ours0"])


def test_where_nothing_was_timed_beside_others_the_table_says_how():
    assert {row[3:] for row in busy.rows(None)} == {(None, "make bench BUSY=1")}
