"""An objective: total correlation (Hwang et al., MVTCAE, NeurIPS 2021): the joint posterior is drawn to every expert's own."""

from torch import Tensor

from mvae_lib.fusion import Gaussian
from mvae_lib.model import Pass
from mvae_lib.objectives import Terms

ALPHA = 0.9


def total_correlation(out: Pass, t: Terms, beta: Tensor) -> Tensor:
    """Of the full set alone, the last row: (N - a) / N recon + beta [(1 - a) KL(q, p) + a / N sum_m KL(q, q_m)]."""
    n = len(out.experts.mu)
    q = Gaussian(*(part[-1] for part in out.posterior))  # [B, D]
    recon = sum(t.weights[name] * loss[-1] for name, loss in t.recon.items())
    to_experts = sum(q.kl(Gaussian(*expert)) for expert in zip(*out.experts, strict=True))
    divergence = (1 - ALPHA) * q.kl_to_prior() + ALPHA / n * to_experts
    return ((n - ALPHA) / n * recon + t.label_weight * t.ce[-1] + beta * divergence).mean()
