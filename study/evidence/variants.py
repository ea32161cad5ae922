"""One choice changed at a time: which of the recipe's choices matter? Each variant is a run like any other, kept in data/runs."""

import re
from dataclasses import replace
from itertools import islice

import pandas as pd
import torch

from mvae_lib import MVAE, build, data, metrics, powerset, tables, train
from mvae_lib.fusion import noise_source
from mvae_lib.model import Plan
from mvae_lib.objectives import columns
from mvae_lib.pairs import Pairs
from mvae_lib.presets import AS_RUN, AS_WRITTEN
from mvae_lib.spec import RunSpec
from study.evidence.alignment import departure_table
from study.evidence.classifiers import labels_of
from study.evidence.disentangle import centroid_accuracy
from study.evidence.search import BASE as SEARCHED

BASE = replace(SEARCHED, name="variant")  # the small networks on the split by writers, as in the search
WORDS = {"weights": "weights at zero", "none": "default", "all": "weights and biases at zero"}
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")  # the six voices of FSDD v1.0.10


def variants(base: RunSpec = BASE) -> dict[str, dict[str, RunSpec]]:
    """Question -> answer -> the spec of a run that differs from `base` in that one choice. One of the answers is `base`."""
    *images, speech = base.model.modalities

    def changed(part: str, **changes) -> RunSpec:
        return replace(base, **{part: replace(getattr(base, part), **changes)})

    def spoken(**changes) -> RunSpec:
        return changed("model", modalities=(*images, replace(speech, **changes)))

    framed = replace(spoken(shape=(13, 64), weight=speech.weight / 64), data=replace(base.data, speech="frames"))
    dropped = changed("train", subsets="sampled", random_subsets=1)
    return {
        "rebuilt": {"all": base, "all, two subsets dropped a step": dropped, "given": changed("train", rebuild="given")},
        "beta": {f"{beta:g}": changed("train", beta=beta) for beta in (0.05, 0.25, 1.0, 4.0)},
        "label term": {"with": base, "without": changed("train", label_weight=0.0)},
        "speech coefficient": {f"{weight:g}": spoken(weight=weight) for weight in (1.0, 10.0, 100.0, 1000.0)},
        "latent size": {str(size): changed("model", latent=size) for size in (2, 8, 32, 128, 512)},
        "speech view": {"13 means": base, "13 × 64 frames": framed},
        "logvar heads": {WORDS[zero]: changed("model", zero_logvar=zero) for zero in ("none", "weights", "all")},
        "activation": {"swish": base, "ReLU, batch norm": changed("model", activation="relu", batch_norm=True)},
    }


def trained(run: RunSpec, epochs: int) -> MVAE:
    """A run of so many epochs: from its folder where it is there, else trained."""
    run = replace(run, name=re.sub(r"[^a-z0-9.]+", "-", run.name.lower()), train=replace(run.train, epochs=epochs, patience=0))
    model, _ = train.fit(run, data.load("train", run.data))
    return model


def compare(questions: tuple[str, ...] = (), epochs: int = 3, base: RunSpec = BASE) -> pd.DataFrame:
    """One choice changed at a time (rebuilt, beta, latent size, ...; by default all), trained here where it is not yet.
    Measured on the validation writers, by `combination_table` (sampled z), `departure_table`, the nearest class mean among
    posterior means, and active units, given all; nothing of the tests is looked at. ValueError: no such question."""
    known = variants(base)
    if wrong := set(questions) - set(known):
        raise ValueError(f"No question is called {', '.join(sorted(wrong))}; there are: {', '.join(known)}.")
    measured, frames = {}, {}
    for question in questions or known:
        for answer, run in known[question].items():
            if run not in measured:  # the base is an answer to every question, and trained once
                named = run if run == base else replace(run, name=f"{base.name}-{question}-{answer}")
                measured[run] = _measured(trained(named, epochs)).assign(epochs=epochs, seed=run.train.seed)
            frames[question, answer] = measured[run]
    return pd.concat(frames, names=["question", "answer", "given"]).reset_index()


def _measured(model: MVAE, every: int = 8) -> pd.DataFrame:
    """All that `compare` tells of one run; class means are of one training tuple in `every`."""
    few, held_out = data.load("train", model.spec.data).take(slice(None, None, every)), data.load("val", model.spec.data)
    table = tables.combination_table(model, held_out).join(departure_table(model, held_out), how="right")
    shares = []
    for given in table.index:
        known, asked = (tables.posteriors(model, each, tables.members(model.names, given)).mean for each in (few, held_out))
        shares.append(centroid_accuracy(known, labels_of(few), asked, labels_of(held_out)))
    active = metrics.active_units(tables.posteriors(model, held_out).mean).sum()
    return table.assign(centroid_accuracy=shares, active_units=int(active))


