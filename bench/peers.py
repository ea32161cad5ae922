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
from unittest.mock import MagicMock

import pandas as pd
import torch
from torch import nn
from torch.optim import Adam

from bench.clocks import OUT, seconds
from mvae_lib import data, networks, train
from mvae_lib.data import Triplets
from mvae_lib.model import MVAE
from mvae_lib.spec import AS_RUN

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


def theirs(ours: MVAE, triplets: Triplets, folder: str):
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
    x, y = triplets.gather(slice(STEPS * RUN.train.batch_size))
    settings = BaseTrainerConfig(
        output_dir=folder,
        per_device_train_batch_size=RUN.train.batch_size,
        learning_rate=RUN.train.learning_rate,
        optimizer_params={"amsgrad": RUN.train.amsgrad},
        no_cuda=True,
    )
    return model, BaseTrainer(model, MultimodalBaseDataset(x, y), training_config=settings), MultimodalBaseDataset


def same_objective(ours: MVAE, model, dataset, triplets: Triplets) -> None:
    """Both losses on one batch, averaged over noise, agree to a part in a hundred; or there is nothing to compare."""
    x, y = triplets.gather(slice(RUN.train.batch_size))
    rows, beta, draws = ours.powerset("given"), torch.ones(()), 30
    # theirs is a log-likelihood, with a constant for each of 13 numbers in 4 of 7 subsets, and has no label term
    constant = 4 * 13 * 200 * 0.5 * math.log(2 * math.pi)
    with torch.no_grad():
        means = [train.batch_loss(ours, RUN, x, y, torch.randn(7, len(y), RUN.model.latent), rows, beta) for _ in range(draws)]
        own = statistics.mean(float(loss - m["ce"].sum()) for loss, m in means)
        peer = statistics.mean(float(model(dataset(x, y), epoch=1).loss) for _ in range(draws)) - constant
    if abs(own - peer) > 0.01 * own:
        raise SystemExit(f"Not equal work: the objective is {own:.1f} here and {peer:.1f} in MultiVae.")


def main() -> None:
    whole = data.load("train", AS_RUN.data)
    pools = {
        name: (pool > 127).to(torch.uint8) * 255 if pool.dtype == torch.uint8 else pool for name, pool in whole.pools.items()
    }
    size = STEPS * RUN.train.batch_size
    triplets = replace(whole, pools=pools, pairs=whole.pairs[:size], labels=whole.labels[:size])
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        model, trainer, dataset = theirs(MVAE(RUN), triplets, folder)
        torch.manual_seed(0)
        same_objective(MVAE(RUN), model, dataset, triplets)
        epochs = {"MultiVae, float32": lambda: trainer.prepare_train_step(1, 0, 0) and trainer.train_step(1)}
        for precision in ("float32", "bfloat16"):
            run = replace(RUN, train=replace(RUN.train, precision=precision))
            mine = MVAE(run)
            step = train.fast_step(mine, Adam(mine.parameters(), run.train.learning_rate, amsgrad=run.train.amsgrad, fused=True))
            epochs[f"ours, {precision}"] = lambda mine=mine, step=step: train.one_epoch(
                mine, step, triplets, 1, train.tqdm(disable=True)
            )
        for epoch in epochs.values():
            epoch()
        rows = [
            {"way": way, "round": k, "ms": 1e3 * seconds(epoch) / STEPS} for k in range(ROUNDS) for way, epoch in epochs.items()
        ]
    OUT.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(OUT / "peers.csv", index=False)


if __name__ == "__main__":
    main()
