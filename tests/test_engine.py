"""The fused step is the plain step, and where it cannot be had, training goes on without it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import run, triplets

from mvae_lib import checkpoint, checks, engine, train
from mvae_lib.networks import Mish
from mvae_lib.presets import PRESETS

HERE = Path(__file__).parent
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def own_process(*command: str, **environment: str) -> str:
    """What a fresh interpreter prints, run to its end without error."""
    env = os.environ | {"PYTHONPATH": str(HERE)} | environment
    done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(" " in torch.__file__, reason=f"torch.compile takes no path with a space: {torch.__file__}")
def test_compiled_step_agrees_with_the_plain_one():
    """Loss, every gradient and every mean, relative to its size."""
    distance = json.loads(own_process(str(HERE / "compiled.py")))
    assert distance["all"] < 1e-4 and distance["given"] < 1e-4, distance
    assert 0 < distance["bfloat16"] < 0.05, distance


def test_mish_by_one_exponential(monkeypatch):
    x = torch.linspace(-100, 100, 20_001, dtype=torch.float32).requires_grad_()
    want = torch.nn.functional.mish(x)
    slope = torch.autograd.grad(want.sum(), x)[0]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    got = Mish()(x)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(torch.autograd.grad(got.sum(), x)[0], slope, rtol=1e-5, atol=1e-6)


def test_without_a_compiler_it_goes_on_and_says_so(tmp_path):
    code = """
import pathlib, sys, warnings
from small import run, triplets
from mvae_lib import train
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    _, history = train.fit(run(compile=True, epochs=2), triplets(), None, pathlib.Path(sys.argv[1]), bar=False)
said = [str(w.message) for w in caught if "torch.compile cannot be had here" in str(w.message)]
assert len(said) == 1 and "\\n" not in said[0], [str(w.message) for w in caught]
assert history["epoch"].max() == 2
"""
    where = {"CXX": str(tmp_path / "no-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    own_process("-c", code, str(tmp_path / "run"), **where)


def test_why_there_is_no_compiler_is_said(monkeypatch):
    class Broken(Exception):
        __module__ = "torch._inductor.exc"

    def compile(function, mode):
        def call(*args):
            raise Broken("C++ compile error\n\nOutput:\ng++: fatal error: no such header")

        return call

    monkeypatch.setattr(torch, "compile", compile)
    for path, why in (
        (torch.__file__, re.escape("g++: fatal error: no such header")),
        ("/a b/torch", "no path with a space, .* /a b/torch"),
    ):
        monkeypatch.setattr(torch, "__file__", path)
        with pytest.warns(UserWarning, match=rf"torch.compile cannot be had here \(.*{why}\); going on without."):
            assert engine.compiled(torch.sin, torch.device("cpu"))(torch.zeros(1)) == 0


def test_an_error_of_ours_is_not_taken_for_the_compilers():
    def broken(x):
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        engine.compiled(broken, torch.device("cpu"))(torch.zeros(3))


@needs_cuda
def test_on_cuda_a_compiled_step_is_the_plain_step():
    """Three epochs of batches of two shapes: the last means, and every weight."""
    ends = []
    for compile in (False, True):
        model, optimizer = train.untrained(run(compile=compile), "cuda")
        advance = train.fast_step(model, optimizer)
        rows = [train.train_epoch(model, advance, triplets().to("cuda"), epoch) for epoch in (1, 2, 3)]
        means = torch.tensor(rows[-1].drop(columns=["split", "subset", "seconds"]).to_numpy(float))
        ends.append([means, *(p.detach().clone() for p in model.parameters())])
    for plain, fused in zip(*ends, strict=True):
        torch.testing.assert_close(plain, fused, rtol=1e-4, atol=1e-5, equal_nan=True)


@needs_cuda
@pytest.mark.parametrize("options", [{"compile": True}, {"precision": "tf32"}, {"subsets": "sampled", "random_subsets": 2}])
def test_it_trains_on_cuda(options, tmp_path):
    _, history = train.fit(run(**options), triplets(), triplets("val"), tmp_path / "run", device="cuda", bar=False)
    objective = history.query("split == 'train'").groupby("epoch")["objective"].first()
    assert objective.iloc[-1] < 0.8 * objective.iloc[0]


def test_tf32_asks_for_cuda(tmp_path):
    with pytest.raises(ValueError, match="'tf32' on cpu; that needs CUDA"):
        train.fit(run(precision="tf32"), triplets(), None, tmp_path / "run", bar=False)


def test_the_presets_are_compiled():
    assert all(preset.train.compile for preset in PRESETS.values())


def test_auto_is_what_is_fastest_here_and_a_run_keeps_it(tmp_path, monkeypatch):
    for gain, precision in ((0.05, "float32"), (1.0, "float32"), (2.1, "bfloat16")):
        monkeypatch.setattr(engine, "bfloat16_gain", lambda gain=gain: gain)
        assert engine.fastest_precision(torch.device("cpu")) == precision
        model, _ = train.fit(run(precision="auto", epochs=1), triplets(), None, tmp_path / precision, bar=False)
        assert model.spec.train.precision == precision == checkpoint.load(tmp_path / precision).spec.train.precision
    went_on, _ = train.fit(run(precision="auto", epochs=2), triplets(), None, tmp_path / "float32", bar=False)
    assert went_on.spec.train.precision == "float32", "though here bfloat16 is said to be faster"


def test_bfloat16_where_it_is_slow_warns_with_the_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "bfloat16_gain", lambda: 1 / 21)
    with pytest.warns(UserWarning, match="take 21 times as long as in float32 on this processor; precision 'auto'"):
        train.fit(run(precision="bfloat16", epochs=1), triplets(), None, tmp_path / "run", bar=False)


def test_the_gain_is_measured():
    assert 0.01 < engine.bfloat16_gain() < 100
