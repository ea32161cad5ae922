"""How likely is a modality, given others? Importance-weighted, by proposals fitted to each tuple; beside each its sample size."""

import math
from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import grad

from mvae_lib import MVAE, metrics, powerset, tables
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import subset_name
from study.evidence.latent import gaussian

ENOUGH = 10
"""Of a median effective sample size below it there is no estimate: at 10 one is some .05 nats too low, of sd .3 nats a tuple."""
Proposal = tuple[Float[Tensor, "N D"], Float[Tensor, "N D D"]]  # mean and root: a Gaussian of covariance root root^T


def log_p(model: MVAE, x: dict[str, Tensor], z: Float[Tensor, "k N D"]) -> Float[Tensor, "k N"]:
    """log p(x | z) of the modalities in `x`."""
    outputs = {name: model.decoders[name](z.flatten(0, 1)).reshape(*z.shape[:2], -1) for name in x}  # -> [k, N, F]
    return torch.stack([model.likelihoods[name].log_prob(outputs[name], v.flatten(1)) for name, v in x.items()]).sum(0)


def precision(model: MVAE, x: dict[str, Tensor], z: Float[Tensor, "N D"]) -> Float[Tensor, "N D D"]:
    r"""Of the true posterior around z, by Gauss and Newton: :math:`I + \sum_m J_m^T W_m J_m`, of each decoder's Jacobian J and
    the curvature W of its likelihood (-log p's second derivatives by its outputs, of which each has its own)."""
    total, z = torch.eye(z.shape[1]).repeat(len(z), 1, 1), z.detach().requires_grad_()
    for name, value in x.items():
        outputs = model.decoders[name](z)
        free = outputs.detach().requires_grad_()
        (slope,) = grad(-model.likelihoods[name].log_prob(free, value.flatten(1)).sum(), free, create_graph=True)
        (weight,) = grad(slope.sum(), free)  # [N, F]
        jacobian = torch.stack([grad(out.sum(), z, retain_graph=True)[0] for out in outputs.T], 1)  # [N, F, D]
        total += torch.einsum("nfi,nf,nfj->nij", jacobian, weight, jacobian)
    return total


def climb(model: MVAE, x: dict[str, Tensor], start: Proposal, steps: int, generator: torch.Generator) -> Proposal:
    """Ascent on the ELBO at beta 1, from `start`: of the mean, and of a scale for each of root's columns. Adam, its rate falling
    from .05 to 0 as a cosine, one draw a step, the entropy's gradient by the path alone (no noise where q is exact).
    Source: Roeder, Wu & Duvenaud, arXiv:1703.09194."""
    (mean, root), (shift, scale) = start, torch.zeros(2, *start[0].shape)
    optimiser = torch.optim.Adam([shift.requires_grad_(), scale.requires_grad_()], 0.05)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        u = shift + scale.exp() * torch.randn(mean.shape, generator=generator)
        z = mean + torch.einsum("nij,nj->ni", root, u)
        log_q = -0.5 * ((u - shift.detach()) / scale.detach().exp()).square().sum(-1)
        loss = (log_q + 0.5 * z.square().sum(-1) - log_p(model, x, z[None])[0]).sum()
        shift.grad, scale.grad = grad(loss, (shift, scale))
        optimiser.step()
        rate.step()
    shift, scale = shift.detach(), scale.detach()
    return mean + torch.einsum("nij,nj->ni", root, shift), root * scale.exp()[:, None]


def proposal(model: MVAE, x: dict[str, Tensor], generator: torch.Generator, steps: int = 200, rounds: int = 2) -> Proposal:
    """A Gaussian near each tuple's true posterior. From the amortised one `climb`s a diagonal one; then, each round, one whose
    axes are those of the mean `precision` at two of its draws. ValueError: the amortised one is no Gaussian."""
    with torch.no_grad():
        q = gaussian(model.posterior(x))
    found = climb(model, x, (q.mean, torch.diag_embed(q.stddev)), steps, generator)
    for _ in range(rounds):
        draws = found[0] + torch.einsum("nij,knj->kni", found[1], torch.randn(2, *q.mean.shape, generator=generator))
        values, axes = torch.linalg.eigh(torch.stack([precision(model, x, z) for z in draws]).mean(0))
        found = climb(model, x, (found[0], axes * values.clamp(min=1).rsqrt()[:, None]), steps, generator)
    return found


def likelihood_table(model: MVAE, pairs: Pairs, draws: int = 2000, steps: int = 200) -> pd.DataFrame:
    """Importance-weighted log p(target | given), in nats, of each target and combination without it (given "": log p(target)).

    log p(target | given) = log p(target, given) - log p(given). gain: what it is more than log p(target), tuple by tuple. Each a
    mean over tuples with its standard error. ess: of the effective sample sizes that log p rests on, the lower median; where one
    is below `ENOUGH` there is no estimate, NaN. Proper likelihoods, unlike losses: pixels are thresholded at one half (a
    Bernoulli has no greys), the Gaussian keeps its constants.
    """
    tables.check_match(model, pairs)
    x, generator = pairs.gather(slice(None))[0], torch.Generator().manual_seed(0)
    log, ess, rows = {"": torch.zeros(len(pairs))}, {"": math.inf}, []
    for subset in powerset(len(model.names)):
        some, name = {model.names[i]: x[model.names[i]] for i in subset}, subset_name(subset)
        q = proposal(model, some, generator, steps)
        log[name], size = metrics.log_likelihood(partial(log_p, model, some), *q, draws, generator)
        ess[name] = float(size.median())
    for target, name in enumerate(model.names):
        alone = subset_name((target,))
        for given in ("", *(subset_name(subset) for subset in powerset(len(model.names)) if target not in subset)):
            both = ",".join(sorted(filter(None, (*given.split(","), alone))))
            value, least = log[both] - log[given], min(ess[both], ess[given])
            row = {"target": name, "given": given, "draws": draws, "triplets": len(pairs), "ess": least}
            for column, part, size in (("log_p", value, least), ("gain", value - log[alone], min(least, ess[alone]))):
                known = 1.0 if size >= ENOUGH else math.nan
                row |= {column: known * float(part.mean()), f"{column}_error": known * float(part.std() / len(pairs) ** 0.5)}
            rows.append(row)
    return pd.DataFrame(rows)
