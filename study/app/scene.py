"""What the explorer shows, without its widgets: a tuple, what is given of it, its latent, and what is rebuilt from there."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from mvae_lib import MVAE
from mvae_lib.data.arrays import REAL, STANDIN
from mvae_lib.objectives import UNLABELLED
from mvae_lib.pairs import Pairs
from mvae_lib.subsets import subset_name
from mvae_lib.tables import check_match, posteriors
from study.app.sound import LIMITS
from study.profiles import NAMES


class Scene:
    """One tuple at a time, of the data or of those stored with the model.

    Args:
        model: one with a card (`study.evidence.ship.describe`), as all shipped ones are. ValueError: it has none.
        pairs: of the model's own recipe and source, or ValueError. None: the card's examples, from their stored posterior means.
    """

    def __init__(self, model: MVAE, pairs: Pairs | None = None) -> None:
        if not {"latent", "examples"} <= model.card.keys():
            raise ValueError(f"{model.spec.name!r} has no card of its latent; take a shipped run: mvae_lib.load('as_run').")
        if pairs:
            check_match(model, pairs)
        self.model, self.pairs, self.examples, latent = model, pairs, model.card["examples"], model.card["latent"]
        self.ours = model.names == NAMES and model.card["source"] in (REAL, STANDIN)
        self.noun, self.nouns = ("digit", "triplets") if self.ours else ("class", "tuples")
        labels = pairs.labels if pairs else torch.tensor(self.examples["label"])
        self.labels = torch.full((len(pairs or ()),), UNLABELLED) if labels is None else labels  # [N]
        self.classes = sorted(set(self.labels.tolist()))
        self.labelled, self.split = self.classes != [UNLABELLED], pairs.split if pairs else self.examples["split"]
        stored = "" if pairs else ", stored posterior means"
        self.source = f"{model.card['source']}, {model.spec.name}, epoch {model.epochs}{stored}"
        first = {"KL to the prior": "kl"} if "kl" in latent else {"variance of the mean": "variance_of_mean"}
        ranks = {**first, f"MI with the {self.noun}": "mi"}
        self.sd = torch.tensor(latent["sd"])  # [D]
        self.ranks = {name: torch.tensor(latent[column]) for name, column in ranks.items() if column in latent}  # [D] each
        shapes = {m.name: m.shape for m in model.spec.model.modalities}
        shapes = shapes or {name: np.shape(mean) for name, mean in model.card["global_means"].items()}
        planes = {name: "image" if likelihood.metric == "bce" else "map" for name, likelihood in model.likelihoods.items()}
        self.kinds = {name: (planes[name], s) if len(s) == 2 else ("bars", (prod(s),)) for name, s in shapes.items()}
        """Of each modality, and "label" last: "image" (two axes, in [0, 1]), "map" (two others) or "bars"; and its shape."""
        if model.label_decoder is not None:
            self.kinds["label"] = ("bars", self.means(torch.zeros_like(self.sd))["label"].shape)
        self.hardest: Tensor | None = None  # every row, the hardest first, once `find_hardest` has looked for them

    def rows(self, label: int, hardest: bool = False) -> Int[Tensor, "n"]:
        """The tuples of a label, in the file's order, or the hardest first if they are known."""
        order = self.hardest if hardest and self.hardest is not None else torch.arange(len(self.labels))
        return order[self.labels[order] == label]

    @torch.inference_mode()
    def find_hardest(self) -> None:
        """Sort all tuples by the probability that the model gives to their own label with everything given, lowest first."""
        mean = posteriors(self.model, self.pairs).mean if self.pairs else self._stored(self.model.names)  # [N, D]
        truth = self.labels.clamp(min=0)[:, None]
        self.hardest = self.model.logits(mean).log_softmax(-1).gather(-1, truth)[:, 0].argsort(stable=True)  # [N, C] -> [N]

    def look(self, row: int, given: Sequence[str]) -> None:
        """Take another tuple, or give the model other modalities of it: sets `mean`, its latent ``[D]``."""
        self.row, self.given, self.samples = row, tuple(given), dict[str, Tensor]()
        if not self.pairs:
            self.mean = self._stored(given)[row]
            return
        (x, _), seen = self.pairs.gather([row]), self.pairs.seen([row])[:, 0]
        self.samples = {name: value for (name, value), there in zip(x.items(), seen, strict=True) if there}
        self.given = tuple(name for name in given if name in self.samples)
        self.mean = self.posterior_mean({name: self.samples[name] for name in self.given})

    @torch.inference_mode()
    def posterior_mean(self, x: dict[str, Tensor]) -> Float[Tensor, "D"]:
        """The latent of one sample ``[1, *shape]`` of each modality given; of none, the prior's mean."""
        return self.model.posterior(x).mean[0] if x else torch.zeros_like(self.sd)  # [1, D] -> [D]

    def combination(self, given: Sequence[str]) -> str:
        """Some modalities as the report names them: "m1,m3"."""
        return subset_name(tuple(i for i, name in enumerate(self.model.names) if name in given))

    def _stored(self, given: Sequence[str]) -> Float[Tensor, "N D"]:
        return torch.tensor(self.examples["posterior_mean"][self.combination(given)])

    def originals(self) -> dict[str, ndarray]:
        """The tuple itself, as far as it is at hand, and "label" as probabilities: ``[F]`` each."""
        label = int(self.labels[self.row])
        known = {"label": np.eye(self.kinds["label"][1][0])[label]} if "label" in self.kinds and label != UNLABELLED else {}
        return {name: value[0].flatten().numpy() for name, value in self.samples.items()} | known

    @torch.inference_mode()
    def means(self, z: Float[Tensor, "*N D"]) -> dict[str, ndarray]:
        """What is rebuilt from latents, and "label", the class probabilities where there are any: ``[..., F]`` each."""
        label = {} if self.model.label_decoder is None else {"label": self.model.logits(z).softmax(-1)}
        return {name: value.numpy() for name, value in (self.model.rebuild(z) | label).items()}

    def limits(self) -> dict[str, tuple[float, float]]:
        """Bottom and top of what is shown of a modality that is not within 0 and 1: what its values reach, in two digits."""
        if self.ours:
            return LIMITS[self.model.spec.data.speech]
        x = self.pairs.gather(slice(1000))[0] if self.pairs else self.model.rebuild(self._stored(self.model.names))
        x = {name: value[value.isfinite()] for name, value in x.items() if self.model.likelihoods[name].metric != "bce"}
        reach = {name: [float(f"{edge:.2g}") for edge in (value.min(), value.max())] for name, value in x.items()}
        return {name: (low, max(high, low + 1e-3)) for name, (low, high) in reach.items()}

    def frame(self, **columns: Any) -> pd.DataFrame:
        """A frame that begins with which tuple it is of; no sample and no pixel in it."""
        first = {"split": self.split, "place": self.row if self.pairs else self.examples["place"][self.row]}
        first |= {self.noun: int(self.labels[self.row])} if self.labelled else {}
        return pd.DataFrame({**first, "given": self.combination(self.given), **columns})
