"""The networks: x -> an expert's Gaussian (mu, logvar); z -> a distribution over x."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Normal

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
    """Linear (batch norm) activation, once a hidden width: ``[..., inputs]`` -> ``[..., hidden[-1]]``."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, width in enumerate(hidden):
        layers[f"linear{i}"] = Linear(inputs, width)
        if spec.batch_norm:
            layers[f"norm{i}"] = nn.BatchNorm1d(width)
        layers[f"activation{i}"] = ACTIVATIONS[spec.activation]()
        inputs = width
    return nn.Sequential(layers)


class Expert(nn.Module):
    """The encoder of one modality: ``[B, *shape]`` -> mu, logvar, each ``[B, D]`` in float32.

    With its logvar head at zero, an expert starts as N(mu, 1), as sure as the prior: the first products, and so the first
    gradients, stay moderate whatever the trunk puts out.
    """

    def __init__(self, modality: Modality, spec: ModelSpec) -> None:
        super().__init__()
        self.trunk = mlp(modality.features, modality.encoder, spec)
        width = modality.encoder[-1] if modality.encoder else modality.features
        self.mu = Linear(width, spec.latent)
        self.logvar = Linear(width, spec.latent)
        if spec.zero_logvar in ("weights", "all"):
            nn.init.zeros_(self.logvar.weight)
        if spec.zero_logvar == "all":
            nn.init.zeros_(self.logvar.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x.flatten(1))  # [B, *shape] -> [B, features] -> [B, width]
        return self.mu(h).float(), self.logvar(h).float()  # float32 from here on, under autocast too


class Decoder(nn.Module):
    """z -> a distribution over one modality, element by element: ``[..., D]`` -> batch shape ``[..., features]``.

    Bernoulli: `validate_args` is off, so `log_prob` also takes greys; it is then minus the binary cross-entropy, a loss,
    and no likelihood (see `mvae_lib.loss`). Gaussian: the coefficient w of the squared error fixes the variance, 1 / (2 w).
    """

    def __init__(self, modality: Modality, spec: ModelSpec) -> None:
        super().__init__()
        self.modality = modality
        width = modality.decoder[-1] if modality.decoder else spec.latent
        self.trunk = mlp(spec.latent, modality.decoder, spec)
        self.out = Linear(width, modality.features)

    def forward(self, z: Tensor) -> Distribution:
        h = self.trunk(z.reshape(-1, z.shape[-1]))  # [..., D] -> [N, D] -> [N, width]: rows, for batch norm's sake
        out = self.out(h).float().view(*z.shape[:-1], -1)  # [N, features] -> [..., features]
        if self.modality.likelihood == "bernoulli":
            return Bernoulli(logits=out, validate_args=False)
        scale = out.new_full((), (2.0 * self.modality.weight) ** -0.5)
        return Normal(out, scale, validate_args=False)


class LabelDecoder(nn.Module):
    """z -> class logits, ``[..., D]`` -> ``[..., classes]``; with no hidden width, one linear layer."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.trunk = mlp(spec.latent, spec.label_decoder, spec)
        self.out = Linear(spec.label_decoder[-1] if spec.label_decoder else spec.latent, spec.classes)

    def forward(self, z: Tensor) -> Tensor:
        h = self.trunk(z.reshape(-1, z.shape[-1]))  # [..., D] -> [N, D] -> [N, width]
        return self.out(h).float().view(*z.shape[:-1], -1)  # [N, classes] -> [..., classes]
