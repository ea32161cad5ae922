"""The compiled step beside the plain one, in a process of its own: pytest's type checks are in the compiler's way."""

import dataclasses
import json
import warnings

import torch
from small import MODEL, run, triplets

from mvae_lib import engine, train
from mvae_lib.fusion import noise_source
from mvae_lib.model import Plan, build
from mvae_lib.objectives import powerset_objective
from mvae_lib.subsets import powerset

OPTIONS = {"all": {}, "given": {"rebuild": "given"}, "bfloat16": {"precision": "bfloat16"}}


def gradients(options: dict, loss_of) -> list[torch.Tensor]:
    """Loss, gradients, means: of one batch."""
    spec = run(dataclasses.replace(MODEL, activation="mish", modalities=MODEL.modalities[::2]), **options)
    torch.manual_seed(0)
    model = build(spec)
    x, y = triplets().gather(slice(6))
    noise, plan = noise_source(0)(3, 6, spec.model.latent), Plan.of(powerset(2), 2, spec.train.rebuild)
    loss, means, _ = loss_of(model, model, powerset_objective, x, y, None, noise, plan, torch.tensor(0.3))
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters()), *(v.nan_to_num() for v in means.values())]


if __name__ == "__main__":
    warnings.filterwarnings("error", message="torch.compile cannot be had")
    distance = {}
    for name, options in OPTIONS.items():
        plain, fused = (
            gradients(options, train.batch_loss),
            gradients(options, engine.compiled(train.batch_loss, torch.device("cpu"))),
        )
        distance[name] = max(float((a - b).norm() / (1e-3 + a.norm())) for a, b in zip(plain, fused, strict=True))
    print(json.dumps(distance))
