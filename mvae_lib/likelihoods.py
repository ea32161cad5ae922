"""What a decoder's output means, and what it costs: one entry a family. Nats per sample, summed over features.

Each has ``weight``, the coefficient of its `loss` in the objective, and ``metric``, the loss's name in tables.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch.distributions as td
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Bernoulli:
    """Values in [0, 1]; the output holds their logits."""

    weight: float = 1.0
    metric: ClassVar[str] = "bce"

    def loss(self, output: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        r"""Binary cross-entropy: in the logits :math:`l_j`, :math:`\sum_j \mathrm{softplus}(l_j) - x_j l_j`.

        Greys are taken as they are, so its floor is not 0 but their own entropy: a loss, and no likelihood.
        """
        return (F.softplus(output) - x * output).sum(-1)

    def mean(self, output: Float[Tensor, "*N F"]) -> Float[Tensor, "*N F"]:
        return output.sigmoid()

    def log_prob(self, output: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        """Log-likelihood of the values thresholded at one half: a Bernoulli has no greys."""
        return td.Bernoulli(logits=output, validate_args=False).log_prob(x.gt(0.5).float()).sum(-1)

    def cost(self, guess: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        """`loss` of a guess that is given as a value, in [0, 1]."""
        return F.binary_cross_entropy(guess, x.expand_as(guess), reduction="none").sum(-1)


@dataclass(frozen=True)
class Normal:
    """Any values, of one fixed variance, 1 / (2 weight); the output holds their means."""

    weight: float = 1.0
    metric: ClassVar[str] = "sse"

    def loss(self, output: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        """The **sum** of squared errors (the report's "MSE" column)."""
        return (x - output).square().sum(-1)

    def mean(self, output: Float[Tensor, "*N F"]) -> Float[Tensor, "*N F"]:
        return output

    def log_prob(self, output: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        """Log-likelihood, with its constants."""
        return td.Normal(output, (2 * self.weight) ** -0.5, validate_args=False).log_prob(x).sum(-1)

    def cost(self, guess: Float[Tensor, "*S B F"], x: Float[Tensor, "B F"]) -> Float[Tensor, "*S B"]:
        """`loss` of a guess that is given as a value."""
        return (guess - x).square().sum(-1)


FAMILIES = {"bernoulli": Bernoulli, "gaussian": Normal}  # What `Modality.likelihood` names.
