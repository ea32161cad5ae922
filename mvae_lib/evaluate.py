"""A model and triplets -> tidy DataFrames; also ``python -m mvae_lib.evaluate table as_run test``.

Log-likelihoods are in nats per sample, summed over dimensions.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mvae_lib import checkpoint, metrics
from mvae_lib.data import Triplets
from mvae_lib.loss import columns, terms
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name, subsets
from mvae_lib.spec import Modality

if TYPE_CHECKING:
    import pandas as pd

REPORT_ORDER = ("m1", "m2", "m3", "m1,m2", "m2,m3", "m1,m3", "m1,m2,m3")
"""The order of combinations in the report's Table 2, and in everything here."""
CLASS_MEAN, GLOBAL_MEAN, FLOOR = "class mean (train)", "global mean (train)", "floor"


def combinations(n: int) -> list[str]:
    """Names of all combinations of `n` modalities, in the report's order where it has one."""
    names = [subset_name(subset) for subset in subsets(n)]
    return list(REPORT_ORDER) if n == 3 else names


def _check_match(model: MVAE, triplets: Triplets) -> None:
    """ValueError unless the triplets are of the model's own recipe and source."""
    if triplets.recipe != model.spec.data:
        raise ValueError(
            f"These triplets are of {triplets.recipe}; this model takes {model.spec.data}. Load them with recipe=model.spec.data."
        )
    if triplets.source != model.card.get("source", triplets.source):
        raise ValueError(f"These triplets are {triplets.source}; this model was trained on {model.card['source']}.")


@torch.no_grad()
def combination_table(
    model: MVAE, triplets: Triplets, z: Literal["sample", "mean"] = "sample", seed: int = 0, batch_size: int = 1000
) -> "pd.DataFrame":
    """The report's Table 2: what each combination of given modalities lets the model rebuild.

    Args:
        z: one seeded draw from each posterior (what the report measured), or the posterior mean.
    Returns: a row a combination in the report's order, then baselines: ``class mean (train)`` (an oracle: it is told the label)
        and ``global mean (train)``. Columns: ``accuracy`` (a fraction), ``reported_bound`` (recon + CE + beta KL, at the
        beta reached), ``neg_elbo`` (recon + KL), ``bce_*``, ``sse_*``, ``ce``, ``kl``; NaN where a baseline has no such thing.
        ``.attrs`` says the data's source and split.
    Raises:
        ValueError: the triplets were made by another recipe, or from another source, than the model's.
    """
    import pandas as pd

    _check_match(model, triplets)
    if z not in ("sample", "mean"):
        raise ValueError(f"z is {z!r}; it takes 'sample' or 'mean'.")
    spec, device = model.spec.model, model.device
    generator = torch.Generator(device).manual_seed(seed)
    stack = model.powerset("all")  # rebuild all, whatever the run trained for
    means = _Mean()
    for x, y in triplets.to(device).batches(batch_size, order_seed=None):
        noise = torch.zeros(len(stack.subsets), len(y), spec.latent, device=device)  # [S, B, D]
        out = model(x, noise.normal_(generator=generator) if z == "sample" else noise, stack)
        means.add(terms(out.mu, out.logvar, out.rebuilt, out.logits, x, y, stack).means(), len(y))
    rows = columns(means.value(), spec.modalities, model.beta)
    names = [subset_name(subset) for subset in subsets(len(spec.modalities))]
    table = pd.DataFrame({name: value.tolist() for name, value in rows.items()}, index=names).loc[
        combinations(len(spec.modalities))
    ]
    table = pd.concat([table, baselines(model, triplets, batch_size).drop(FLOOR)]).rename_axis("given")
    table.attrs.update(source=triplets.source, split=triplets.split)
    return table


def baselines(model: MVAE, triplets: Triplets, batch_size: int = 1000) -> "pd.DataFrame":
    """What a guess costs that looks at no modality at all, and what no guess can go below.

    Returns: ``class mean (train)``: the training mean of the digit, an oracle that is told the label; ``global mean (train)``;
        and the floor, each sample as its own guess: 0 where pixels are black or white, the pixels' entropy where they are grey.
        Columns of `combination_table`; NaN in those that are not reconstructions.
    """
    import pandas as pd

    means = _Mean()
    for x, y in triplets.to(model.device).batches(batch_size, order_seed=None):
        means.add({m.name: _guesses(m, model.card, x[m.name].flatten(1), y) for m in model.spec.model.modalities}, len(y))
    none = torch.full((3,), torch.nan)
    values = columns({"accuracy": none, "ce": none, "kl": none} | means.value(), model.spec.model.modalities, model.beta)
    return pd.DataFrame({name: value.tolist() for name, value in values.items()}, index=[CLASS_MEAN, GLOBAL_MEAN, FLOOR])


