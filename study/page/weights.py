"""A shipped model as small as a page can carry: without the latent dimensions that it does not use, its weights in int8."""

import base64
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from mvae_lib import MVAE, load
from mvae_lib.model import build

MODEL = "spoken"  # of `mvae_lib.load`: the one whose speech can be heard
KNOWN = {"activation": "swish", "batch_norm": False, "network": "mlp", "fusion": "product"}  # what js/network.js computes


def page_model() -> MVAE:
    """What the page computes, in torch: `MODEL` without its inactive dimensions, its weights rounded to int8 and back."""
    model = reduced(load(MODEL))
    for layer in layers(model).values():
        whole, scale = rounded(layer.weight.detach())
        layer.weight.data = whole * scale
    return model


def active(model: MVAE) -> list[int]:
    """The latent dimensions in use, by their numbers: variance of the posterior mean above .01, as the card has them.

    Source: Burda, Grosse & Salakhutdinov, arXiv:1509.00519, section 5.2.
    """
    return torch.tensor(model.card["latent"]["active"]).nonzero()[:, 0].tolist()


def reduced(model: MVAE) -> MVAE:
    """The model with its active dimensions alone; the others stay at 0, the prior's mean. ValueError: not of the `KNOWN` kind."""
    spec = model.spec.model
    if other := {name: getattr(spec, name) for name, value in KNOWN.items() if getattr(spec, name) != value}:
        raise ValueError(f"{model.spec.name!r} has {other}; the page computes {KNOWN}. Add it to study/page/js/network.js.")
    kept = torch.tensor(active(model))
    small = build(replace(model.spec, model=replace(spec, latent=len(kept)))).eval()
    weights = dict(model.state_dict())
    for name, aim in small.state_dict().items():
        for axis, size in enumerate(aim.shape):
            if weights[name].shape[axis] != size:  # only the latent's size is another
                weights[name] = weights[name].index_select(axis, kept)
    small.load_state_dict(weights)
    small.card = model.card
    return small


def layers(model: MVAE) -> dict[str, nn.Linear]:
    return {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}


def rounded(weight: Float32[Tensor, "rows columns"]) -> tuple[Float32[Tensor, "rows columns"], Float32[Tensor, "rows 1"]]:
    """Whole numbers from -127 to 127, and what one of them is worth in each row."""
    scale = (weight.abs().amax(1, keepdim=True) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    return (weight / scale).round(), scale


def packed(model: MVAE) -> tuple[dict[str, Any], str]:
    """What the page reads a reduced model from: a header for JSON, and base64 of its layers, one after the other.

    A layer: its scales and its biases, float32 of little end ``[rows]``; its weights, int8 ``[rows, columns]``, filled up to a
    multiple of four bytes.
    """
    parts, sizes = [], {}
    for name, layer in layers(model).items():
        whole, scale = rounded(layer.weight.detach())
        parts += [part.numpy().astype("<f4").tobytes() for part in (scale, layer.bias.detach())]
        parts.append(whole.to(torch.int8).numpy().tobytes() + bytes(-whole.numel() % 4))
        sizes[name] = list(whole.shape)
    latent: dict[str, Any] = {"dimensions": active(model)}
    for column in ("kl", "mi", "sd"):
        latent[column] = [model.card["latent"][column][dimension] for dimension in latent["dimensions"]]
    modalities = [{"name": m.name, "shape": m.shape, "likelihood": m.likelihood} for m in model.spec.model.modalities]
    scaler = {name: torch.tensor(value).flatten().tolist() for name, value in model.card["scaler"].items()}
    header = {"name": model.spec.name, "modalities": modalities, "layers": sizes, "latent": latent, "scaler": scaler}
    return header, base64.b64encode(b"".join(parts)).decode()
