"""What a run is: frozen dataclasses, the presets, and their JSON form.

Every other module takes one of these and nothing else by way of settings, so a run folder's ``spec.json``
says all there is to say about how the run was made.
"""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from typing import Any, Literal


class _Checked:
    """Refuses, in one line, a value that a field's ``Literal`` does not list."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(type(self)).items():
            allowed, got = typing.get_args(hint), getattr(self, name)
            if typing.get_origin(hint) is Literal and got not in allowed:
                raise ValueError(f"{type(self).__name__}.{name} is {got!r}; it takes one of {', '.join(map(repr, allowed))}.")


@dataclass(frozen=True)
class Modality(_Checked):
    """One view of a digit: its shape, its likelihood, the widths of its two networks."""

    name: str
    shape: tuple[int, ...]
    """Shape of one sample; networks see it flattened."""
    likelihood: Literal["bernoulli", "gaussian"]
    """Bernoulli: values in [0, 1], binary cross-entropy. Gaussian: any values, summed squared error."""
    encoder: tuple[int, ...] = (512, 512)
    """Hidden widths from x to the heads."""
    decoder: tuple[int, ...] = (512, 512)
    """Hidden widths from z to x."""
    weight: float = 1.0
    """Coefficient of its reconstruction in the loss. For a Gaussian, 1 / (2 variance)."""

    @property
    def features(self) -> int:
        """Number of values in one sample."""
        n = 1
        for size in self.shape:
            n *= size
        return n


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
    seed: int = 0
    """Fixes the split and every pairing."""


@dataclass(frozen=True)
class ModelSpec(_Checked):
    """The networks. Defaults are the report's own words; what it leaves unsaid is ours: see REPLICATION.md."""

    modalities: tuple[Modality, ...]
    latent: int = 512
    classes: int = 10
    label_decoder: tuple[int, ...] = ()
    """Hidden widths from z to the class logits; empty: one linear layer."""
    activation: Literal["swish", "mish", "relu"] = "swish"
    batch_norm: bool = False
    """Batch norm before each activation: the report's "ReLU with batch norm" alternative."""
    zero_logvar: Literal["none", "weights", "all"] = "weights"
    """What of the log-variance heads starts at zero: the report's trick against exploding gradients."""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [m.name for m in self.modalities]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"ModelSpec.modalities has names {names}; it takes one or more, all different.")

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities' names, in the order m1, m2, ..."""
        return tuple(m.name for m in self.modalities)


@dataclass(frozen=True)
class TrainSpec(_Checked):
    """The objective, the optimiser and when to stop."""

    rebuild: Literal["all", "given"] = "all"
    """What each subset must rebuild: every modality (what the report ran), or the given ones only (its formula)."""
    beta: float = 1.0
    """Weight of the KL term, once reached."""
    label_weight: float = 1.0
    """Weight of the label's cross-entropy; 0: labels are not learnt from."""
    beta_epochs: int = 0
    """Beta rises linearly from 0, step by step, over this many epochs; 0: constant from the start."""
    epochs: int = 500
    """At most."""
    patience: int = 0
    """Stop after this many epochs without a better validation objective; 0: never."""
    min_delta: float = 0.1
    """How much lower (nats per triplet, summed over subsets) counts as better."""
    batch_size: int = 128
    learning_rate: float = 1e-3
    amsgrad: bool = False
    subsets: Literal["all", "sampled"] = "all"
    """All 2^N - 1, or a step's own choice, for many modalities: each alone, all together, and some between at random."""
    random_subsets: int = 3
    """How many between, when they are sampled."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """bfloat16: networks under autocast; product, KL and losses stay in float32. tf32: float32, with CUDA's coarser products."""
    compile: bool = False
    """Fuse a step's small operations (torch.compile; one CUDA graph a step): half a minute to begin with, then faster."""
    seed: int = 0
    """Fixes the initial weights, the noise and the batch order."""

    def beta_at(self, step: int, steps_per_epoch: int) -> float:
        """Weight of the KL term at a step, counted from 0: linear from 0 over `beta_epochs`, then constant."""
        return self.beta * min(1.0, step / (self.beta_epochs * steps_per_epoch)) if self.beta_epochs else self.beta


