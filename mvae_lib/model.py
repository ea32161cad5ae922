"""The multimodal VAE: experts -> product -> decoders, and nothing else."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from mvae_lib.networks import Decoder, Expert, LabelDecoder
from mvae_lib.poe import Stack, product_of_experts, stack, subsets
from mvae_lib.spec import RunSpec


@dataclass(frozen=True)
class Output:
    """What a forward pass gives, for every subset."""

    mu: Tensor
    logvar: Tensor
    """The products, ``[S, B, D]``."""
    rebuilt: dict[str, Distribution]
    """By modality, batch shape ``[S_m, B, features]``, S_m the subsets that must rebuild it."""
    logits: Tensor
    """Of the label, ``[S, B, classes]``."""


class MVAE(nn.Module):
    """One expert and one decoder a modality, a product of experts between them, and a label decoder.

    Args:
        run: the run that the model belongs to; ``run.model`` says what it is made of, the rest what it may be fed.
    """

    def __init__(self, run: RunSpec) -> None:
        super().__init__()
        self.spec, self.names = run, run.model.names
        self.beta, self.epochs = run.train.beta, 0  # once trained: the beta reached, the epochs done
        self.card: dict[str, Any] = {}  # and what the run saw (`mvae_lib.load`)
        self.experts = nn.ModuleDict({m.name: Expert(m, run.model) for m in run.model.modalities})
        self.decoders = nn.ModuleDict({m.name: Decoder(m, run.model) for m in run.model.modalities})
        self.label_decoder = LabelDecoder(run.model)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def powerset(self, rebuild: Literal["all", "given"]) -> Stack:
        """The pass over every combination, on the model's device."""
        return stack(subsets(len(self.names)), len(self.names), rebuild, self.device)

    def forward(self, x: dict[str, Tensor], noise: Tensor, stack: Stack) -> Output:
        """Encode each modality once, form every product with one table, decode them as one stacked batch.

        Args:
            x: every modality, ``[B, *shape]``.
            noise: standard normal, ``[S, B, D]``; zeros for the posterior mean.
            stack: the subsets to go through, and what each rebuilds.
        """
        mu, logvar = self.encode(x)  # [M, B, D]
        mu, logvar = product_of_experts(mu, logvar, stack.present[..., None])  # [M, B, D] -> [S, B, D]
        z = mu + (0.5 * logvar).exp() * noise  # [S, B, D]
        return Output(mu, logvar, self.decode(z, stack), self.label_decoder(z))

    def encode(self, x: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The experts' Gaussians of the modalities given: mu, logvar, ``[M given, B, D]``, in the spec's order."""
        experts = [self.experts[name](x[name]) for name in self.names if name in x]
        mu, logvar = (torch.stack(part) for part in zip(*experts, strict=True))  # M of [B, D] -> [M, B, D]
        return mu, logvar

    def decode(self, z: Tensor, stack: Stack) -> dict[str, Distribution]:
        """One stacked pass a decoder over the subsets that must rebuild its modality: z ``[S, B, D]``."""
        return {name: self.decoders[name](z[rows]) for name, rows in zip(self.names, stack.rebuilds, strict=True)}

    # ------------------------------------------------------------------ for those who only want to use it

    def posterior(self, x: dict[str, Tensor]) -> Normal:
        """q(z | X) of the modalities given, one or more: a Normal of batch shape ``[B, D]``.

        Raises:
            ValueError: for a modality that the model does not know, or one of another shape or dtype.
        """
        mu, logvar = self.encode(self._checked(x))
        mu, logvar = product_of_experts(mu, logvar, torch.ones(len(x), dtype=torch.bool, device=mu.device))
        return Normal(mu, (0.5 * logvar).exp())

    def reconstruct(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """All modalities from those given, by the posterior mean: each ``[B, features]``, images in [0, 1]."""
        return self.rebuild(self.posterior(x).mean)

    def rebuild(self, z: Tensor) -> dict[str, Tensor]:
        """All modalities from a latent ``[..., D]``: each ``[..., features]``, the mean of its distribution."""
        return {name: self.decoders[name](z).mean for name in self.names}

    def classify(self, x: dict[str, Tensor]) -> Tensor:
        """Class probabilities from the modalities given, by the posterior mean: ``[B, classes]``."""
        return self.label_decoder(self.posterior(x).mean).softmax(-1)

    def _checked(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        known = {m.name: m for m in self.spec.model.modalities}
        if not x or set(x) - set(known):
            raise ValueError(f"Got modalities {sorted(x)}; this model takes one or more of {', '.join(known)}.")
        for name, value in x.items():
            modality = known[name]
            if not value.is_floating_point() or value.ndim < 2 or value[0].numel() != modality.features:
                form = f"[B, {modality.features}]" + (
                    f" or [B, {', '.join(map(str, modality.shape))}]" if len(modality.shape) > 1 else ""
                )
                unit = "floats in [0, 1]" if modality.likelihood == "bernoulli" else "floats in the recipe's scaled units"
                raise ValueError(
                    f"{name!r} has shape {list(value.shape)}, {value.dtype}; this model takes {form}, {unit}. See data/README.md."
                )
        if len({len(value) for value in x.values()}) > 1:
            raise ValueError(
                f"Modalities differ in batch size: { {name: len(value) for name, value in x.items()} }; give as many of each."
            )
        return x
