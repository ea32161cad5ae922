"""MultiVae 1.0.3 against ours at equal work, side by side in one process: run by bench/.venv's Python, in `make bench PEERS=1`.

Equal work: the same networks (as_run's, Mish), the same weights to begin with, Adam with AMSGrad, batches of 128, each subset
rebuilds what it was given, all seven subsets (k = 3), pixels black or white (MultiVae's Bernoulli takes no greys). MultiVae has
no label head; ours keeps a linear one, a thousandth of its products. Each is timed through its own trainer's loop: data, step,
bookkeeping.

MultiVae imports torchvision, which its training never calls: empty modules stand in for it (`without_torchvision`).
"""

import importlib.abc
import importlib.machinery
import logging
import math
import statistics
import sys
import tempfile
import types
from dataclasses import replace
from functools import partial
from unittest.mock import MagicMock

import pandas as pd
import torch
from torch import nn

from bench.clocks import OUT, seconds
from mvae_lib import data, networks, train
from mvae_lib.fusion import noise_source
from mvae_lib.model import MVAE, Plan, build
from mvae_lib.objectives import powerset_objective
from mvae_lib.pairs import Pairs
from mvae_lib.presets import AS_RUN
from mvae_lib.subsets import powerset

STEPS, ROUNDS = 20, 7
RUN = replace(AS_RUN, model=replace(AS_RUN.model, label_decoder=()), train=replace(AS_RUN.train, rebuild="given", beta_epochs=0))


class without_torchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds any torchvision module, and fills it with names that do nothing."""

    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "torchvision" else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: type(name, (), {}) if name[:1].isupper() else MagicMock(name=name)
        return module

    def exec_module(self, module):
        pass


def theirs(ours: MVAE, pairs: Pairs, folder: str):
    """MultiVae's model with our networks in it, and its trainer."""
    sys.meta_path.insert(0, without_torchvision())
    from multivae.data.datasets.base import MultimodalBaseDataset
    from multivae.models import MVAE as TheirMVAE
    from multivae.models import MVAEConfig
    from multivae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    logging.disable(logging.INFO)

    class Encoder(BaseEncoder):
        def __init__(self, expert: nn.Module) -> None:
            super().__init__()
            self.expert, self.latent_dim = expert, RUN.model.latent

        def forward(self, x):
            mu, logvar = self.expert(x)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, decoder: nn.Module) -> None:
            super().__init__()
            self.trunk, self.out, self.latent_dim = decoder.trunk, decoder.out, RUN.model.latent

        def forward(self, z):
            return ModelOutput(reconstruction=self.out(self.trunk(z)))

    for layer in ours.modules():  # torch's own layers: what a user of MultiVae would have
        if type(layer) is networks.Linear:
            layer.__class__ = nn.Linear
    modalities = RUN.model.modalities
    config = MVAEConfig(
        n_modalities=3,
        latent_dim=RUN.model.latent,
        input_dims={m.name: (m.features,) for m in modalities},
        decoders_dist={m.name: "bernoulli" if m.likelihood == "bernoulli" else "normal" for m in modalities},
        uses_likelihood_rescaling=True,
        rescale_factors={m.name: 1.0 if m.likelihood == "bernoulli" else 2 * m.weight for m in modalities},
        use_subsampling=True,
        k=3,
        beta=RUN.train.beta,
        warmup=0,
    )
    model = TheirMVAE(
        config,
        encoders={name: Encoder(expert) for name, expert in ours.experts.items()},
        decoders={name: Decoder(decoder) for name, decoder in ours.decoders.items()},
    )
    x, y = pairs.gather(slice(STEPS * RUN.train.batch_size))
    settings = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=RUN.train.batch_size,
        learning_rate=RUN.train.learning_rate,
        optimizer_params={"amsgrad": RUN.train.amsgrad},
        no_cuda=True,
    )
    return model, BaseTrainer(model, MultimodalBaseDataset(x, y), training_config=settings), MultimodalBaseDataset


def same_objective(ours: MVAE, model, dataset, pairs: Pairs) -> None:
    """Both losses on one batch, averaged over noise, agree to a part in a hundred; or there is nothing to compare."""
    x, y = pairs.gather(slice(RUN.train.batch_size))
    plan, draw, beta, draws = Plan.of(powerset(3), 3, "given"), noise_source(0), torch.ones(()), 30
    # theirs is a log-likelihood, with a constant for each of 13 numbers in 4 of 7 subsets, and has no label term
    constant = 4 * 13 * 200 * 0.5 * math.log(2 * math.pi)
    with torch.no_grad():
        here = []
        for _ in range(draws):
            noise = draw(7, len(y), RUN.model.latent)
            loss, means, _ = train.batch_loss(ours, ours, powerset_objective, x, y, None, noise, plan, beta)
            here.append(float(loss - means["ce"].sum()))
        there = statistics.mean(float(model(dataset(x, y), epoch=1).loss) for _ in range(draws)) - constant
    if abs(statistics.mean(here) - there) > 0.01 * statistics.mean(here):
        raise SystemExit(f"Not equal work: the objective is {statistics.mean(here):.1f} here and {there:.1f} in MultiVae.")


def main() -> None:
    whole = data.load("train", AS_RUN.data)
    pools = {
        name: (pool > 127).to(torch.uint8) * 255 if pool.dtype == torch.uint8 else pool for name, pool in whole.pools.items()
    }
    pairs = replace(whole, pools=pools).take(slice(STEPS * RUN.train.batch_size))
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        model, trainer, dataset = theirs(build(RUN), pairs, folder)
        torch.manual_seed(0)
        same_objective(build(RUN), model, dataset, pairs)
        epochs = {"MultiVae, float32": lambda: trainer.prepare_train_step(1, 0, 0) and trainer.train_step(1)}
        for precision in ("float32", "bfloat16"):
            mine, optimizer = train.untrained(replace(RUN, train=replace(RUN.train, precision=precision)))
            epochs[f"ours, {precision}"] = partial(train.train_epoch, mine, train.fast_step(mine, optimizer), pairs, 1)
        for epoch in epochs.values():
            epoch()
        rows = [
            {"way": way, "round": k, "ms": 1e3 * seconds(epoch) / STEPS} for k in range(ROUNDS) for way, epoch in epochs.items()
        ]
    OUT.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(OUT / "peers.csv", index=False)


if __name__ == "__main__":
    main()
