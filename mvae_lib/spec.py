"""What a run is: frozen dataclasses, and their JSON form.

Every other module takes one of these and nothing else by way of settings, so a run folder's ``spec.json``
says all there is to say about how the run was made. Networks, likelihoods, fusions and objectives are named;
a name means what ``NETWORKS``, ``FAMILIES``, ``FUSIONS`` and ``OBJECTIVES`` hold under it, and these may be added to.
"""

import math
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

Size = Annotated[int, msgspec.Meta(ge=1, le=65_536)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1e30)]  # NaN is in no range
RunName = Annotated[
    str, msgspec.Meta(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", description="a folder's name, without / and no dot first")
]
Word = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?!(kl|ce|accuracy|label|keys|values|items|pop|type|training)$)[^\W\d]\w*$",
        description="letters, digits and _, a letter first, and no word of ours such as 'kl' or 'label'",
    ),
]


class _Checked:
    """Refuses, in one line, a value that is not of its field's type or range; a list becomes the tuple that is meant."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, msgspec.convert(value, hint))
            except msgspec.ValidationError as error:
                allowed = ", ".join(map(repr, typing.get_args(hint))) if typing.get_origin(hint) is Literal else ""
                plain = [meta.description for meta in getattr(hint, "__metadata__", ()) if meta.description]
                wanted = f"it takes one of {allowed}" if allowed else str(error)[0].lower() + str(error)[1:].replace("`", "")
                wanted = f"it takes {plain[0]}" if plain and isinstance(value, str) else wanted
                raise ValueError(f"{type(self).__name__}.{name} is {value!r:.80}; {wanted}.") from None


@dataclass(frozen=True)
class Modality(_Checked):
    """One view of a sample: its shape, its likelihood, the widths of its two networks."""

    name: Word
    shape: tuple[Size, ...]  # Shape of one sample; networks see it flattened
    likelihood: str  # "bernoulli": values in [0, 1], binary cross-entropy. "gaussian": any values, summed squared error.
    encoder: tuple[Size, ...] = (512, 512)  # Hidden widths from x to the heads
    decoder: tuple[Size, ...] = (512, 512)  # Hidden widths from z to x
    weight: Weight = 1.0  # Coefficient of its reconstruction in the loss. For a Gaussian, 1 / (2 variance).

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
    seed: Count = 0  # Fixes the split and every pairing


@dataclass(frozen=True)
class ModelSpec(_Checked):
    """The networks. Defaults are the report's own words; what it leaves unsaid is ours: see REPLICATION.md."""

    modalities: tuple[Modality, ...] = ()  # Empty: the networks are modules of one's own, which no spec can say
    latent: Size = 512
    classes: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 10  # 0: there are no labels, and no label decoder
    label_decoder: tuple[Size, ...] = ()  # Hidden widths from z to the class logits; empty: one linear layer
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
    beta: Weight = 1.0  # Weight of the KL term, once reached
    label_weight: Weight = 1.0  # Weight of the label's cross-entropy; 0: labels are not learnt from
    beta_epochs: Count = 0  # Beta rises linearly from 0, step by step, over this many epochs; 0: constant from the start
    epochs: Annotated[int, msgspec.Meta(ge=1, le=2**40)] = 500  # At most
    patience: Count = 0  # Stop after this many epochs without a better value of what is watched; 0: never
    watched: Literal["objective", "joint"] = "objective"
    """The validation objective, or, as the report's authors had it, its part with every modality given (`reported_bound`)."""
    min_delta: Weight = 0.1  # How much lower (nats per tuple, summed over subsets) counts as better
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 128
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1e30)] = 1e-3
    amsgrad: bool = False
    subsets: Literal["all", "sampled"] = "all"
    """All 2^N - 1, or a step's own choice, for many modalities: each alone, all together, and some between at random."""
    random_subsets: Count = 3  # How many between, when they are sampled
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"
    """bfloat16: networks under autocast; product, KL and losses stay in float32. tf32: float32, with CUDA's coarser products.
    auto: bfloat16 where this machine is faster with it, else float32; a run keeps what it began with, and says which."""
    compile: bool = False
    """Fuse a step's small operations (torch.compile; one CUDA graph a step): half a minute to begin with, then faster."""
    seed: Count = 0  # Fixes the initial weights, the noise and the batch order

    def beta_at(self, step: int, steps_per_epoch: int) -> float:
        """Weight of the KL term at a step, counted from 0: linear from 0 over `beta_epochs`, then constant."""
        return self.beta * min(1.0, step / (self.beta_epochs * steps_per_epoch)) if self.beta_epochs else self.beta


@dataclass(frozen=True)
class RunSpec(_Checked):
    """One run: what it is called, what it sees, what it is, how it is trained."""

    model: ModelSpec = field(default_factory=ModelSpec)
    data: DataRecipe = field(default_factory=DataRecipe)  # Of no meaning where the data are one's own
    train: TrainSpec = field(default_factory=TrainSpec)
    name: RunName = "run"

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
            raise ValueError(f"This is no RunSpec in JSON: {str(error):.120}.") from None
        if unknown := _unknown(raw, msgspec.to_builtins(run)):
            raise ValueError(f"This is no RunSpec in JSON: no field is called {', '.join(unknown):.80}.")
        return run


def _unknown(given: Any, known: Any, at: str = "$") -> list[str]:
    """Paths of the keys of `given` that `known` does not have."""
    if isinstance(given, dict) and isinstance(known, dict):
        pairs = [(key, value, known.get(key)) for key, value in given.items()]
        return [path for key, a, b in pairs for path in (_unknown(a, b, f"{at}.{key}") if key in known else [f"{at}.{key}"])]
    if isinstance(given, list) and isinstance(known, list | tuple):
        return [path for i, (a, b) in enumerate(zip(given, known, strict=False)) for path in _unknown(a, b, f"{at}[{i}]")]
    return []
