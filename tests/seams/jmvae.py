"""A model: JMVAE (Suzuki, Nakayama & Matsuo, arXiv:1611.01891): a network of all modalities, to which each one's is drawn."""

import torch
from torch import Tensor, nn

from mvae_lib.fusion import Gaussian, product_of_experts
from mvae_lib.model import MVAE, Pass
from mvae_lib.objectives import Terms

ALPHA = 0.1


class JMVAE(MVAE):
    """The experts, and after them one more, of all modalities end to end."""

    def __init__(self, *parts, joint: nn.Module, **options) -> None:
        super().__init__(*parts, fusion=joint_or_product, **options)
        self.joint = joint

    def encode(self, x: dict[str, Tensor]) -> Gaussian:
        experts = super().encode(x)
        mu, logvar = (torch.zeros_like(experts.mu[0]),) * 2
        if len(x) == len(self.names):
            mu, logvar = self.joint(torch.cat([x[name].flatten(1) for name in self.names], 1)).chunk(2, dim=1)
        return Gaussian(torch.cat([experts.mu, mu[None]]), torch.cat([experts.logvar, logvar[None]]))


def joint_or_product(experts: Gaussian, present: Tensor) -> Gaussian:
    """The joint network where all are present; else the product, as pixyz has it."""
    alone, joint = (Gaussian(*(part[rows] for part in experts)) for rows in (slice(-1), slice(-1, None)))
    product, everything = product_of_experts(alone, present), present.all(1)[..., None]  # [S, 1 or B, 1]
    return Gaussian(*(torch.where(everything, whole, part) for whole, part in zip(joint, product, strict=True)))


def joint_objective(out: Pass, t: Terms, beta: Tensor) -> Tensor:
    """The full set's bound, and alpha times the KL of its posterior to each single modality's (equation 9)."""
    q = Gaussian(*(part[-1] for part in out.posterior))
    recon = sum(t.weights[name] * loss[-1] for name, loss in t.recon.items())
    to_singles = sum(q.kl(Gaussian(*single)) for single in zip(*(part[:-1] for part in out.experts), strict=True))
    return (recon + t.label_weight * t.ce[-1] + beta * q.kl_to_prior() + ALPHA * to_singles).mean()
