"""Run a training step fast: oneDNN's products, several processes, `torch.compile`."""

import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Is there oneDNN's product in float32? PyTorch leaves float32 to MKL, which on AMD takes no AVX-512: half the speed."""


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W' + b, ``[N, in]`` -> ``[N, out]``: `torch.nn.functional.linear`, by oneDNN for many rows in float32 on a CPU."""
    on_cpu = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    if ONEDNN and on_cpu and len(x) >= 16 and not torch.is_autocast_enabled("cpu"):
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return onednn_linear(x, weight, bias)
        return _onednn(x, weight, bias)  # the same, at once: an operator of one's own imports a compiler first, for seconds
    return F.linear(x, weight, bias)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


onednn_linear = torch.library.custom_op("mvae::linear", _onednn, mutates_args=())
"""x W' + b by oneDNN, as an operator that compilers leave alone: ``[N, in]`` -> ``[N, out]``."""


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    to_x = onednn_linear(gradient, weight.t(), None) if ctx.needs_input_grad[0] else None  # [N, out] -> [N, in]
    return to_x, onednn_linear(gradient.t(), x.t(), None), gradient.sum(0)  # -> [out, in], [out]


onednn_linear.register_fake(lambda x, weight, bias: x.new_empty(x.shape[0], weight.shape[0]))
onednn_linear.register_autograd(_backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[:2]))


@cache
def bfloat16_gain() -> float:
    """How many times as fast as in float32 a training step's products are in bfloat16, on this CPU.

    Two or more where it has the instructions (AMX, AVX512-BF16), a twentieth where it has none. Timed: four products each, the
    fastest of five rounds, in some milliseconds (half a second where it is slow).
    """
    x, weight, bias = torch.ones(448, 512), torch.ones(512, 512), torch.ones(512)
    best = dict.fromkeys((False, True), float("inf"))
    with torch.no_grad():
        for _ in range(5):
            for half in best:
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    start = time.perf_counter()
                    for _ in range(4):
                        linear(x, weight, bias)
                    best[half] = min(best[half], time.perf_counter() - start)
    return best[False] / best[True]


def fastest_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """What networks run in fastest on a device; of several processes the first decides for all."""
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else bfloat16_gain() > 1.2
    decided: list[Any] = ["bfloat16" if fast else "float32"]
    if processes()[1] > 1:
        dist.broadcast_object_list(decided)
    return decided[0]


def processes() -> tuple[int, int]:
    """Which process this is, and how many train together: (0, 1) but under ``torchrun``."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def compiled(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """`function` with its element-wise work fused by `torch.compile`, on CUDA as one graph; where that cannot be had, `function`.

    On a CPU it takes a C++ compiler. Without one, the first call warns, in one line, and all calls run unfused.
    """
    chosen = torch.compile(function, mode="reduce-overhead" if device.type == "cuda" else None)

    def call(*args: Any) -> Any:
        nonlocal chosen
        try:
            return chosen(*args)
        except Exception as error:
            if chosen is function or not type(error).__module__.startswith("torch._"):  # not the compiler's doing
                raise
            lines = f"{type(error).__name__}: {str(error).strip()}".splitlines()
            why = next((line for line in lines if " error: " in line), lines[0])  # the C++ compiler's own words, if any
            why = f"it takes no path with a space, and torch lies in {torch.__file__}" if " " in torch.__file__ else why
            warnings.warn(f"torch.compile cannot be had here ({why:.130}); going on without.", stacklevel=2)
            chosen = function
            return function(*args)

    return call
