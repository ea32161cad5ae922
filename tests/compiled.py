"""The compiled step beside the plain one, in a process of its own: pytest's type checks are in the compiler's way."""

import dataclasses
import json
import warnings

import torch
from small import MODEL, run, triplets

from mvae_lib import engine, train
from mvae_lib.model import MVAE

OPTIONS = {"all": {}, "given": {"rebuild": "given"}, "bfloat16": {"precision": "bfloat16"}}


def gradients(options: dict, loss_of) -> list[torch.Tensor]:
    """Loss, gradients, means: of one batch."""
    spec = run(dataclasses.replace(MODEL, activation="mish"), **options)
    torch.manual_seed(0)
    model = MVAE(spec)
    x, y = triplets().gather(slice(6))
    noise = torch.randn(7, 6, spec.model.latent)
    loss, means = loss_of(model, spec, x, y, noise, model.powerset(spec.train.rebuild), torch.tensor(0.3))
    loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters()), *(v.nan_to_num() for v in means.values())]


if __name__ == "__main__":
    warnings.filterwarnings("error", message="torch.compile cannot be had")
    distance = {}
    for name, options in OPTIONS.items():
        plain, fused = gradients(options, train.batch_loss), gradients(options, engine.compiled(train.batch_loss))
        distance[name] = max(float((a - b).norm() / (1e-3 + a.norm())) for a, b in zip(plain, fused, strict=True))
    print(json.dumps(distance))
