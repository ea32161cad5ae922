"""A network by name: convolutions for images, as ``ModelSpec.network = "conv"``; what is no image keeps its perceptrons."""

from torch import Tensor, nn

from mvae_lib.networks import NETWORKS
from mvae_lib.spec import Modality, ModelSpec

WIDTH = 8


class ConvExpert(nn.Module):
    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, WIDTH, 4, 4),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 7),
            nn.SiLU(),
            nn.Flatten(),
        )
        self.mu, self.logvar = nn.Linear(WIDTH, spec.latent), nn.Linear(WIDTH, spec.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x.flatten(1))
        return self.mu(h), self.logvar(h)


def expert(modality: Modality, spec: ModelSpec) -> nn.Module:
    return ConvExpert(spec) if modality.shape == (28, 28) else NETWORKS["mlp"][0](modality, spec)


def decoder(modality: Modality, spec: ModelSpec) -> nn.Module:
    """z -> ``[N, 1, 28, 28]``: the model flattens it."""
    if modality.shape != (28, 28):
        return NETWORKS["mlp"][1](modality, spec)
    first = nn.Sequential(nn.Linear(spec.latent, WIDTH * 49), nn.SiLU(), nn.Unflatten(1, (WIDTH, 7, 7)))
    return nn.Sequential(first, nn.ConvTranspose2d(WIDTH, 1, 4, 4))
