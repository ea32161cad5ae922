"""The plain way to train the same model: what one writes first.

An encoder pass for each member of each subset, a decoder pass for each subset and target, samples one by one through a
DataLoader, textbook loss functions. Same networks, same objective: `tests/test_model.py` holds its loss to the library's.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from mvae_lib.likelihoods import Bernoulli
from mvae_lib.model import MVAE
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import Subset, powerset


class Samples(Dataset):
    """One tuple at a time."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        x = {}
        for (name, pool), row in zip(self.pairs.pools.items(), self.pairs.rows[index], strict=True):
            x[name] = pool[row].float() / 255 if pool.dtype == torch.uint8 else pool[row]
        return x, self.pairs.labels[index]


def loss_of_subset(model: MVAE, x: dict[str, Tensor], y: Tensor, subset: Subset, noise: Tensor, beta: float) -> Tensor:
    """The bracket of the objective, for one subset; `noise`: standard normal, ``[B, D]``."""
    experts = [model.experts[model.names[i]](x[model.names[i]]) for i in subset]
    mus = torch.stack([mu for mu, _ in experts])
    precisions = torch.stack([torch.exp(-logvar) for _, logvar in experts])
    total = 1 + precisions.sum(0)
    mu, logvar = (precisions * mus).sum(0) / total, -total.log()
    z = mu + torch.exp(0.5 * logvar) * noise
    loss = F.cross_entropy(model.label_decoder(z), y, reduction="sum")
    loss = loss - 0.5 * beta * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
    for i, (name, likelihood) in enumerate(model.likelihoods.items()):
        if model.spec.train.rebuild == "given" and i not in subset:
            continue
        output, target = model.decoders[name](z), x[name].flatten(1)
        if isinstance(likelihood, Bernoulli):
            loss = loss + likelihood.weight * F.binary_cross_entropy_with_logits(output, target, reduction="sum")
        else:
            loss = loss + likelihood.weight * F.mse_loss(output, target, reduction="sum")
    return loss / len(y)


def steps(model: MVAE, pairs: Pairs, beta: float) -> Iterator[float]:
    """Train for ever, a step at a time; the losses."""
    optimizer = Adam(model.parameters(), model.spec.train.learning_rate, amsgrad=model.spec.train.amsgrad)
    while True:
        for x, y in DataLoader(Samples(pairs), batch_size=model.spec.train.batch_size, shuffle=True, drop_last=True):
            noise = torch.randn(2 ** len(model.names) - 1, len(y), model.spec.model.latent)
            rows = zip(powerset(len(model.names)), noise, strict=True)
            loss = torch.stack([loss_of_subset(model, x, y, subset, normal, beta) for subset, normal in rows]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()
