"""How the experts of the modalities that are present become one posterior. Pure functions: no module, no state.

A fusion takes experts ``[M, B, D]`` and who is present, bool ``[S, M, B]`` or ``[S, M, 1]``, and gives a posterior: a NamedTuple
of tensors that lead with ``[S, B]``, with ``mean``, ``sample(noise)`` and ``kl_to_prior()``. Nothing else looks inside.

Letters in shapes: M modalities, S subsets, B samples, D latent dimensions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor


class Noise(NamedTuple):
    """All the randomness of a pass, drawn outside it."""

    normal: Tensor  # Standard normal, ``[..., D]``.
    uniform: Tensor  # Between 0 and 1, ``[...]``: which component a mixture draws from.


def noise_source(seed: int, device: torch.device | str = "cpu") -> Callable[..., Noise]:
    """``draw(*shape)`` -> noise of that shape, ``[..., D]``: one stream of normals, one of uniforms, both fixed by the seed."""
    normals, uniforms = (torch.Generator(device).manual_seed(s) for s in (seed, seed + 2**40))

    def draw(*shape: int) -> Noise:
        normal = torch.randn(*shape, generator=normals, device=device)
        return Noise(normal, torch.rand(shape[:-1], generator=uniforms, device=device))

    return draw


class Gaussian(NamedTuple):
    """Diagonal Gaussians, ``[..., D]``."""

    mu: Tensor
    logvar: Tensor

    @property
    def mean(self) -> Tensor:
        return self.mu

    @property
    def stddev(self) -> Tensor:
        return (0.5 * self.logvar).exp()

    def sample(self, noise: Noise) -> Tensor:
        return self.mu + self.stddev * noise.normal

    def kl_to_prior(self) -> Tensor:
        r"""KL divergence to the prior N(0, I), in nats per sample.

        .. math:: KL[N(\mu, \sigma^2) \,\|\, N(0, I)] = \tfrac12 \sum_d (\mu_d^2 + \sigma_d^2 - \log \sigma_d^2 - 1)

        Never negative (``expm1``: ``exp(v) - v - 1`` dips below zero in float32 near ``v = 0``).
        Source: Kingma & Welling, arXiv:1312.6114, appendix B.
        """
        return 0.5 * (self.mu.square() + self.logvar.expm1() - self.logvar).sum(-1)  # [..., D] -> [...]

    def kl(self, other: "Gaussian") -> Tensor:
        r"""KL divergence to another Gaussian, in nats per sample: ``[..., D]`` -> ``[...]``.

        .. math:: \tfrac12 \sum_d [ ((\mu_d - \mu'_d)^2 + \sigma_d^2) / \sigma_d'^2 - 1 - \log (\sigma_d^2 / \sigma_d'^2) ]
        """
        ratio = self.logvar - other.logvar
        return 0.5 * ((self.mu - other.mu).square() * (-other.logvar).exp() + ratio.expm1() - ratio).sum(-1)


class Mixture(NamedTuple):
    """Mixtures of M diagonal Gaussians: ``[..., M, D]``, with weights ``[..., M]`` that sum to 1."""

    mu: Tensor
    logvar: Tensor
    weight: Tensor

    @property
    def mean(self) -> Tensor:
        return (self.weight.unsqueeze(-1) * self.mu).sum(-2)  # [..., M, D] -> [..., D]

    def sample(self, noise: Noise) -> Tensor:
        """The uniform chooses a component, the normal draws from it: ``[..., D]``."""
        passed = noise.uniform.unsqueeze(-1) >= self.weight.cumsum(-1)  # [..., M]; never the last one, whatever rounding does
        chosen = passed[..., :-1].sum(-1)[..., None, None]  # -> [..., 1, 1]
        lead = chosen.shape[:-2]
        mu, logvar = (part.expand(*lead, *part.shape[-2:]).take_along_dim(chosen, -2).squeeze(-2) for part in self[:2])
        return Gaussian(mu, logvar).sample(noise)

    def kl_to_prior(self) -> Tensor:
        """Upper bound of the KL divergence to the prior, by convexity: the weighted mean of the components' own, in nats.

        Source: Shi et al., arXiv:1911.03393, equation 3.
        """
        return (self.weight * Gaussian(self.mu, self.logvar).kl_to_prior()).sum(-1)  # [..., M] -> [...]


def product_of_experts(experts: Gaussian, present: Bool[Tensor, "S M B_or_1"]) -> Gaussian:
    r"""Multiply the Gaussian experts that are present, and the prior expert N(0, I), into one Gaussian.

    .. math:: q(z|X) \propto \mathcal N(0, I) \prod_{i \in X} \mathcal N(\mu_i, \sigma_i^2), \qquad
              \mu = \sum_i w_i \mu_i, \quad w = \mathrm{softmax}_i(-\log\sigma_i^2), \quad
              \log\sigma^2 = -\mathrm{logsumexp}_i(-\log\sigma_i^2)

    with i over the experts present and the prior (mu 0, logvar 0). Precisions add; each is only ever formed as a share of the
    largest, so nothing overflows and no epsilon is needed. A missing expert has log-precision -inf: neither its values (NaN
    too) nor its gradient reach the product. No expert at all gives the prior.

    Args:
        experts: ``[M, B, D]``.
        present: ``[S, M, 1]``: a subset a row; ``[S, M, B]``: presence differs from sample to sample. ValueError for another.
    Returns: ``[S, B, D]``.
    Source: Hinton, Neural Computation 14(8), 2002; Wu & Goodman, arXiv:1802.05335, section 2 (with the prior expert).
    """
    mask = _mask(experts, present)  # [S, M, B or 1, 1]
    log_precision = torch.where(mask, -experts.logvar, -torch.inf)  # [M, B, D] -> [S, M, B, D]
    largest = log_precision.amax(dim=1).clamp(min=0).detach()  # -> [S, B, D]; the prior's is 0
    relative = (log_precision - largest.unsqueeze(1)).exp()  # precisions over the largest: 0 to 1
    total = relative.sum(dim=1) + (-largest).exp()  # [S, M, B, D] -> [S, B, D]; the prior's is the last
    mu = (relative * torch.where(mask, experts.mu, 0.0)).sum(dim=1) / total  # [S, M, B, D] -> [S, B, D]; the prior's mean is 0
    return Gaussian(mu, -(largest + total.log()))


def mixture_of_experts(experts: Gaussian, present: Bool[Tensor, "S M B_or_1"]) -> Mixture:
    r"""Average the experts that are present, each with the same weight; the prior where none is.

    .. math:: q(z|X) = \frac{1}{|X|} \sum_{i \in X} \mathcal N(\mu_i, \sigma_i^2)

    Args and errors as of `product_of_experts`. Returns: components ``[S, B, M, D]``, weights ``[S, B, M]``.
    Source: Shi et al., arXiv:1911.03393, section 3.
    """
    mask = _mask(experts, present)  # [S, M, B or 1, 1]
    mu, logvar = (torch.where(mask, part, 0.0).movedim(1, 2) for part in experts)  # [M, B, D] -> [S, B, M, D]; missing: the prior
    there = mask.squeeze(-1).movedim(1, 2).expand(mu.shape[:-1]).float()  # -> [S, B, M]
    count = there.sum(-1, keepdim=True)
    return Mixture(mu, logvar, torch.where(count > 0, there / count.clamp(min=1), 1 / there.shape[-1]))


def _mask(experts: Gaussian, present: Tensor) -> Tensor:
    m, b = experts.mu.shape[:2]
    if present.dtype != torch.bool or present.ndim != 3 or present.shape[1] != m or present.shape[2] not in (1, b):
        raise ValueError(
            f"present is {present.dtype} {list(present.shape)}; with experts {list(experts.mu.shape)} it takes bool "
            f"[S, {m}, 1] or [S, {m}, {b}]."
        )
    return present.unsqueeze(-1)


Fusion = Callable[[Gaussian, Tensor], Any]
FUSIONS: dict[str, Fusion] = {"product": product_of_experts, "mixture": mixture_of_experts}  # What `ModelSpec.fusion` names.
