"""What a model can take: one check before it learns or is measured, and one line for each fault."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from mvae_lib.engine import bfloat16_gain
from mvae_lib.model import MVAE, Plan
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import subset_name


def check_match(model: MVAE, pairs: Pairs) -> None:
    """ValueError, in one line, unless the pairs are what the model takes.

    They have tuples, of its modalities, recipe and source; of its features; finite where a sample is there, and within [0, 1] for
    a Bernoulli; with no label that it has no logit for.
    """
    fault, sizes = "", {m.name: m.features for m in model.spec.model.modalities}
    if pairs.names != model.names:
        fault = f"These pairs are of {', '.join(pairs.names)}; this model takes {', '.join(model.names)}, in this order."
    elif not len(pairs):
        fault = f"There is no tuple in these pairs ({pairs.split}, {pairs.source}); give one or more."
    elif pairs.recipe is not None and pairs.recipe != model.spec.data:
        fault = f"These pairs are of {pairs.recipe}; this model takes {model.spec.data}. Load them with recipe=model.spec.data."
    elif pairs.source != model.card.get("source", pairs.source):
        fault = f"These pairs are {pairs.source}; this model was trained on {model.card['source']}."
    elif model.label_decoder is not None and sizes and pairs.classes > model.spec.model.classes:
        fault = f"Labels go up to {pairs.classes - 1}; this model has {model.spec.model.classes} classes, 0 and up."
    for name, pool in pairs.pools.items() if not fault else ():
        features, shape = pool[0].numel(), list(pool.shape)
        if name in sizes and features != sizes[name]:
            fault = f"Pool {name!r} has shape {shape}, {features} values a sample; this model takes {sizes[name]}."
        elif pool.dtype != torch.uint8:
            there = pairs.there(name)
            wrong = ~pool.flatten(1).isfinite().all(1) & there
            if wrong.any():
                row = int(wrong.nonzero()[0])
                fault = f"Pool {name!r} is not finite in {int(wrong.sum())} of {len(pool)} rows, first in row {row}; "
                fault += "leave them out, or say in `present` that they are missing."
            elif model.likelihoods[name].metric == "bce":
                low, high = (float(edge) for edge in pool[there].aminmax()) if there.any() else (0.0, 1.0)
                if low < 0 or high > 1:
                    fault = f"Pool {name!r} goes from {low:g} to {high:g}; a Bernoulli takes 0 to 1. Scale it, or give uint8."
    if fault:
        raise ValueError(fault)


def check_training(model: MVAE, pairs: Pairs, watch: Pairs | None, device: str, world: int) -> None:
    """ValueError, in one line, for what this model cannot learn from, or not here (`world`: so many processes)."""
    for each in (pairs, watch):
        if each is not None:
            check_match(model, each)
    spec, last = model.spec.train, len(pairs) % model.spec.train.batch_size or model.spec.train.batch_size
    batch_norm = any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in model.modules())
    fault = ""
    if spec.patience and watch is None:
        fault = f"TrainSpec.patience is {spec.patience}, but there is nothing to watch; give `watch`, or patience 0."
    elif spec.precision == "tf32" and not device.startswith("cuda"):
        fault = f"TrainSpec.precision is 'tf32' on {device}; that needs CUDA. Take 'float32' or 'bfloat16'."
    elif pairs.present and batch_norm:
        fault = "Batch norm would mix in the zeros that stand for missing samples; take no batch norm, or complete pairs."
    elif batch_norm and 1 in (last, spec.batch_size):
        fault = (
            f"Batch norm learns nothing from a batch of one; {len(pairs)} tuples in batches of {spec.batch_size} leave one over."
        )
    elif world > 1 and (batch_norm or min(last, spec.batch_size) < world):
        fault = f"{world} processes cannot share batches of {spec.batch_size} (the last: {last}), batch norm {batch_norm}; "
        fault += "take fewer than tuples in a batch, and no batch norm."
    if fault:
        raise ValueError(fault)
    if spec.precision == "bfloat16" and device == "cpu" and bfloat16_gain() < 0.8:
        slower = f"{1 / bfloat16_gain():.0f} times as long as in float32"
        warnings.warn(f"In bfloat16 products take {slower} on this processor; precision 'auto' would take float32.", stacklevel=3)


def not_finite(model: MVAE, steps: Float[Tensor, "K rows S"], names: tuple[str, ...], plan: Plan) -> str:
    """What was the first, at which step, that was no finite number: a term of a subset, or the weights. "": nothing.

    steps: rows are the objective, the means of its T terms, and of how many samples each is; `names`: the terms.
    """
    values, counts = steps[:, : 1 + len(names)], steps[:, 1 + len(names) :]  # [K, 1 + T, S], [K, T, S]
    counted = torch.cat([torch.ones_like(counts[:, :1]), counts], dim=1) > 0
    wrong = (~values.isfinite() & counted).nonzero().tolist()
    if wrong:
        step, term, subset = min(wrong, key=lambda place: (place[0], place[1] == 0))  # a term before their sum
        what = f"{names[term - 1]} given {subset_name(plan.subsets[subset])}" if term else "the objective"
        return f"step {step + 1}: {what} is {values[step, term, subset].item()}"
    bad = [name for name, weight in model.state_dict().items() if not weight.isfinite().all()]
    return f"step {len(steps)}: of the weights {len(bad)} tensors are not finite, {bad[0]} first" if bad else ""
