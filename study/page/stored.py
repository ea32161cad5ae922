"""What the page knows of the data, no sample of which may be in it. ``python -m study.page.stored`` measures it."""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from mvae_lib import MVAE, Gaussian, data, powerset, tables
from mvae_lib.fusion import Noise, noise_source
from mvae_lib.pairs import Pairs
from mvae_lib.storage import write
from mvae_lib.subsets import subset_name
from study.evidence.classifiers import labels_of
from study.evidence.labels import places_of
from study.page.weights import page_model

STORED = Path(__file__).with_suffix(".json")
EACH, DRAWS = 20, 64  # test triplets a digit; draws from the posterior that an answer is averaged over
SURE = 0.9  # probability from which an answer is called sure
STRANGE = 0.98  # the share of validation's samples that are less strange than what is called strange


@torch.no_grad()
def measured(model: MVAE, test: Pairs, val: Pairs) -> dict[str, Any]:
    """JSON values for the page's model, no sample among them.

    ``noise``: standard normal draws, ``[DRAWS, D]``. ``examples``: the hardest test triplet of each digit (its label the least
    probable, all given) and then the first ones: label, place, and the experts, by modality mu and logvar ``[n, D]``.
    ``plane``: centre ``[D]`` and axes ``[2, D]`` that part validation's digits best (linear discriminants, all given).
    ``answers``: by combination, of the test split, the share of answers that are sure, and how often these and the others are
    right. ``strange``: by modality, the error (root mean square) of what is rebuilt from it alone that is called strange.
    """
    normal = noise_source(0)(DRAWS, model.spec.model.latent).normal.mul(1000).round() / 1000  # as it is written
    labels, experts, held = labels_of(test), _experts(model, test), _experts(model, val)
    answers, p = {}, torch.empty(0)
    for subset in powerset(len(model.names)):
        p = beliefs(model, _fused(model, experts, subset), normal)
        right, sure = p.argmax(-1) == labels, p.amax(-1) >= SURE
        shares = {"sure": sure, "right_sure": right[sure], "right_unsure": right[~sure]}
        answers[subset_name(subset)] = {name: round(float(of.float().mean()), 4) for name, of in shares.items()}
    own = p.gather(1, labels[:, None])[:, 0]  # [N], all given: the last subset
    rows = []
    for digit in range(model.spec.model.classes):
        places = places_of(labels, digit)
        hardest = int(places[own[places].argmin()])
        rows += [hardest, *[place for place in places.tolist() if place != hardest][: EACH - 1]]
    plane = LinearDiscriminantAnalysis(n_components=2).fit(_fused(model, held, (0, 1, 2)).mean.numpy(), labels_of(val).numpy())
    examples: dict[str, Any] = {"label": labels[rows].tolist(), "place": rows}
    for part in ("mu", "logvar"):
        examples[part] = {name: _short(getattr(experts, part)[m, rows]) for m, name in enumerate(model.names)}
    return {
        "noise": _short(normal),
        "examples": examples,
        "plane": {"centre": _short(torch.tensor(plane.xbar_)), "axes": _short(torch.tensor(plane.scalings_[:, :2].T))},
        "sure": SURE,
        "answers": answers,
        "strange": {name: round(float(strangeness(model, val, name).quantile(STRANGE)), 4) for name in model.names},
    }


def beliefs(model: MVAE, q: Gaussian, normal: Float[Tensor, "K D"]) -> Float[Tensor, "N C"]:
    """Class probabilities averaged over draws from the posterior, the same noise for each tuple."""
    draws = [model.logits(q.sample(Noise(each, each[0]))).softmax(-1) for each in normal]  # K of [N, C]
    return torch.stack(draws).mean(0)


def strangeness(model: MVAE, pairs: Pairs, name: str) -> Float[Tensor, "N"]:
    """How far each sample is from what is rebuilt of it alone: root mean square, in its recipe's units."""
    batches = (x[name] for x, _ in pairs.batches(1000, order_seed=None))
    return torch.cat([(model.reconstruct({name: x})[name] - x.flatten(1)).square().mean(1).sqrt() for x in batches])


def _experts(model: MVAE, pairs: Pairs) -> Gaussian:
    """[M, N, D]."""
    tables.check_match(model, pairs)
    parts = [model.encode(x) for x, _ in pairs.batches(1000, order_seed=None)]
    return Gaussian(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))


def _fused(model: MVAE, experts: Gaussian, subset: tuple[int, ...]) -> Gaussian:
    return model.fuse(experts, torch.tensor([m in subset for m in range(len(model.names))]))


def _short(values: Tensor) -> list:
    """In three decimals."""
    return (values.double().mul(1000).round() / 1000).tolist()


def main() -> None:
    model = page_model()
    told = measured(model, *(data.load(split, model.spec.data) for split in ("test", "val")))
    write(STORED, lambda part: part.write_text(json.dumps(told) + "\n"))
    print(f"{STORED}: {STORED.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
