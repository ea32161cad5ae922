"""How likely a model finds what it has not learnt, in nats per sample, summed over features. Proper likelihoods, unlike losses:
pixels are thresholded at one half (a Bernoulli has no greys), and the Gaussian keeps its constants."""

from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mvae_lib import MVAE, metrics, powerset, tables
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import subset_name
from study.evidence.latent import gaussian


def log_p(model: MVAE, x: dict[str, Tensor], z: Float[Tensor, "k N D"]) -> Float[Tensor, "k N"]:
    """log p(x | z) of the modalities in `x`."""
    outputs = {name: model.decoders[name](z.flatten(0, 1)).reshape(*z.shape[:2], -1) for name in x}  # -> [k, N, F]
    return torch.stack([model.likelihoods[name].log_prob(outputs[name], v.flatten(1)) for name, v in x.items()]).sum(0)


@torch.no_grad()
def log_marginals(model: MVAE, x: dict[str, Tensor], draws: int) -> dict[str, Float[Tensor, "N"]]:
    """log p of each combination of the modalities, each from its own posterior. ValueError: that is no Gaussian."""
    generator, marginals = torch.Generator().manual_seed(0), {}
    for subset in powerset(len(model.names)):
        given = {model.names[i]: x[model.names[i]] for i in subset}
        q = model.posterior(given)
        gaussian(q)  # its density is asked for
        marginals[subset_name(subset)] = metrics.log_likelihood(partial(log_p, model, given), q, draws, generator)
    return marginals


def likelihood_table(model: MVAE, pairs: Pairs, draws: int = 1000) -> pd.DataFrame:
    """Importance-weighted log p(target | given), in nats: mean and standard error over triplets; given "": log p(target).
    log p(target | given) = log p(target, given) - log p(given): two lower bounds, whose difference is neither bound; the more
    draws, the closer both come."""
    tables.check_match(model, pairs)
    marginal, rows = log_marginals(model, pairs.gather(slice(None))[0], draws), []
    for target, name in enumerate(model.names):
        for given in ((), *(subset for subset in powerset(len(model.names)) if target not in subset)):
            both = marginal[subset_name(tuple(sorted((*given, target))))]
            value = both - marginal[subset_name(given)] if given else both
            mean, error = float(value.mean()), float(value.std() / len(value) ** 0.5)
            rows.append((name, subset_name(given), draws, len(value), mean, error))
    return pd.DataFrame(rows, columns=["target", "given", "draws", "triplets", "log_p", "standard_error"])