def _guesses(modality: Modality, card: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
    """Mean loss of the three baselines on one batch ``[B, F]``: ``[3]``."""
    by_class = torch.tensor(card["class_means"][modality.name], device=y.device).flatten(1)  # [classes, *shape] -> [classes, F]
    overall = torch.tensor(card["global_means"][modality.name], device=y.device).flatten()
    guess = torch.stack([by_class[y], overall.expand_as(x), x])  # -> [3, B, F]
    if modality.likelihood == "gaussian":
        return (guess - x).square().sum(-1).mean(-1)  # [3, B, F] -> [3]
    guess[:2].clamp_(1e-4, 1 - 1e-4)  # a pixel never seen in training is not impossible: half of one in 5,000
    return F.binary_cross_entropy(guess, x.expand_as(guess), reduction="none").sum(-1).mean(-1)  # [3, B, F] -> [3]


def running_means(history: "pd.DataFrame") -> "pd.DataFrame":
    """A run's training means over its last epoch, sampled z, weights still moving: what the report's Table 2 holds.

    Returns: a row a combination in the report's order, with the columns of `combination_table`.
    """
    last = history[(history["split"] == "train") & (history["epoch"] == history["epoch"].max())].set_index("subset")
    return (
        last.loc[combinations(int(len(last) + 1).bit_length() - 1)]
        .drop(columns=["epoch", "split", "beta", "seconds"])
        .rename_axis("given")
    )


class _Mean:
    """A running mean of tables of tensors."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.n = 0

    def add(self, batch: dict[str, Tensor], n: int) -> None:
        self.sums = {name: self.sums.get(name, 0) + value * n for name, value in batch.items()}
        self.n += n

    def value(self) -> dict[str, Tensor]:
        return {name: value / self.n for name, value in self.sums.items()}


@torch.no_grad()
def posteriors(
    model: MVAE, triplets: Triplets, given: tuple[str, ...] | None = None, batch_size: int = 1000
) -> tuple[Tensor, Tensor]:
    """mu and logvar of q(z | given) for every triplet, in order: each ``[N, D]``. By default all modalities are given."""
    parts = []
    for x, _ in triplets.batches(batch_size, order_seed=None):
        q = model.posterior({name: x[name] for name in given or model.names})
        parts.append((q.mean, 2 * q.stddev.log()))
    mu, logvar = (torch.cat(part) for part in zip(*parts, strict=True))
    return mu, logvar


def latent_table(mu: Tensor, logvar: Tensor) -> "pd.DataFrame":
    """A row a latent index: KL (nats), aggregate posterior's mean and sd, variance of the posterior mean, active or not."""
    import pandas as pd

    return pd.DataFrame(
        {
            "kl": metrics.kl_per_dimension(mu, logvar),
            "mean": mu.mean(0),
            "sd": metrics.aggregate_sd(mu, logvar),
            "variance_of_mean": mu.var(0),
            "active": metrics.active_units(mu),
        }
    ).rename_axis("index")


def perturb(z: Tensor, index: int, amounts: Tensor) -> Tensor:
    """Copies of one latent with `amounts` added to one index: ``[D]``, ``[K]`` -> ``[K, D]``."""
    moved = z.repeat(len(amounts), 1)  # [D] -> [K, D]
    moved[:, index] += amounts
    return moved


@torch.no_grad()
def walk(model: MVAE, triplets: Triplets, place: int, index: int, amounts: Tensor) -> tuple[dict[str, Tensor], "pd.DataFrame"]:
    """Perturb one index of one triplet's joint posterior mean, step by step.

    Returns: the rebuilt modalities, each ``[K, features]``, and a row a step: split, place, index, amount, label read.
    """
    import pandas as pd

    moved = perturb(model.posterior(triplets.gather([place])[0]).mean[0], index, amounts)
    labels = model.label_decoder(moved).argmax(-1)
    rows = {"split": triplets.split, "place": place, "index": index, "amount": amounts, "label": labels}
    return model.rebuild(moved), pd.DataFrame(rows)


@torch.no_grad()
def label_sweep(model: MVAE, z: Tensor, amounts: Tensor) -> "pd.DataFrame":
    """Perturb every index of one latent in turn, and read the label off the label decoder.

    Args:
        z: ``[D]``.
        amounts: ``[K]``, or ``[D, K]``, each index its own.
    Returns: a row an index, most labels first: ``labels`` (how many appear along the sweep), ``changes``, ``first``, ``last``.
    """
    import pandas as pd

    own = amounts.expand(len(z), -1)  # [K] -> [D, K]
    labels = torch.stack([model.label_decoder(perturb(z, i, row)).argmax(-1) for i, row in enumerate(own)])  # -> [D, K]
    kinds, changes = metrics.labels_seen(labels)
    table = pd.DataFrame({"labels": kinds, "changes": changes, "first": labels[:, 0], "last": labels[:, -1]}).rename_axis("index")
    return table.sort_values(["labels", "changes"], ascending=False, kind="stable")


@torch.no_grad()
def strips(model: MVAE, triplets: Triplets, places: list[int], modality: str) -> tuple[dict[str, Tensor], "pd.DataFrame"]:
    """Some triplets' image of one script, rebuilt from every combination by the posterior mean, beside original and class mean.

    Returns: by row ("original", each combination, "class mean") the images ``[n, 784]``, and a row an image: split, given,
        place, label, metric (its BCE against the original in nats; for the original, the pixels' entropy).
    """
    import pandas as pd

    x, y = triplets.gather(places)
    images = {"original": x[modality]}
    for given in combinations(len(model.names)):
        names = [model.names[int(m[1:]) - 1] for m in given.split(",")]
        images[given] = model.reconstruct({name: x[name] for name in names})[modality]
    images["class mean"] = torch.tensor(model.card["class_means"][modality])[y].flatten(1)  # [n, *shape] -> [n, F]
    rows = []
    for given, strip in images.items():
        guess = strip.clamp(1e-4, 1 - 1e-4) if given == "class mean" else strip
        cost = F.binary_cross_entropy(guess, x[modality], reduction="none").sum(-1)  # [n, F] -> [n]
        rows.append(pd.DataFrame({"split": triplets.split, "given": given, "place": places, "label": y, "metric": cost}))
    return images, pd.concat(rows, ignore_index=True)


def describe(model: MVAE, triplets: Triplets, per_digit: int = 4) -> dict[str, Any]:
    """What lets a shipped model be explored where there are no data: JSON values, no pixel and no sample among them.

    Returns: ``latent``, columns of `latent_table`; ``examples``: the first `per_digit` triplets of each digit, their
        place in the split, their labels, and the posterior mean of every combination, each ``[n, D]``.
    """
    _check_match(model, triplets)
    table = latent_table(*posteriors(model, triplets))
    place = torch.cat([(triplets.labels == digit).nonzero()[:per_digit, 0] for digit in range(model.spec.model.classes)])
    x, y = triplets.gather(place)
    means = {}
    for subset in subsets(len(model.names)):
        with torch.no_grad():
            q = model.posterior({model.names[i]: x[model.names[i]] for i in subset})
        means[subset_name(subset)] = [[round(v, 4) for v in row] for row in q.mean.tolist()]
    latent = {name: column.round(5).tolist() for name, column in table.items()}
    examples = {"split": triplets.split, "place": place.tolist(), "label": y.tolist(), "posterior_mean": means}
    return {"latent": latent, "examples": examples}


def table(
    run: str, split: Literal["train", "val", "test", "test_dig"] = "test", z: Literal["sample", "mean"] = "sample", seed: int = 0
) -> None:
    """Print a run's combination table as CSV. `run`: a shipped name or a run folder."""
    from mvae_lib import data

    model = checkpoint.load(run)
    print(combination_table(model, data.load(split, model.spec.data), z, seed).to_csv(), end="")


def ship(run: Path) -> None:
    """Copy a run folder's weights, spec and card to data/pretrained, with what lets it be explored where there are no data."""
    from mvae_lib import data

    model = checkpoint.load(run)
    print(checkpoint.ship(run, describe(model, data.load("test", model.spec.data))))


if __name__ == "__main__":
    import tyro

    tyro.extras.subcommand_cli_from_dict({"table": table, "ship": ship}, config=(tyro.conf.PositionalRequiredArgs,))
