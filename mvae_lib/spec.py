"""What a run is: frozen dataclasses, and their JSON form.

Every other module takes one of these and nothing else by way of settings, so a run folder's ``spec.json``
says all there is to say about how the run was made. Networks, likelihoods, fusions and objectives are named;
a name means what ``NETWORKS``, ``FAMILIES``, ``FUSIONS`` and ``OBJECTIVES`` hold under it, and these may be added to.
"""

import math
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec


class _Checked:
    """Refuses, in one line, a value that a field's ``Literal`` does not list."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(type(self)).items():
            allowed, got = typing.get_args(hint), getattr(self, name)
            if typing.get_origin(hint) is Literal and got not in allowed:
                raise ValueError(f"{type(self).__name__}.{name} is {got!r}; it takes one of {', '.join(map(repr, allowed))}.")


@dataclass(frozen=True)
class Modality(_Checked):
    """One view of a sample: its shape, its likelihood, the widths of its two networks."""

    name: str
    shape: tuple[int, ...]  # Shape of one sample; networks see it flattened
    likelihood: str  # "bernoulli": values in [0, 1], binary cross-entropy. "gaussian": any values, summed squared error.
    encoder: tuple[int, ...] = (512, 512)  # Hidden widths from x to the heads
    decoder: tuple[int, ...] = (512, 512)  # Hidden widths from z to x
    weight: float = 1.0  # Coefficient of its reconstruction in the loss. For a Gaussian, 1 / (2 variance).

    @property
    def features(self) -> int:
        """Number of values in one sample."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class DataRecipe(_Checked):
    """Which form of the public files, and which split. See data/README.md."""

    split: Literal["as_run", "as_written", "by_writer"] = "as_run"
    """Who trains and who validates; the two test sets are the same in all three."""
    images: Literal["stretched", "padded"] = "stretched"
    """Farsi crops: stretched to 28x28 (MNIST-MIX, the report), or kept in aspect in a centred 20-pixel box."""
    speech: Literal["ratio", "mean", "frames"] = "ratio"
    """13 ratios mean/sd scaled to [0, 1] (as_run); 13 standardised means (as_written); 13 x 64 frames (hearable)."""
    left_out: str = ""
    """A speaker whom nothing is learnt from; the tests then hold all of this speaker's recordings and no other's."""
    seed: int = 0  # Fixes the split and every pairing


@dataclass(frozen=True)
class ModelSpec(_Checked):
    """The networks. Defaults are the report's own words; what it leaves unsaid is ours: see REPLICATION.md."""

    modalities: tuple[Modality, ...] = ()  # Empty: the networks are modules of one's own, which no spec can say
    latent: int = 512
    classes: int = 10  # 0: there are no labels, and no label decoder
    label_decoder: tuple[int, ...] = ()  # Hidden widths from z to the class logits; empty: one linear layer
    activation: Literal["swish", "mish", "relu"] = "swish"
    batch_norm: bool = False  # Batch norm before each activation: the report's "ReLU with batch norm" alternative
    zero_logvar: Literal["none", "weights", "all"] = "weights"
    """What of the log-variance heads starts at zero: the report's trick against exploding gradients."""
    network: str = "mlp"
    fusion: str = "product"

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [m.name for m in self.modalities]
        if len(set(names)) != len(names):
            raise ValueError(f"ModelSpec.modalities has names {names}; they must all be different.")

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities' names, in the order m1, m2, ..."""
        return tuple(m.name for m in self.modalities)


@dataclass(frozen=True)
class TrainSpec(_Checked):
    """The objective, the optimiser and when to stop."""

    objective: str = "powerset"
    rebuild: Literal["all", "given"] = "all"
    """What each subset must rebuild: every modality (what the report ran), or the given ones only (its formula)."""
    beta: float = 1.0  # Weight of the KL term, once reached
    label_weight: float = 1.0  # Weight of the label's cross-entropy; 0: labels are not learnt from
    beta_epochs: int = 0  # Beta rises linearly from 0, step by step, over this many epochs; 0: constant from the start
    epochs: int = 500  # At most
    patience: int = 0  # Stop after this many epochs without a better value of what is watched; 0: never
    watched: Literal["objective", "joint"] = "objective"
    """The validation objective, or, as the report's authors had it, its part with every modality given (`reported_bound`)."""
    min_delta: float = 0.1  # How much lower (nats per tuple, summed over subsets) counts as better
    batch_size: int = 128
    learning_rate: float = 1e-3
    amsgrad: bool = False
    subsets: Literal["all", "sampled"] = "all"
    """All 2^N - 1, or a step's own choice, for many modalities: each alone, all together, and some between at random."""
    random_subsets: int = 3  # How many between, when they are sampled
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """bfloat16: networks under autocast; product, KL and losses stay in float32. tf32: float32, with CUDA's coarser products."""
    compile: bool = False
    """Fuse a step's small operations (torch.compile; one CUDA graph a step): half a minute to begin with, then faster."""
    seed: int = 0  # Fixes the initial weights, the noise and the batch order

    def beta_at(self, step: int, steps_per_epoch: int) -> float:
        """Weight of the KL term at a step, counted from 0: linear from 0 over `beta_epochs`, then constant."""
        return self.beta * min(1.0, step / (self.beta_epochs * steps_per_epoch)) if self.beta_epochs else self.beta


@dataclass(frozen=True)
class RunSpec:
    """One run: what it is called, what it sees, what it is, how it is trained."""

    model: ModelSpec = field(default_factory=ModelSpec)
    data: DataRecipe = field(default_factory=DataRecipe)  # Of no meaning where the data are one's own
    train: TrainSpec = field(default_factory=TrainSpec)
    name: str = "run"

    def to_json(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """Inverse of `to_json`; a field that was not yet when the text was written has its default.

        ValueError, which says where, for a key that no field has, a missing one, or a value of another type.
        """
        try:
            raw = msgspec.json.decode(text)
            run = msgspec.convert(raw, cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"This is no RunSpec in JSON: {error}.") from None
        if unknown := _unknown(raw, msgspec.to_builtins(run)):
            raise ValueError(f"This is no RunSpec in JSON: no field is called {', '.join(unknown)}.")
        return run


def _unknown(given: Any, known: Any, at: str = "$") -> list[str]:
    """Paths of the keys of `given` that `known` does not have."""
    if isinstance(given, dict) and isinstance(known, dict):
        pairs = [(key, value, known.get(key)) for key, value in given.items()]
        return [path for key, a, b in pairs for path in (_unknown(a, b, f"{at}.{key}") if key in known else [f"{at}.{key}"])]
    if isinstance(given, list) and isinstance(known, list | tuple):
        return [path for i, (a, b) in enumerate(zip(given, known, strict=False)) for path in _unknown(a, b, f"{at}[{i}]")]
    return []
