"""The multimodal VAE: experts -> fusion -> decoders, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mvae_lib.fusion import FUSIONS, Fusion, Gaussian, Noise, product_of_experts
from mvae_lib.likelihoods import FAMILIES
from mvae_lib.networks import NETWORKS, Decoder
from mvae_lib.spec import RunSpec
from mvae_lib.subsets import Subset


@dataclass(frozen=True)
class Plan:
    """What one stacked pass does, a row a subset: which modalities the row is given, and which it rebuilds."""

    subsets: tuple[Subset, ...]
    present: Tensor  # Given: bool ``[S, M]``
    rebuilds: tuple[Tensor | slice, ...]
    """By modality, the rows that rebuild it: their numbers, int64 ``[S_m]``, or all of them (a slice, which copies nothing)."""

    @classmethod
    def of(
        cls, subsets: tuple[Subset, ...], n: int, rebuild: Literal["all", "given"] = "all", device: torch.device | str = "cpu"
    ) -> "Plan":
        """The pass over some subsets of `n` modalities; each rebuilds every modality, or the given ones."""
        present = torch.tensor([[i in subset for i in range(n)] for subset in subsets])
        given = (column.nonzero()[:, 0].to(device, non_blocking=True) for column in present.unbind(1))  # M of [S] -> M of [S_m]
        rebuilds = tuple(given) if rebuild == "given" else (slice(None),) * n
        return cls(subsets, present.to(device, non_blocking=True), rebuilds)


@dataclass(frozen=True)
class Pass:
    """What a forward pass gives, for every subset."""

    experts: Gaussian  # ``[M, B, D]``
    posterior: Any  # What the fusion gives, ``[S, B, D]``
    outputs: dict[str, Tensor]  # By modality, what its likelihood takes, ``[S_m, B, F]``, S_m the subsets that must rebuild it
    logits: Tensor | None  # Of the label, ``[S, B, classes]``
    plan: Plan


class MVAE(nn.Module):
    """One expert and one decoder a modality, a fusion between them, and a label decoder.

    Args:
        experts: by modality (m1, m2, ... in this order), any module x ``[B, *shape]`` -> mu, logvar, each ``[B, D]``.
        decoders: by modality, any module z ``[N, D]`` -> ``[N, *shape]``, what its likelihood takes.
        label_decoder: any module z ``[N, D]`` -> logits ``[N, classes]``; None where there are no labels.
        likelihoods, fusion: as `mvae_lib.likelihoods` and `mvae_lib.fusion` have them.
        spec: how to train it, and, for a model that `build` made, what it is made of.
    """

    def __init__(
        self,
        experts: Mapping[str, nn.Module] | nn.ModuleDict,
        decoders: Mapping[str, nn.Module] | nn.ModuleDict,
        label_decoder: nn.Module | None,
        likelihoods: Mapping[str, Any],
        fusion: Fusion = product_of_experts,
        *,
        spec: RunSpec | None = None,
    ) -> None:
        super().__init__()
        if not (list(experts) == list(decoders) == list(likelihoods)):
            names = "; ".join(", ".join(each) for each in (experts, decoders, likelihoods))
            raise ValueError(f"Experts, decoders, likelihoods are of {names}; they must name the same modalities in one order.")
        self.experts, self.decoders = nn.ModuleDict(dict(experts.items())), nn.ModuleDict(dict(decoders.items()))
        self.label_decoder = label_decoder
        self.likelihoods, self.fusion = dict(likelihoods), fusion
        self.spec, self.names = spec or RunSpec(), tuple(experts)
        self.beta, self.epochs = self.spec.train.beta, 0  # once trained: the beta reached, the epochs done
        self.card: dict[str, Any] = {}  # and what the run saw (`mvae_lib.load`)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, x: dict[str, Tensor], noise: Noise | None, plan: Plan, seen: Bool[Tensor, "M B"] | None = None) -> Pass:
        """Encode each modality once, fuse the experts of every subset, decode them as one stacked batch.

        Args:
            x: every modality, ``[B, *shape]``.
            noise: normal ``[S, B, D]``, uniform ``[S, B]``; None for the posterior mean.
            seen: which modalities each sample has; where it has not, x may hold anything, NaN too. None: all of them.
        """
        experts = self.encode(x if seen is None else self.without_missing(x, seen))  # [M, B, D]
        present = plan.present[..., None] if seen is None else plan.present[..., None] & seen  # [S, M, 1 or B]
        posterior = self.fusion(experts, present)  # [M, B, D] -> [S, B, D]
        z = posterior.mean if noise is None else posterior.sample(noise)  # [S, B, D]
        rows = zip(self.names, plan.rebuilds, strict=True)
        outputs = {name: _apply(self.decoders[name], z[of]) for name, of in rows}  # [S_m, B, D] -> [S_m, B, F]
        return Pass(experts, posterior, outputs, None if self.label_decoder is None else self.logits(z), plan)

    def without_missing(self, x: dict[str, Tensor], seen: Bool[Tensor, "M B"]) -> dict[str, Tensor]:
        """The samples, with 0 where a modality is missing: what is multiplied by a gradient of 0 must not be NaN."""
        rows = zip(self.names, seen, strict=True)
        return {name: x[name].where(there.view(-1, *[1] * (x[name].ndim - 1)), 0.0) for name, there in rows}

    def encode(self, x: dict[str, Tensor]) -> Gaussian:
        """The experts, ``[M, B, D]``, in float32 under autocast too; zeros for a modality that is not given."""
        given = {name: self.experts[name](x[name]) for name in self.names if name in x}
        none = (torch.zeros_like(next(iter(given.values()))[0]),) * 2
        experts = [given.get(name, none) for name in self.names]
        return Gaussian(*(torch.stack(part).float() for part in zip(*experts, strict=True)))  # M of [B, D] -> [M, B, D]

    @torch.no_grad()
    def latent_size(self, x: dict[str, Tensor]) -> int:
        """D, read off the experts of one sample ``[1, *shape]`` or more: the networks may be one's own."""
        training = self.training
        size = self.eval().encode(x).mu.shape[-1]
        self.train(training)
        return size

    def fuse(self, experts: Gaussian, present: Bool[Tensor, "M"]) -> Any:
        """The posterior of some of the experts ``[M, B, D]``: over ``[B, D]``."""
        return pytree.tree_map(lambda part: part[0], self.fusion(experts, present[None, :, None]))

    def logits(self, z: Float[Tensor, "*N D"]) -> Float[Tensor, "*N C"]:
        """The label's logits from latents. ValueError for a model without labels."""
        if self.label_decoder is None:
            raise ValueError("This model has no label decoder; it was made for data without labels.")
        return _apply(self.label_decoder, z)

    def posterior(self, x: dict[str, Tensor]) -> Any:
        """q(z | X) over ``[B, D]``, of one or more modalities. ValueError for an unknown one, or another shape or dtype."""
        given = torch.tensor([name in x for name in self.names], device=self.device)
        return self.fuse(self.encode(self._checked(x)), given)

    def rebuild(self, z: Float[Tensor, "*N D"]) -> dict[str, Tensor]:
        """All modalities from latents: each ``[..., F]``, the mean of its distribution."""
        return {name: self.likelihoods[name].mean(_apply(self.decoders[name], z)) for name in self.names}

    def reconstruct(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """All modalities from those given, by the posterior mean: each ``[B, F]``, images in [0, 1]."""
        return self.rebuild(self.posterior(x).mean)

    def classify(self, x: dict[str, Tensor]) -> Float[Tensor, "B C"]:
        """Class probabilities from the modalities given, by the posterior mean."""
        return self.logits(self.posterior(x).mean).softmax(-1)

    def _checked(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        if not x or set(x) - set(self.names):
            raise ValueError(f"Got modalities {sorted(x)}; this model takes one or more of {', '.join(self.names)}.")
        sizes = {name: len(value) for name, value in x.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Modalities differ in batch size: {sizes}; give as many of each.")
        for modality in self.spec.model.modalities:  # none, where the networks are one's own
            value = x.get(modality.name)
            if value is None or value.is_floating_point() and value.ndim > 1 and value[0].numel() == modality.features:
                continue
            forms = [f"[B, {', '.join(map(str, form))}]" for form in dict.fromkeys([(modality.features,), modality.shape])]
            unit = "floats in [0, 1]" if modality.likelihood == "bernoulli" else "floats in the recipe's scaled units"
            raise ValueError(
                f"{modality.name!r} has shape {list(value.shape)}, {value.dtype}; this model takes {' or '.join(forms)}, {unit}. "
                "See data/README.md."
            )
        return x


def _apply(network: nn.Module, z: Float[Tensor, "*N D"]) -> Float[Tensor, "*N F"]:
    """A network of rows, to latents of any leading shape; what comes out is flat, and in float32 under autocast too."""
    out = network(z.reshape(-1, z.shape[-1])).float()  # [..., D] -> [N, D] -> [N, *shape]
    return out.reshape(*z.shape[:-1], -1)  # -> [..., F]


def build(run: RunSpec) -> MVAE:
    """The model that a spec describes, with fresh weights. ValueError for a name that no network, likelihood or fusion has."""
    spec = run.model
    asked = [("ModelSpec.network", spec.network, NETWORKS), ("ModelSpec.fusion", spec.fusion, FUSIONS)]
    asked += [("Modality.likelihood", m.likelihood, FAMILIES) for m in spec.modalities]
    for what, name, known in asked:
        if name not in known:
            raise ValueError(f"{what} is {name!r}; it takes one of {', '.join(map(repr, known))}, or what is added to them.")
    make_expert, make_decoder = NETWORKS[spec.network]
    experts = {m.name: make_expert(m, spec) for m in spec.modalities}
    decoders = {m.name: make_decoder(m, spec) for m in spec.modalities}
    label_decoder = Decoder(spec.label_decoder, spec.classes, spec) if spec.classes else None
    likelihoods = {m.name: FAMILIES[m.likelihood](weight=m.weight) for m in spec.modalities}
    return MVAE(experts, decoders, label_decoder, likelihoods, FUSIONS[spec.fusion], spec=run)
