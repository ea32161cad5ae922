"""The networks, multilayer perceptrons: x -> an expert's Gaussian (mu, logvar); z -> what a likelihood takes."""

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mvae_lib.engine import linear
from mvae_lib.spec import Modality, ModelSpec


class Mish(nn.Module):
    r"""x tanh(softplus(x)), element by element.

    With :math:`n = e^x (e^x + 2)` it is :math:`x n / (n + 2)`: one exponential instead of three transcendental functions, which
    pays where it is fused into one loop, and only there.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            return F.mish(x)
        e = x.float().clamp(max=20).exp()  # beyond, n / (n + 2) is 1 in float32
        n = e * (e + 2)
        return (x * (n / (n + 2))).to(x.dtype)


class Linear(nn.Linear):
    """A linear layer, by the fastest product there is for it."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


ACTIVATIONS = {"swish": nn.SiLU, "mish": Mish, "relu": nn.ReLU}
"""Swish: Ramachandran et al., arXiv:1710.05941. Mish: Misra, arXiv:1908.08681."""


def mlp(inputs: int, hidden: tuple[int, ...], spec: ModelSpec) -> nn.Sequential:
    """Linear (batch norm) activation, once a hidden width: ``[N, inputs]`` -> ``[N, hidden[-1]]``."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, width in enumerate(hidden):
        layers[f"linear{i}"] = Linear(inputs, width)
        if spec.batch_norm:
            layers[f"norm{i}"] = nn.BatchNorm1d(width)
        layers[f"activation{i}"] = ACTIVATIONS[spec.activation]()
        inputs = width
    return nn.Sequential(layers)


class Expert(nn.Module):
    """The encoder of one modality.

    With its logvar head at zero, an expert starts as N(mu, 1), as sure as the prior: the first products, and so the first
    gradients, stay moderate whatever the trunk puts out.
    """

    def __init__(self, modality: Modality, spec: ModelSpec) -> None:
        super().__init__()
        self.trunk = mlp(modality.features, modality.encoder, spec)
        width = modality.encoder[-1] if modality.encoder else modality.features
        self.mu = Linear(width, spec.latent)
        self.logvar = Linear(width, spec.latent)
        for part in {"none": (), "weights": (self.logvar.weight,), "all": self.logvar.parameters()}[spec.zero_logvar]:
            nn.init.zeros_(part)

    def forward(self, x: Float[Tensor, "B *shape"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        h = self.trunk(x.flatten(1))  # [B, *shape] -> [B, features] -> [B, width]
        return self.mu(h), self.logvar(h)


class Decoder(nn.Module):
    """From the latent to what a likelihood takes, or to the classes' logits; with no hidden width, one linear layer."""

    def __init__(self, hidden: tuple[int, ...], outputs: int, spec: ModelSpec) -> None:
        super().__init__()
        self.trunk = mlp(spec.latent, hidden, spec)
        self.out = Linear(hidden[-1] if hidden else spec.latent, outputs)

    def forward(self, z: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        return self.out(self.trunk(z))


Builder = Callable[[Modality, ModelSpec], nn.Module]
NETWORKS: dict[str, tuple[Builder, Builder]] = {"mlp": (Expert, lambda m, spec: Decoder(m.decoder, m.features, spec))}
"""What `ModelSpec.network` names: what makes a modality's expert, and what makes its decoder."""
