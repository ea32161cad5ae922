"""What a shipped run keeps so that it can be explored where there are no data, and how a run is shipped."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from mvae_lib import MVAE, Gaussian, checkpoint, data, metrics, powerset, tables
from mvae_lib.fusion import noise_source
from mvae_lib.pairs import Pairs
from mvae_lib.storage import PRETRAINED, write
from mvae_lib.subsets import subset_name
from study.evidence.classifiers import labels_of
from study.evidence.disentangle import mutual_information
from study.evidence.labels import places_of
from study.evidence.latent import gaussian, latent_table


def _drawn(model: MVAE, pairs: Pairs) -> Float[Tensor, "N D"]:
    """One seeded draw from every tuple's posterior."""
    q = tables.posteriors(model, pairs)
    return (gaussian(q) if isinstance(q, Gaussian) else q).sample(noise_source(0)(*q.mean.shape))


@torch.no_grad()
def describe(model: MVAE, pairs: Pairs, train: Pairs, per_label: int = 4) -> dict[str, Any]:
    """What lets a shipped model be explored where there are no data: JSON values, no pixel and no sample among them.
    ``latent``, by dimension: columns of `latent_table`, of `pairs`. If the posterior is no Gaussian there is no ``kl``, and mean
    and sd are of draws. With labels ``mi``, the mutual information of draws from `train` with them, in nats: of draws, as the gap
    in Chen et al., arXiv:1802.04942, not of means (an unused dimension's mean tells labels apart, and no decoder hears it through
    the noise). ``examples``: the first `per_label` of each label (without labels, the first 40 tuples), their places in `pairs`,
    their labels, and the posterior mean of every combination, each ``[n, D]``."""
    for each in (pairs, train):
        tables.check_match(model, each)
    q, place = tables.posteriors(model, pairs), torch.arange(min(40, len(pairs)))
    if isinstance(q, Gaussian):
        table = latent_table(q)
    else:
        z, columns = _drawn(model, pairs), {"variance_of_mean": q.mean.var(0), "active": metrics.active_units(q.mean)}
        table = pd.DataFrame({"mean": z.mean(0), "sd": z.std(0)} | columns)
    if pairs.classes:
        table["mi"] = mutual_information(_drawn(model, train), labels_of(train)).numpy()
        place = torch.cat([places_of(labels_of(pairs), label)[:per_label] for label in range(pairs.classes)])
    (x, y), means = pairs.gather(place), {}
    for subset in powerset(len(model.names)):
        mean = model.posterior({model.names[i]: x[model.names[i]] for i in subset}).mean
        means[subset_name(subset)] = [[round(value, 4) for value in row] for row in mean.tolist()]
    examples = {"split": pairs.split, "place": place.tolist(), "label": y.tolist(), "posterior_mean": means}
    return {"latent": {name: column.round(5).tolist() for name, column in table.items()}, "examples": examples}


def ship(run: Path) -> Path:
    """Copy a run folder's weights (float16), spec, card and history to data/pretrained, with what `describe` says of it."""
    model = checkpoint.load(run)
    test, train = (data.load(split, model.spec.data) for split in ("test", "train"))
    weights, metadata = load_file(run / "weights.safetensors"), checkpoint.read_metadata(run / "weights.safetensors")
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    seconds = checkpoint.history(run).drop_duplicates(["epoch", "split"])["seconds"].to_numpy().sum()  # its measuring included
    spec, card = (json.loads((run / f"{name}.json").read_text()) for name in ("spec", "card"))
    card["provenance"] |= {**metadata, "seconds": round(float(seconds))}
    path, told = PRETRAINED / f"{spec['name']}.safetensors", json.dumps({"spec": spec, **card, **describe(model, test, train)})
    write(path, lambda part: save_file(half, part, metadata))
    write(path.with_suffix(".json"), lambda part: part.write_text(told))
    write(path.with_suffix(".csv"), lambda part: part.write_bytes((run / "history.csv").read_bytes()))
    return path
