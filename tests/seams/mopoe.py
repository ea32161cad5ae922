"""A fusion: the mixture of the products of all subsets of what is given (Sutter, Daunhawer & Vogt, arXiv:2105.02470)."""

import torch
from torch import Tensor

from mvae_lib.fusion import Gaussian, Mixture, product_of_experts
from mvae_lib.model import Plan
from mvae_lib.subsets import powerset


def mixture_of_products(experts: Gaussian, present: Tensor) -> Mixture:
    """``[M, B, D]``, bool ``[S, M, 1 or B]`` -> components ``[S, B, K, D]``, K the subsets; those not wholly present weigh 0."""
    m, b = experts.mu.shape[:2]
    parts = Plan.of(powerset(m), m).present.to(present.device)  # [K, M]
    products = product_of_experts(experts, parts[..., None] & present.any(0))  # [K, B, D]; never of what nobody has
    within = (present[:, None] | ~parts[..., None]).all(2).expand(-1, -1, b).movedim(1, 2).float()  # [S, K, B] -> [S, B, K]
    nothing = within.sum(-1, keepdim=True) == 0  # the prior, as a product of none
    weight = torch.where(nothing, 1 / within.shape[-1], within / within.sum(-1, keepdim=True).clamp(min=1))
    there = (within > 0)[..., None]
    mu, logvar = (torch.where(there, part.movedim(0, 1), 0.0) for part in products)  # [K, B, D] -> [S, B, K, D]
    return Mixture(mu, logvar, weight)
