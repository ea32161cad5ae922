"""How a step grows with the number of modalities: ``python -m bench.scale all 2 3 4`` prints a JSON line for each.

Small vectors and small networks, so that ten modalities' 1,023 subsets fit a laptop; what doubles, doubles at any size.
Run in a process of its own, N rising, for its peak memory to be that of the N it has come to.
"""

import json
import statistics
import sys

import torch

from bench.clocks import peak_mib, seconds
from mvae_lib import train
from mvae_lib.fusion import noise_source
from mvae_lib.model import Plan
from mvae_lib.spec import Modality, ModelSpec, RunSpec, TrainSpec
from mvae_lib.subsets import powerset, sampled

BATCH, STEPS = 64, 7


def main(subsets: str, rebuild: str, *sizes: str) -> None:
    for n in map(int, sizes):
        modalities = tuple(Modality(f"v{i}", (64,), "gaussian", (256,), (256,)) for i in range(n))
        spec = TrainSpec(batch_size=BATCH, subsets=subsets, rebuild=rebuild)  # type: ignore[arg-type]
        model, optimizer = train.untrained(RunSpec(ModelSpec(modalities, latent=64), train=spec))
        step = train.fast_step(model, optimizer)
        x, y, beta = {m.name: torch.randn(BATCH, 64) for m in modalities}, torch.zeros(BATCH, dtype=torch.long), torch.ones(())
        draw, on_host = noise_source(0), torch.Generator().manual_seed(0)

        def one() -> None:
            rows = powerset(n) if subsets == "all" else sampled(n, 3, on_host)  # noqa: B023
            plan = Plan.of(rows, n, spec.rebuild)  # noqa: B023
            step(1.0, x, y, None, draw(len(rows), BATCH, 64), plan, beta)  # noqa: B023

        one()
        ms = 1e3 * statistics.median(seconds(one) for _ in range(STEPS))
        print(json.dumps({"subsets": subsets, "rebuild": rebuild, "modalities": n, "ms": ms, "peak_mib": peak_mib()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
