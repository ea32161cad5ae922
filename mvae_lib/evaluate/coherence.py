"""Is what a model rebuilds read as the right digit, by readers that never saw the model?

A reader is a classifier of one modality, trained on the same training samples and on nothing else.
"""

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.tables import check_match, combinations, members
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd

UPDATES, BATCH = 2500, 256


def samples(triplets: Triplets, name: str) -> tuple[Tensor, Tensor]:
    """All samples of one modality, each once, and their digits: ``[n, features]``, ``[n]``."""
    pool = triplets.pools[name].flatten(1)  # [n, *shape] -> [n, features]
    return (pool.float() / 255 if pool.dtype == torch.uint8 else pool), triplets.pool_labels[name]


def train_reader(x: Tensor, y: Tensor, classes: int = 10, seed: int = 0) -> nn.Module:
    """A classifier with two hidden layers, dropout and weight decay: ``[n, features]``, ``[n]`` -> a module, x -> logits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, second = ([nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.3)] for width in (x.shape[1], 256))
        reader = nn.Sequential(*first, *second, nn.Linear(256, classes))
        optimizer = torch.optim.AdamW(reader.parameters(), 1e-3, weight_decay=1e-2, fused=True)
        for _ in range(UPDATES):
            batch = torch.randint(len(x), (BATCH,))
            optimizer.zero_grad()
            F.cross_entropy(reader(x[batch]), y[batch]).backward()
            optimizer.step()
    return reader.eval()


def train_readers(train: Triplets) -> dict[str, nn.Module]:
    """A reader of each modality."""
    return {name: train_reader(*samples(train, name)) for name in train.pools}


@torch.no_grad()
def reader_accuracy(readers: dict[str, nn.Module], triplets: Triplets) -> dict[str, float]:
    """The share of real samples that each reader reads right: what a perfect reconstruction could reach."""
    right = {}
    for name, reader in readers.items():
        x, y = samples(triplets, name)
        right[name] = float((reader(x).argmax(-1) == y).float().mean())
    return right


@torch.no_grad()
def cross_modal_coherence(
    model: MVAE,
    triplets: Triplets,
    readers: dict[str, nn.Module],
    z: Literal["sample", "mean"] = "mean",
    seed: int = 0,
    batch_size: int = 1000,
) -> "pd.DataFrame":
    """The share of rebuilt samples that a reader reads as the true digit.

    Returns: a row a combination given, in the report's order; a column a modality rebuilt.
    Raises:
        ValueError: the triplets are not of the model's recipe or source.
    """
    import pandas as pd

    check_match(model, triplets)
    generator = torch.Generator(triplets.labels.device).manual_seed(seed)
    right = pd.DataFrame(0.0, index=pd.Index(combinations(len(model.names)), name="given"), columns=list(model.names))
    for x, y in triplets.batches(batch_size, order_seed=None):
        for given in right.index:
            q = model.posterior({name: x[name] for name in members(model.names, given)})
            noise = torch.randn(q.mean.shape, generator=generator, device=y.device) if z == "sample" else 0.0
            for name, rebuilt in model.rebuild(q.mean + q.stddev * noise).items():
                right.loc[given, name] += float((readers[name](rebuilt).argmax(-1) == y).sum())
    return right / len(triplets)


@torch.no_grad()
def prior_coherence(model: MVAE, readers: dict[str, nn.Module], n: int = 10_000, seed: int = 0) -> float:
    """Joint coherence: the share of draws from the prior whose three rebuilt views are all read as one digit."""
    z = torch.randn(n, model.spec.model.latent, generator=torch.Generator().manual_seed(seed))
    read = [readers[name](rebuilt).argmax(-1) for name, rebuilt in model.rebuild(z).items()]
    return metrics.agreement(torch.stack(read))  # M of [n] -> [M, n]
