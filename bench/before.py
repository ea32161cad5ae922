"""How the step was before each change that made it faster; `run.py` puts them back, one after the other, to measure each."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Bernoulli

from mvae_lib import loss, model, networks, poe


def softmax_and_logsumexp(mu: Tensor, logvar: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The product with the prior as one more expert, every exponential taken twice."""
    mask = present.unsqueeze(-1)
    log_precision = torch.where(mask, -logvar, -torch.inf)
    log_precision = torch.cat([log_precision, torch.zeros_like(log_precision[:, :1])], dim=1)
    weight = log_precision.softmax(dim=1)[:, :-1]
    return (weight * torch.where(mask, mu, 0.0)).sum(dim=1), -log_precision.logsumexp(dim=1)


def cross_entropy_with_logits(rebuilt, x: Tensor) -> Tensor:
    if isinstance(rebuilt, Bernoulli):
        return F.binary_cross_entropy_with_logits(rebuilt.logits, x.expand_as(rebuilt.logits), reduction="none").sum(-1)
    return (x - rebuilt.mean).square().sum(-1)


def boolean_rows(rows, n, rebuild, device):
    """Every target picks its rows by a mask, which copies them and must look how many there are."""
    made = poe.stack(rows, n, rebuild, device)
    columns = made.present if rebuild == "given" else torch.ones_like(made.present)
    return poe.Stack(made.subsets, made.present, tuple(columns.unbind(1)))


CHANGES = {
    "product of experts": patch.object(model, "product_of_experts", softmax_and_logsumexp),
    "cross-entropy": patch.object(loss, "reconstruction_loss", cross_entropy_with_logits),
    "rows": patch.object(model, "stack", boolean_rows),
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
