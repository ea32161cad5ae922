"""How likely a model finds what it has not learnt: importance-weighted log p(x), and of one modality given others.

A likelihood proper, unlike the losses: pixels are thresholded at one half (a Bernoulli has no greys), and the Gaussian keeps
its constants. Nats per sample, summed over dimensions.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mvae_lib import metrics
from mvae_lib.data import Triplets
from mvae_lib.evaluate.tables import check_match
from mvae_lib.model import MVAE
from mvae_lib.poe import subset_name, subsets

if TYPE_CHECKING:
    import pandas as pd


def log_p_of(model: MVAE, x: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """z ``[k, N, D]`` -> log p(x | z) of the modalities in `x`, ``[k, N]``."""
    kinds = {m.name: m.likelihood for m in model.spec.model.modalities}
    sharp = {name: v.flatten(1).gt(0.5).float() if kinds[name] == "bernoulli" else v.flatten(1) for name, v in x.items()}

    def log_p(z: Tensor) -> Tensor:
        return torch.stack([model.decoders[name](z).log_prob(v).sum(-1) for name, v in sharp.items()]).sum(0)  # M of [k, N]

    return log_p


def log_marginals(model: MVAE, x: dict[str, Tensor], draws: int, seed: int = 0) -> dict[str, Tensor]:
    """log p of each combination of the modalities, each from its own posterior: name -> ``[N]``."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for subset in subsets(len(model.names)):
        held = {model.names[i]: x[model.names[i]] for i in subset}
        with torch.no_grad():
            q = model.posterior(held)
        found[subset_name(subset)] = metrics.log_likelihood(log_p_of(model, held), q, draws, generator)
    return found


def likelihood_table(model: MVAE, triplets: Triplets, draws: int = 1000, seed: int = 0) -> "pd.DataFrame":
    """log p(target | given) for every target and every combination of other modalities, and log p(target) itself.

    log p(target | given) = log p(target, given) - log p(given): two lower bounds, whose difference is neither bound; the more
    draws, the closer both come.

    Returns: a row a target and combination given ("" for none): mean and standard error over triplets, in nats, and `draws`.
    """
    import pandas as pd

    check_match(model, triplets)
    marginal = log_marginals(model, triplets.gather(slice(None))[0], draws, seed)
    rows = []
    for target in range(len(model.names)):
        for given in ((), *(row for row in subsets(len(model.names)) if target not in row)):
            both = marginal[subset_name(tuple(sorted((*given, target))))]
            value = both - marginal[subset_name(given)] if given else both
            own = {"target": model.names[target], "given": subset_name(given), "draws": draws, "triplets": len(value)}
            rows.append({**own, "log_p": float(value.mean()), "standard_error": float(value.std() / len(value) ** 0.5)})
    return pd.DataFrame(rows)
