"""The floor: a step's matrix products, and nothing else. Same shapes, operands ready in the precision, results into place."""

import torch
from torch import Tensor, nn

from mvae_lib.engine import onednn_linear
from mvae_lib.model import MVAE


def products(model: MVAE, precision: torch.dtype) -> list[tuple[Tensor, ...]]:
    """Operands and results of each linear layer: forward, gradient of the weights, gradient of the input."""
    batch, subsets = model.spec.train.batch_size, 2 ** len(model.names) - 1
    jobs = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            rows = batch if name.startswith("experts") else batch * subsets
            n, m = layer.in_features, layer.out_features
            x, w, g = (torch.randn(*shape).to(precision) for shape in ((rows, n), (m, n), (rows, m)))
            of, expert, place = (*name.split(".", 2), "")[:3]
            # nobody asks for the gradient of the data, which an expert's first layer sees
            sees_data = of == "experts" and (place == "trunk.linear0" or len(model.experts[expert].trunk) == 0)
            jobs.append((x, w, g, torch.empty_like(g), torch.empty_like(w), None if sees_data else torch.empty_like(x)))
    return jobs


def by_mm(jobs: list[tuple[Tensor, ...]]) -> None:
    """As `torch.mm` has them: MKL in float32, oneDNN in bfloat16."""
    for x, w, _, out, _, _ in jobs:
        torch.mm(x, w.t(), out=out)
    for x, w, g, _, to_weight, to_input in reversed(jobs):
        torch.mm(g.t(), x, out=to_weight)
        if to_input is not None:
            torch.mm(g, w, out=to_input)


def by_onednn(jobs: list[tuple[Tensor, ...]]) -> None:
    """As the library takes them in float32."""
    for x, w, *_ in jobs:
        onednn_linear(x, w, None)
    for x, w, g, _, _, to_input in reversed(jobs):
        onednn_linear(g.t(), x.t(), None)
        if to_input is not None:
            onednn_linear(g, w.t(), None)
