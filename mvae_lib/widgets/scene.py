"""What the explorer shows, without its widgets: a triplet, what is given of it, its latent, and what is rebuilt from there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mvae_lib.data import Triplets
from mvae_lib.evaluate import posteriors
from mvae_lib.model import MVAE
from mvae_lib.poe import product_of_experts, subset_name

if TYPE_CHECKING:
    import pandas as pd

Move = tuple[int, float]
"""A latent index, and what is added to it."""


class Scene:
    """One triplet at a time, of the data or of those stored with the model.

    Args:
        model: a shipped model (`mvae_lib.load`): its card lists the latent's indices and a few stored posterior means.
        triplets: of the model's own recipe and source. None: the card's examples, from their stored posterior means.
    Raises:
        ValueError: the model has no such card, or the triplets are not what it was trained on.
    """

    def __init__(self, model: MVAE, triplets: Triplets | None = None) -> None:
        if not {"latent", "examples"} <= model.card.keys():
            raise ValueError(f"{model.spec.name!r} has no card of its latent; take a shipped run: mvae_lib.load('as_run').")
        if triplets and (triplets.recipe, triplets.source) != (model.spec.data, model.card["source"]):
            takes = f"this model takes {model.card['source']}, {model.spec.data}"
            raise ValueError(f"These triplets are {triplets.source}, {triplets.recipe}; {takes}. Or give it none.")
        self.model, self.triplets, self.examples = model, triplets, model.card["examples"]
        self.labels = triplets.labels if triplets else torch.tensor(self.examples["label"])
        self.split = triplets.split if triplets else self.examples["split"]
        self.source = f"{model.card['source']}, {model.spec.name}, epoch {model.epochs}"
        self.source += "" if triplets else ", stored posterior means"
        self.sd, self.kl, self.mi = (torch.tensor(model.card["latent"][column]) for column in ("sd", "kl", "mi"))
        self.hardest: Tensor | None = None
        """Every row, the hardest first, once `find_hardest` has looked for them."""
        self.row, self.given, self.samples = -1, (), {}

    def rows(self, digit: int, hardest: bool = False) -> Tensor:
        """The triplets of a digit, in the file's order, or the hardest first if they are known: ``[n]``."""
        order = self.hardest if hardest and self.hardest is not None else torch.arange(len(self.labels))
        return order[self.labels[order] == digit]

    @torch.inference_mode()
    def find_hardest(self) -> None:
        """Sort all triplets by the probability that the model gives to their own digit with everything given, lowest first."""
        stored = self.examples["posterior_mean"][self.combination(self.model.names)]
        mu = posteriors(self.model, self.triplets)[0] if self.triplets else torch.tensor(stored)  # [N, D]
        own = self.model.label_decoder(mu).log_softmax(-1).gather(-1, self.labels[:, None])[:, 0]  # [N, classes] -> [N]
        self.hardest = own.argsort(stable=True)

    @torch.inference_mode()
    def look(self, row: int, given: Sequence[str]) -> None:
        """Take another triplet, or give the model other modalities of it: sets `mean`, its latent ``[D]``."""
        if row != self.row and self.triplets:  # what is given changes more often: each expert speaks once a triplet
            self.samples, _ = self.triplets.gather([row])
            self.experts = self.model.encode(self.samples)  # [M, 1, D] twice
        self.row, self.given = row, tuple(given)
        if self.triplets:
            present = torch.tensor([name in given for name in self.model.names])
            self.mean = product_of_experts(*self.experts, present)[0][0]  # [1, D] -> [D]
        else:
            self.mean = torch.tensor(self.examples["posterior_mean"][self.combination(given)][row])

    def combination(self, given: Sequence[str]) -> str:
        """Some modalities as the report names them: "m1,m3"."""
        return subset_name(tuple(i for i, name in enumerate(self.model.names) if name in given))

    def originals(self) -> dict[str, Any]:
        """The triplet itself, as far as it is at hand, and "label", its digit as probabilities: numpy ``[features]`` each."""
        label = torch.eye(self.model.spec.model.classes)[self.labels[self.row]]
        return {name: value[0].numpy() for name, value in self.samples.items()} | {"label": label.numpy()}

    def means(self, z: Tensor) -> dict[str, Any]:
        """What is rebuilt from latents ``[..., D]``: see `rebuilt`."""
        return rebuilt(self.model, z)

    def frame(self, **columns: Any) -> "pd.DataFrame":
        """A frame that begins with which triplet it is of; no sample and no pixel in it."""
        import pandas as pd

        place = self.row if self.triplets else self.examples["place"][self.row]
        first = {"split": self.split, "place": place, "digit": int(self.labels[self.row])}
        return pd.DataFrame({**first, "given": self.combination(self.given), **columns})

    def code(self, moves: Sequence[Move], in_sd: bool) -> str:
        """Lines of Python that rebuild, with the library alone, what is rebuilt here with some indices moved."""
        digit = int(self.labels[self.row])
        lines = ["import mvae_lib"] + (["from mvae_lib import data"] if self.triplets else ["import torch"])
        lines += ["", f'model = mvae_lib.load("{self.model.spec.name}")']
        if self.triplets:
            lines += [
                f'x, _ = data.load("{self.split}", recipe=model.spec.data).gather([{self.row}])  # a {digit}',
                f"z = model.posterior({{name: x[name] for name in {list(self.given)}}}).mean[0].detach()  # [{len(self.sd)}]",
            ]
        else:
            stored = f'model.card["examples"]["posterior_mean"]["{self.combination(self.given)}"][{self.row}]'
            lines += [f"z = torch.tensor({stored})  # a {digit}"]
        unit = ' * model.card["latent"]["sd"][{}]' if in_sd else ""
        lines += [f"z[{index}] += {amount:g}{unit.format(index)}" for index, amount in moves]
        return "\n".join([*lines, "rebuilt = model.rebuild(z)", ""])


@torch.inference_mode()
def rebuilt(model: MVAE, z: Tensor) -> dict[str, Any]:
    """Latents ``[..., D]`` -> what is rebuilt from them, and "label", the class probabilities: numpy ``[..., features]``."""
    everything = model.rebuild(z) | {"label": model.label_decoder(z).softmax(-1)}
    return {name: value.numpy() for name, value in everything.items()}
