"""How a step runs here: among how many processes, its small operations compiled into few, on CUDA recorded as one launch."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

WARM_UP = 3
"""Calls that run as they are before one is recorded: compilers and allocators settle in them."""
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


@torch.library.custom_op("mvae::linear", mutates_args=())
def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W' + b by oneDNN, as an operator that compilers leave alone: ``[N, in]`` -> ``[N, out]``."""
    return _onednn(x, weight, bias)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@onednn_linear.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    x, weight = ctx.saved_tensors
    to_x = onednn_linear(gradient, weight.t(), None) if ctx.needs_input_grad[0] else None  # [N, out] -> [N, in]
    return to_x, onednn_linear(gradient.t(), x.t(), None), gradient.sum(0)  # -> [out, in], [out]


onednn_linear.register_autograd(_backward, setup_context=_remember)


def processes() -> tuple[int, int]:
    """Which process this is, and how many train together: (0, 1) but under ``torchrun``."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its element-wise work fused by `torch.compile`; where that cannot be had, `function` itself.

    On a CPU it takes a C++ compiler. Without one, the first call warns, in one line, and all calls run unfused.
    """
    chosen = torch.compile(function)

    def call(*args: Any) -> Any:
        nonlocal chosen
        try:
            return chosen(*args)
        except Exception as error:
            if chosen is function or not type(error).__module__.startswith("torch._"):  # not the compiler's doing
                raise
            warnings.warn(f"torch.compile cannot be had here ({_first_line(error)}); going on without.", stacklevel=2)
            chosen = function
            return function(*args)

    return call


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as one launch on a CUDA device: recorded in a CUDA graph at the fourth call, replayed from then on.

    Tensors among the arguments are copied into the graph's own; anything else must be the same at each call. What it returns
    is overwritten by the next call. Arguments of other shapes (an epoch's last, smaller batch) run as they are.
    """
    calls, shapes, graph = 0, None, None
    inputs: list[Any] = []
    output: Any = None

    def call(*args: Any) -> Any:
        nonlocal calls, shapes, graph, inputs, output
        leaves, form = pytree.tree_flatten(args)
        now = [leaf.shape for leaf in leaves if isinstance(leaf, torch.Tensor)]
        shapes = shapes or now
        if now != shapes:
            return function(*args)
        calls += 1
        if calls <= WARM_UP:  # on another stream, as CUDA's graphs ask of what comes before them
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                result = function(*args)
            torch.cuda.current_stream().wait_stream(side)
            return result
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            inputs = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            with torch.cuda.graph(graph):
                output = function(*pytree.tree_unflatten(inputs, form))
        for own, given in zip(inputs, leaves, strict=True):
            if isinstance(own, torch.Tensor):
                own.copy_(given)
        graph.replay()
        return output

    return call


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