@dataclass(frozen=True)
class RunSpec:
    """One run: what it is called, what it sees, what it is, how it is trained."""

    model: ModelSpec
    data: DataRecipe = field(default_factory=DataRecipe)
    train: TrainSpec = field(default_factory=TrainSpec)
    name: str = "run"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "RunSpec":
        """Inverse of `to_json`. ValueError names a key that no field has, or a field that has no key."""
        return _build(cls, json.loads(text))


def _build(kind: Any, raw: Any) -> Any:
    """JSON value -> the dataclass, tuple or scalar that a type hint asks for."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        try:
            return kind(**{key: _build(hints[key], value) for key, value in raw.items()})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{kind.__name__} cannot be read from JSON with keys {sorted(raw)}: {error}.") from None
    if typing.get_origin(kind) is tuple:
        return tuple(_build(typing.get_args(kind)[0], item) for item in raw)
    return raw


def _image(name: str, encoder: tuple[int, ...], decoder: tuple[int, ...]) -> Modality:
    return Modality(name, (28, 28), "bernoulli", encoder, decoder)


AS_WRITTEN = RunSpec(
    name="as_written",
    data=DataRecipe(split="as_written", speech="mean"),
    model=ModelSpec(
        modalities=(
            _image("farsi", (512, 512), (512, 512)),
            _image("kannada", (512, 512), (512, 512)),
            Modality("speech", (13,), "gaussian", (512, 512), (512, 512), weight=100.0),
        ),
    ),
    train=TrainSpec(compile=True),
)
"""The report's text."""

AS_RUN = RunSpec(
    name="as_run",
    data=DataRecipe(split="as_run", speech="ratio"),
    model=ModelSpec(
        modalities=(
            _image("farsi", (2048, 1024, 512), (512, 512, 512, 512)),
            _image("kannada", (2048, 1024, 512), (512, 512, 512, 512)),
            Modality("speech", (13,), "gaussian", (512, 512), (512, 512, 512), weight=100.0),
        ),
        label_decoder=(512, 512, 512),
        activation="mish",
        zero_logvar="all",
    ),
    train=TrainSpec(beta_epochs=200, patience=4, amsgrad=True, compile=True),
)
"""The notebooks that made the report's Table 2."""

SPOKEN = RunSpec(
    name="spoken",
    data=DataRecipe(split="by_writer", speech="frames"),
    model=ModelSpec(
        modalities=(
            *AS_WRITTEN.model.modalities[:2],
            Modality("speech", (13, 64), "gaussian", (512, 512), (512, 512), weight=100.0 / 64),
        ),
    ),
    train=TrainSpec(epochs=30, precision="bfloat16", compile=True),
)
"""Ours, to be heard: `as_written`'s networks on speech with its time axis, which has the weight that 13 values have there."""

PRESETS = {spec.name: spec for spec in (AS_RUN, AS_WRITTEN, SPOKEN)}

BUDGET = {"smoke": 4_800, "laptop": 48_000}
"""Triplets that a profile trains on, all epochs together; "full" trains the preset as it is."""


def for_profile(run: RunSpec, profile: str, triplets: int) -> RunSpec:
    """A preset cut to what a profile's machine does while one watches: the epochs of `triplets` that its budget holds."""
    if profile not in (*BUDGET, "full"):
        raise ValueError(f"profile is {profile!r}; it takes one of 'smoke', 'laptop', 'full'.")
    name = f"{run.name}_{profile}"
    if profile == "full":
        return dataclasses.replace(run, name=name)
    epochs = max(1, BUDGET[profile] // triplets)
    return dataclasses.replace(run, name=name, train=dataclasses.replace(run.train, epochs=epochs, patience=0, compile=False))