def first_steps(runs: dict[str, RunSpec], pairs: Pairs, steps: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """Norm of the whole gradient, and objective (nats, summed over subsets), at each of the first steps of training.
    `steps`: of one epoch; None: all of it. `seed`: of batch order and noise; None: 0 of the order, and the noise is drawn on from
    where drawing the weights left the generator."""
    rows = []
    for name, run in runs.items():
        with torch.random.fork_rng():
            torch.manual_seed(run.train.seed)
            model, draw = build(run), noise_source(seed or 0)
            optimizer = torch.optim.Adam(model.parameters(), run.train.learning_rate, amsgrad=run.train.amsgrad, fused=True)
            step, n = train.fast_step(model, optimizer), len(model.names)
            plan, order = Plan.of(powerset(n), n, run.train.rebuild), pairs.order(run.train.batch_size, seed or 0)
            for i, index in enumerate(islice(order, steps)):
                (x, y), beta = pairs.gather(index), run.train.beta_at(i, len(order))
                noise = draw(len(plan.subsets), len(y), run.model.latent)
                noise = noise if seed is not None else noise._replace(normal=torch.randn(noise.normal.shape))
                _, means, _ = step(1.0, x, y, pairs.seen(index), noise, plan, torch.tensor(beta))
                norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
                rows.append((name, i + 1, float(norm), columns(means, model, beta)["reported_bound"].sum().item()))
    return pd.DataFrame(rows, columns=["variant", "step", "gradient", "objective"])


def gradient_norms(base: RunSpec = BASE) -> pd.DataFrame:
    """Gradient norms of the first epoch, by what of the logvar heads starts at zero: answer, step, gradient."""
    pairs = data.load("train", base.data).repaired(1)
    frame = first_steps(variants(base)["logvar heads"], pairs, seed=base.train.seed * 100_003 + 1)  # as `train_epoch` has them
    return frame.drop(columns="objective").rename(columns={"variant": "answer"})


def without_a_speaker(epochs: int = 3, seeds: int = 3, base: RunSpec = BASE) -> pd.DataFrame:
    """Each speaker left out in turn, then tested alone, from so many seeds, trained here where it is not yet.
    A row a seed, speaker and combination, of test: "m1,m2" beside "m1,m2,m3" says what the voice adds to the same networks on
    the same triplets. Beside them the base, which has heard all six voices, on all test triplets ("none")."""
    frames = {}
    for seed in range(seeds):
        one = replace(base, train=replace(base.train, seed=seed))
        runs = {who: replace(one, name=f"{base.name}-{who}", data=replace(base.data, left_out=who)) for who in SPEAKERS}
        frames[seed] = _tables({"none": one, **runs}, epochs, "left_out", ("test",)).drop(columns="split")
    frame = pd.concat(frames, names=["seed"]).reset_index("seed")
    return frame[frame["given"].isin(tables.REPORT_ORDER)].reset_index(drop=True)


def contest(best: RunSpec, epochs: int = 5, seeds: int = 3) -> pd.DataFrame:
    """A search's winner beside both presets, trained here where they are not yet, alike, over seeds, on the split by writers.
    view: of speech; where it differs, so do the units of sse_speech and of the bounds."""
    frames = {}
    for seed in range(seeds):
        runs = {"the search's winner": best, "as_written": AS_WRITTEN, "as_run": AS_RUN}
        for answer, run in runs.items():
            alike = replace(run.train, precision=BASE.train.precision, compile=False, seed=seed)
            runs[answer] = replace(run, name=f"contest-{answer}", data=replace(run.data, split=BASE.data.split), train=alike)
        views = {answer: run.data.speech for answer, run in runs.items()}
        frames[seed] = _tables(runs, epochs, "answer", ("val", "test")).assign(view=lambda f, views=views: f["answer"].map(views))
    return pd.concat(frames, names=["seed"]).reset_index(0)


def _tables(runs: dict[str, RunSpec], epochs: int, key: str, splits: tuple[str, ...]) -> pd.DataFrame:
    """`combination_table` of several runs on some splits; `key`: the name of the column that tells the runs apart."""
    frames = {}
    for answer, run in runs.items():
        model = trained(run, epochs)
        for split in splits:
            frames[answer, epochs, split] = tables.combination_table(model, data.load(split, run.data))
    return pd.concat(frames, names=[key, "epochs", "split", "given"]).reset_index()
