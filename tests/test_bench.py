"""The benchmarks compare like with like: what they time computes the same, and their table says what it measured."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch
from small import MODEL, run, triplets
from torch.utils.flop_counter import FlopCounterMode

from bench import before, clocks, floor, plain
from bench import run as bench
from mvae_lib import train
from mvae_lib.figures import speed
from mvae_lib.model import MVAE


def one_batch(model: MVAE):
    x, y = triplets().gather(slice(16))
    noise = torch.randn(7, 16, MODEL.latent, generator=torch.Generator().manual_seed(0))
    return model.spec, x, y, noise, model.powerset("all"), torch.tensor(0.3)


@pytest.mark.parametrize("change", before.CHANGES)
def test_what_was_before_a_change_gives_the_same_numbers(change):
    torch.manual_seed(0)
    model = MVAE(run())
    ends = []
    for taken_back in ((), (change,)):
        model.zero_grad()
        with before.without(*taken_back):
            loss, _ = train.batch_loss(model, *one_batch(model))
        loss.backward()
        ends.append([loss.detach(), *(p.grad for p in model.parameters())])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_plain_way_learns():
    steps = plain.steps(MVAE(run()), triplets(), beta=1.0)
    losses = [next(steps) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_floor_has_the_products_of_a_step_and_no_other():
    """Counted by torch on a real step, with the linear layers as torch's own, which it can count."""
    model = MVAE(run())
    with before.without("float32 by oneDNN"), FlopCounterMode(display=False) as counted:
        train.batch_loss(model, *one_batch(model))[0].backward()
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
    table = bench.targets({"steps": steps, "start": start}).set_index("what")
    assert table.loc["(a) plain way ÷ ours, float32", ["measured", "met"]].tolist() == [2.4, "yes"]
    assert table.loc["(c) ours ÷ the matrix products alone, bfloat16", ["measured", "met"]].tolist() == [2.0, "no"]
    assert table.loc["(f) import mvae_lib ÷ import torch", "met"] == "no"
    peers = table.loc["(b) MultiVae ÷ ours, float32, equal work"]
    assert peers["met"] == "not measured" and "not measured: make bench PEERS=1" in bench.show(table.reset_index())
    assert speed.targets(table.reset_index())  # and can be drawn as it is


def test_a_step_of_two_and_three_modalities_can_be_timed():
    command = [sys.executable, "-m", "bench.scale", "sampled", "given", "2", "3"]
    lines = subprocess.run(command, cwd=clocks.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["modalities"] for row in rows] == [2, 3] and all(row["ms"] > 0 for row in rows)
