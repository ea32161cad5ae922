"""The plain way to train the same model: what one writes first.

An encoder pass for each member of each subset, a decoder pass for each subset and target, samples one by one through a
DataLoader, textbook loss functions. Same networks, same objective: `tests/test_bench.py` holds its loss to the library's.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from mvae_lib.data import Triplets
from mvae_lib.model import MVAE
from mvae_lib.poe import subsets


class Samples(Dataset):
    """One triplet at a time."""

    def __init__(self, triplets: Triplets) -> None:
        self.triplets = triplets

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        rows, pools = self.triplets.pairs[index], self.triplets.pools
        farsi, kannada = (pools[name][row].float() / 255 for name, row in zip(("farsi", "kannada"), rows[:2], strict=True))
        return {"farsi": farsi, "kannada": kannada, "speech": pools["speech"][rows[2]]}, self.triplets.labels[index]


def loss_of_subset(model: MVAE, x: dict[str, Tensor], y: Tensor, subset: tuple[int, ...], noise: Tensor, beta: float) -> Tensor:
    """The bracket of the objective, for one subset."""
    experts = [model.experts[model.names[i]](x[model.names[i]]) for i in subset]
    mus = torch.stack([mu for mu, _ in experts])
    precisions = torch.stack([torch.exp(-logvar) for _, logvar in experts])
    total = 1 + precisions.sum(0)
    mu, logvar = (precisions * mus).sum(0) / total, -total.log()
    z = mu + torch.exp(0.5 * logvar) * noise
    loss = F.cross_entropy(model.label_decoder(z), y, reduction="sum")
    loss = loss - 0.5 * beta * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
    for i, m in enumerate(model.spec.model.modalities):
        if model.spec.train.rebuild == "given" and i not in subset:
            continue
        rebuilt = model.decoders[m.name](z)
        if m.likelihood == "bernoulli":
            loss = loss + m.weight * F.binary_cross_entropy_with_logits(rebuilt.logits, x[m.name].flatten(1), reduction="sum")
        else:
            loss = loss + m.weight * F.mse_loss(rebuilt.mean, x[m.name].flatten(1), reduction="sum")
    return loss / len(y)


def steps(model: MVAE, triplets: Triplets, beta: float) -> Iterator[float]:
    """Train for ever, a step at a time; the losses."""
    optimizer = Adam(model.parameters(), model.spec.train.learning_rate, amsgrad=model.spec.train.amsgrad)
    while True:
        for x, y in DataLoader(Samples(triplets), batch_size=model.spec.train.batch_size, shuffle=True, drop_last=True):
            noise = torch.randn(2 ** len(model.names) - 1, len(y), model.spec.model.latent)
            rows = zip(subsets(len(model.names)), noise, strict=True)
            loss = torch.stack([loss_of_subset(model, x, y, subset, own, beta) for subset, own in rows]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()
