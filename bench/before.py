"""How the step was before each change that made it faster; `steps.py` puts them back, one after the other, to measure each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from mvae_lib import networks
from mvae_lib.fusion import Gaussian
from mvae_lib.likelihoods import Bernoulli
from mvae_lib.model import MVAE, Plan
from mvae_lib.subsets import Subset

plan_of = Plan.of


def softmax_and_logsumexp(experts: Gaussian, present: Tensor) -> Gaussian:
    """The product with the prior as one more expert, every exponential taken twice."""
    mask = present.unsqueeze(-1)
    log_precision = torch.where(mask, -experts.logvar, -torch.inf)  # [M, B, D] -> [S, M, B, D]
    log_precision = torch.cat([log_precision, torch.zeros_like(log_precision[:, :1])], dim=1)
    weight = log_precision.softmax(dim=1)[:, :-1]
    return Gaussian((weight * torch.where(mask, experts.mu, 0.0)).sum(dim=1), -log_precision.logsumexp(dim=1))


def cross_entropy_with_logits(_: Bernoulli, output: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, x.expand_as(output), reduction="none").sum(-1)


def boolean_rows(
    subsets: tuple[Subset, ...], n: int, rebuild: Literal["all", "given"] = "all", device: torch.device | str = "cpu"
) -> Plan:
    """Every target picks its rows by a mask, which copies them and must look how many there are."""
    plan = plan_of(subsets, n, rebuild, device)
    columns = plan.present if rebuild == "given" else torch.ones_like(plan.present)
    return Plan(plan.subsets, plan.present, tuple(columns.unbind(1)))


CHANGES = {
    # a model holds its fusion; a property of its class stands before what it holds
    "product of experts": patch.object(MVAE, "fusion", property(lambda self: softmax_and_logsumexp), create=True),
    "cross-entropy": patch.object(Bernoulli, "loss", cross_entropy_with_logits),
    "rows": patch.object(Plan, "of", staticmethod(boolean_rows)),
    "float32 by oneDNN": patch.object(networks, "linear", F.linear),
    "mish": patch.object(networks.Mish, "forward", lambda self, x: F.mish(x)),
}


@contextmanager
def without(*changes: str) -> Iterator[None]:
    """The library with some of its changes taken back."""
    for change in changes:
        CHANGES[change].start()
    try:
        yield
    finally:
        for change in changes:
            CHANGES[change].stop()
