"""One choice changed at a time: which of the recipe's choices matter, and for what?

Each variant is a run like any other, kept in ``data/runs``, so that a comparison that was stopped goes on with the same command:
``python -m mvae_lib.evaluate objectives``.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from tqdm.auto import tqdm

from mvae_lib import data, evaluate, metrics, train
from mvae_lib.data import Triplets
from mvae_lib.model import MVAE
from mvae_lib.search import BASE as SEARCHED
from mvae_lib.spec import AS_RUN, AS_WRITTEN, RunSpec

if TYPE_CHECKING:
    import pandas as pd

BASE = replace(SEARCHED, name="variant")
"""What is varied: the small networks on the split by writers, as in the search."""
WORDS = {"weights": "weights at zero", "none": "default", "all": "weights and biases at zero"}
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""The six voices of FSDD v1.0.10."""


def variants(base: RunSpec = BASE) -> dict[str, dict[str, RunSpec]]:
    """Question -> answer -> the spec of a run that differs from `base` in that one choice. One of the answers is `base`."""

    def learn(**changes) -> RunSpec:
        return replace(base, train=replace(base.train, **changes))

    def build(**changes) -> RunSpec:
        return replace(base, model=replace(base.model, **changes))

    def speech(run: RunSpec, **changes) -> RunSpec:
        changed = tuple(replace(m, **changes) if m.name == "speech" else m for m in run.model.modalities)
        return replace(run, model=replace(run.model, modalities=changed))

    weight, frames = base.model.modalities[-1].weight, 64
    framed = replace(base, data=replace(base.data, speech="frames"))
    return {
        "rebuilt": {
            "all": base,
            "all, two subsets dropped a step": learn(subsets="sampled", random_subsets=1),
            "given": learn(rebuild="given"),
        },
        "beta": {f"{beta:g}": learn(beta=beta) for beta in (0.05, 0.25, 1.0, 4.0)},
        "label term": {"with": base, "without": learn(label_weight=0.0)},
        "speech coefficient": {f"{w:g}": speech(base, weight=w) for w in (1.0, 10.0, 100.0, 1000.0)},
        "latent size": {str(size): build(latent=size) for size in (2, 8, 32, 128, 512)},
        "speech view": {"13 means": base, "13 × 64 frames": speech(framed, shape=(13, frames), weight=weight / frames)},
        "logvar heads": {WORDS[zero]: build(zero_logvar=zero) for zero in ("none", "weights", "all")},
        "activation": {"swish": base, "ReLU, batch norm": build(activation="relu", batch_norm=True)},
    }


def compare(questions: tuple[str, ...] = (), epochs: int = 3, base: RunSpec = BASE) -> "pd.DataFrame":
    """Train what is not yet trained, and measure every variant on the validation writers; nothing of the tests is looked at.

    Args:
        questions: keys of `variants`; by default all.
        epochs: of each variant.
    Returns: tidy: question, answer, epochs, seed, given; the columns of `combination_table` (sampled z) and `departure_table`;
        centroid_accuracy (the digit by the nearest class mean among posterior means) and active_units (given all).
    Raises:
        ValueError: a question that is not among them.
    """
    import pandas as pd

    known = variants(base)
    if wrong := set(questions) - set(known):
        raise ValueError(f"No question is called {', '.join(sorted(wrong))}; there are: {', '.join(known)}.")
    measured, tables = {}, []
    for question in questions or known:
        for answer, run in known[question].items():
            if run not in measured:  # the base is an answer to every question, and trained once
                own = base.name if run == base else f"{base.name}-{question}-{answer}"
                measured[run] = _measured(trained(replace(run, name=_slug(own)), epochs), epochs)
            tables.append(measured[run].assign(question=question, answer=answer))
    frame = pd.concat(tables, ignore_index=True)
    return frame.set_index(["question", "answer"]).reset_index()


def trained(run: RunSpec, epochs: int) -> MVAE:
    """A run of `epochs` epochs: from its folder where it is there, else trained."""
    run = replace(run, train=replace(run.train, epochs=epochs, patience=0))
    model, _ = train.fit(run, data.load("train", run.data))
    return model


