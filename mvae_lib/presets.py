"""The presets: the report's text, the notebooks that made its Table 2, and one of ours to be heard."""

from mvae_lib.spec import DataRecipe, Modality, ModelSpec, RunSpec, TrainSpec


def _images(encoder: tuple[int, ...], decoder: tuple[int, ...]) -> tuple[Modality, ...]:
    return tuple(Modality(name, (28, 28), "bernoulli", encoder, decoder) for name in ("farsi", "kannada"))


_SMALL = _images((512, 512), (512, 512))

AS_WRITTEN = RunSpec(
    name="as_written",
    data=DataRecipe(split="as_written", speech="mean"),
    model=ModelSpec((*_SMALL, Modality("speech", (13,), "gaussian", (512, 512), (512, 512), weight=100.0))),
    train=TrainSpec(compile=True),
)
"""The report's text."""

AS_RUN = RunSpec(
    name="as_run",
    data=DataRecipe(split="as_run", speech="ratio"),
    model=ModelSpec(
        modalities=(
            *_images((2048, 1024, 512), (512, 512, 512, 512)),
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
    model=ModelSpec((*_SMALL, Modality("speech", (13, 64), "gaussian", (512, 512), (512, 512), weight=100.0 / 64))),
    train=TrainSpec(epochs=30, compile=True),
)
"""Ours, to be heard: `as_written`'s networks on speech with its time axis, which has the weight that 13 values have there."""

PRESETS = {run.name: run for run in (AS_RUN, AS_WRITTEN, SPOKEN)}
