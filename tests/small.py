"""A small run of four modalities on random data: the library's laws do not depend on digits."""

import numpy as np
import torch

from mvae_lib import MVAE, build, checkpoint
from mvae_lib.data import Triplets
from mvae_lib.spec import Modality, ModelSpec, RunSpec, TrainSpec

MODEL = ModelSpec(
    modalities=(
        Modality("farsi", (28, 28), "bernoulli", (16,), (16,)),
        Modality("kannada", (28, 28), "bernoulli", (16, 16), ()),
        Modality("speech", (13,), "gaussian", (), (16,), weight=100.0),
    ),
    latent=8,
    label_decoder=(16,),
)


OPTIONS = {"epochs": 4, "batch_size": 16, "learning_rate": 1e-2, "precision": "float32"}


def run(model: ModelSpec = MODEL, **train) -> RunSpec:
    return RunSpec(name="small", model=model, train=TrainSpec(**OPTIONS | train))


def triplets(split: str = "train", n: int = 40) -> Triplets:
    """`n` rows a pool, four a digit, each digit with a picture and a sound of its own."""
    rng = np.random.default_rng(0)
    labels = torch.arange(n) % 10
    prototypes = {"farsi": rng.random((10, 784)) < 0.2, "kannada": rng.random((10, 784)) < 0.2}
    pools = {
        name: torch.tensor((p[labels] ^ (rng.random((n, 784)) < 0.02)) * np.uint8(255), dtype=torch.uint8)
        for name, p in prototypes.items()
    }
    pools["speech"] = torch.tensor(rng.random((10, 13))[labels] + 0.01 * rng.random((n, 13)), dtype=torch.float32)
    names = [str(i) for i in range(n)]
    origin = {name: np.arange(n) for name in pools}
    return Triplets(
        pools=pools, rows=torch.arange(n)[:, None].expand(n, 3).contiguous(), labels=labels,
        pool_labels={name: labels for name in pools}, replaced=("speech",), split=split, source="stand-in", recipe=run().data,
        scaler={"offset": torch.zeros(13), "scale": torch.ones(13)}, origin=origin, speech_names=names,
    )  # fmt: skip


def described() -> MVAE:
    """The run's model as its seed draws it, with the card of its data, at beta 0.25."""
    torch.manual_seed(0)
    model = build(run()).eval()
    model.card, model.beta = checkpoint.describe_data(triplets()), 0.25
    return model