def _measured(model: MVAE, epochs: int) -> "pd.DataFrame":
    held_out, train_ = (data.load(split, model.spec.data) for split in ("val", "train"))
    table = evaluate.combination_table(model, held_out).drop([evaluate.CLASS_MEAN, evaluate.GLOBAL_MEAN])
    mu, _ = evaluate.posteriors(model, held_out)
    table = table.join(evaluate.departure_table(model, held_out)).assign(
        centroid_accuracy=_centroids(model, train_, held_out),
        active_units=int(metrics.active_units(mu).sum()),
    )
    return table.reset_index().assign(epochs=epochs, seed=model.spec.train.seed)


def _centroids(model: MVAE, learn: Triplets, held_out: Triplets, every: int = 8) -> list[float]:
    """How often the nearest class mean is the digit's, by combination; class means of one training triplet in `every`."""
    few = replace(learn, pairs=learn.pairs[::every], labels=learn.labels[::every])
    shares = []
    for given in evaluate.combinations(len(model.names)):
        members = evaluate.members(model.names, given)
        known, asked = (evaluate.posteriors(model, triplets, members)[0] for triplets in (few, held_out))
        means = torch.stack([known[few.labels == digit].mean(0) for digit in range(model.spec.model.classes)])  # -> [C, D]
        shares.append(float((torch.cdist(asked, means).argmin(1) == held_out.labels).float().mean()))
    return shares


def gradient_norms(base: RunSpec = BASE) -> "pd.DataFrame":
    """Norm of the whole gradient at every step of the first epoch, by what of the logvar heads starts at zero.

    Returns: tidy: answer, step, gradient.
    """
    import pandas as pd

    tables = []
    for answer, run in variants(base)["logvar heads"].items():
        triplets, norms = data.load("train", run.data), []
        model, optimizer = train.untrained(run)
        advance = train.fast_step(model, optimizer)

        def watched(*batch, advance=advance, model=model, norms=norms):
            means = advance(*batch)
            norms.append(float(nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])))
            return means

        train.one_epoch(model, watched, triplets.repaired(1), 1, tqdm(disable=True))
        tables.append(pd.DataFrame({"answer": answer, "step": range(1, len(norms) + 1), "gradient": norms}))
    return pd.concat(tables, ignore_index=True)


def without_a_speaker(epochs: int = 3, base: RunSpec = BASE) -> "pd.DataFrame":
    """Each speaker left out in turn: the combinations with speech, on test triplets in which only that voice is heard.

    Beside them the base, which has heard all six voices, on all test triplets ("none").

    Returns: tidy: left_out, epochs, given, and the columns of `combination_table` (sampled z).
    """
    import pandas as pd

    tables = []
    for speaker in ("", *SPEAKERS):
        run = replace(base, data=replace(base.data, left_out=speaker), name=f"{base.name}-{speaker}" if speaker else base.name)
        table = evaluate.combination_table(trained(run, epochs), data.load("test", run.data))
        table = table.loc[[given for given in table.index if "m3" in given and "mean" not in given]].reset_index()
        tables.append(table.assign(left_out=speaker or "none", epochs=epochs))
    frame = pd.concat(tables, ignore_index=True)
    return frame.set_index(["left_out", "epochs"]).reset_index()


def contest(best: RunSpec, epochs: int = 5) -> "pd.DataFrame":
    """A search's winner and both presets, all trained alike on the split by writers; on validation writers and on the test set.

    Returns: tidy: answer, epochs, split, given, and the columns of `combination_table` (sampled z).
    """
    import pandas as pd

    tables = []
    for answer, run in {"the search's winner": best, "as_written": AS_WRITTEN, "as_run": AS_RUN}.items():
        alike = {"data": replace(run.data, split=BASE.data.split), "name": _slug(f"contest-{answer}")}
        model = trained(replace(run, train=replace(run.train, precision=BASE.train.precision, compile=False), **alike), epochs)
        for split in ("val", "test"):
            table = evaluate.combination_table(model, data.load(split, model.spec.data))
            tables.append(table.reset_index().assign(answer=answer, epochs=epochs, split=split))
    frame = pd.concat(tables, ignore_index=True)
    return frame.set_index(["answer", "epochs", "split"]).reset_index()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower())
