"""The seams: five extensions from outside (tests/seams), each trained, resumed, loaded and tabled; and data of one's own."""

import os
import subprocess
import sys
from dataclasses import replace

import jaxtyping
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from seams import conv, jmvae, missing, mopoe, mvtcae
from small import MODEL, run, triplets
from torch import nn

from mvae_lib import load, tables, train
from mvae_lib.fusion import FUSIONS, noise_source
from mvae_lib.model import MVAE, Plan, build
from mvae_lib.networks import NETWORKS
from mvae_lib.objectives import powerset_objective, terms
from mvae_lib.pairs import Pairs
from mvae_lib.spec import Modality, ModelSpec, RunSpec, TrainSpec
from mvae_lib.storage import ROOT
from mvae_lib.subsets import powerset


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """What an extension adds by name."""
    monkeypatch.setitem(FUSIONS, "mopoe", mopoe.mixture_of_products)
    monkeypatch.setitem(NETWORKS, "conv", (conv.expert, conv.decoder))


def joint_model() -> MVAE:
    """JMVAE's parts, from a spec; the joint network is one's own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts, width = build(run()), sum(m.features for m in MODEL.modalities)
        return jmvae.JMVAE(parts.experts, parts.decoders, parts.label_decoder, parts.likelihoods,
                           joint=nn.Linear(width, 2 * MODEL.latent), spec=replace(run(), model=ModelSpec()))  # fmt: skip


EXTENSIONS = {
    "mixture": (lambda: run(replace(MODEL, fusion="mixture")), None),
    "mixture of products": (lambda: run(replace(MODEL, fusion="mopoe")), None),
    "total correlation": (run, mvtcae.total_correlation),
    "convolutions": (lambda: run(replace(MODEL, network="conv")), None),
    "joint network": (joint_model, jmvae.joint_objective),
    "missing": (run, None),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_it_trains_resumes_loads_and_gives_its_table(name, tmp_path):
    made, objective = EXTENSIONS[name]
    learnt = missing.at_random(triplets(), 0.5) if name == "missing" else triplets()

    def fit(folder, epochs=4):
        model = made()
        spec = model if isinstance(model, RunSpec) else model.spec
        spec = replace(spec, train=replace(spec.train, epochs=epochs))
        if isinstance(model, MVAE):
            model.spec = spec
        return train.fit(spec if isinstance(model, RunSpec) else model, learnt, triplets("val"), folder, objective, bar=False)

    model, history = fit(tmp_path / "whole")
    losses = history[history["split"] == "train"].groupby("epoch")["objective"].first()
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]
    fit(tmp_path / "halves", epochs=2)
    fit(tmp_path / "halves")
    whole, halves = (load_file(tmp_path / each / "state.safetensors") for each in ("whole", "halves"))
    assert whole.keys() == halves.keys() and all(torch.equal(whole[key], halves[key]) for key in whole)

    again = load(tmp_path / "whole", joint_model() if name == "joint network" else None)
    for z in ("sample", "mean"):
        table = tables.combination_table(model, triplets("test"), z)
        assert table.drop([tables.CLASS_MEAN, tables.GLOBAL_MEAN]).notna().all(axis=None)
        pd.testing.assert_frame_equal(table, tables.combination_table(again, triplets("test"), z))
    x, y = triplets("test").gather(slice(None))
    for subset in powerset(3):  # the table says what the public calls do
        given = {MODEL.names[i]: x[MODEL.names[i]] for i in subset}
        row = table.loc[",".join(f"m{i + 1}" for i in subset)]
        with torch.no_grad():
            label, kl = model.classify(given).argmax(-1), model.posterior(given).kl_to_prior()
        assert row["accuracy"] == pytest.approx(float((label == y).float().mean()))
        assert row["kl"] == pytest.approx(float(kl.mean()), rel=1e-4)


def test_a_run_is_not_taken_up_with_another_objective(tmp_path):
    train.fit(run(epochs=1), triplets(), None, tmp_path / "run", mvtcae.total_correlation, bar=False)
    with pytest.raises(ValueError, match="train.objective"):
        train.fit(run(epochs=2), triplets(), None, tmp_path / "run", bar=False)
    with pytest.raises(ValueError, match="is 'elbo'; it takes one of 'powerset'"):
        train.fit(run(objective="elbo"), triplets(), None, tmp_path / "other", bar=False)


def test_load_asks_for_the_networks_that_no_spec_says(tmp_path):
    train.fit(joint_model(), triplets(), None, tmp_path / "run", jmvae.joint_objective, bar=False)
    with pytest.raises(ValueError, match="give load a model"):
        load(tmp_path / "run")


# ------------------------------------------------------------------ presence


def gradients(x, y, seen, rebuild="all"):
    torch.manual_seed(0)
    model, plan = build(run(rebuild=rebuild)), Plan.of(powerset(3), 3, rebuild)
    out = model(x, noise_source(0)(7, len(y), 8), plan, seen)
    loss = powerset_objective(out, terms(out, x, y, model, seen), torch.tensor(0.5))
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("rebuild", ["all", "given"])
def test_what_is_missing_has_no_loss_and_no_gradient(rebuild):
    """NaN, infinity or noise where a modality is missing: the same loss; gradients of exactly 0 for one that nobody has."""
    x, y = triplets().gather(slice(6))
    seen = torch.ones(3, 6, dtype=torch.bool)
    seen[1], seen[2, ::2] = False, False
    ends = []
    for junk in (torch.nan, torch.inf, 0.5):
        poisoned = {name: v.where(there[:, None], junk) for (name, v), there in zip(x.items(), seen, strict=True)}
        ends.append(gradients(poisoned, y, seen, rebuild))
    for loss, grads in ends[1:]:
        assert torch.equal(loss, ends[0][0]) and all(torch.equal(grads[k], ends[0][1][k]) for k in grads)
    for name, grad in ends[0][1].items():
        assert grad.isfinite().all()
        assert (grad == 0).all() == ("kannada" in name), name


@pytest.mark.parametrize("rebuild", ["all", "given"])
def test_a_sample_s_loss_is_the_powerset_of_what_it_has(rebuild):
    """One sample of two modalities costs what a model of these two alone would make of it."""
    x, y = triplets().gather([0])
    loss, grads = gradients(x, y, torch.tensor([[True], [False], [True]]), rebuild)
    torch.manual_seed(0)
    model = build(run())
    two = MVAE(*({name: part[name] for name in ("farsi", "speech")} for part in (model.experts, model.decoders)),
               model.label_decoder, {name: model.likelihoods[name] for name in ("farsi", "speech")})  # fmt: skip
    noise = noise_source(0)(7, 1, 8)
    rows = [powerset(3).index(subset) for subset in ((0,), (2,), (0, 2))]
    out = two({k: x[k] for k in two.names}, noise._replace(normal=noise.normal[rows]), Plan.of(powerset(2), 2, rebuild))
    want = powerset_objective(out, terms(out, x, y, two), torch.tensor(0.5))
    want.backward()
    torch.testing.assert_close(loss, want.detach())
    for name, parameter in two.named_parameters():
        torch.testing.assert_close(grads[name], parameter.grad, msg=name)


def test_the_mask_stays_from_epoch_to_epoch():
    pairs = missing.at_random(triplets(), 0.5)
    for epoch in (1, 2, 3):
        drawn = pairs.repaired(epoch)
        seen = drawn.seen(slice(None))
        for m, name in enumerate(pairs.names):
            assert torch.equal(seen[m], pairs.present[name][drawn.rows[:, m]])
    assert not torch.equal(pairs.repaired(1).rows, pairs.repaired(2).rows) and bool(triplets().seen(slice(None)).all())


def test_unlabelled_samples_have_no_part_in_the_label_s_terms(tmp_path):
    whole = replace(triplets("test"), pool_labels={})
    half = replace(whole, labels=whole.labels.where(torch.arange(40) < 20, -1))
    model, _ = train.fit(run(epochs=1), triplets(), None, tmp_path / "run", bar=False)
    first, mixed = (tables.combination_table(model, pairs, "mean") for pairs in (whole.take(slice(20)), half))
    for column in ("accuracy", "ce"):
        assert mixed[column].to_numpy() == pytest.approx(first[column].to_numpy(), nan_ok=True)
    every = tables.combination_table(model, whole, "mean")
    assert mixed["bce_farsi"].to_numpy()[:7] == pytest.approx(every["bce_farsi"].to_numpy()[:7])


# ------------------------------------------------------------------ data of one's own


def own_pairs(classes: int, split: str = "train") -> Pairs:
    """Two modalities of one's own that share the sample; three classes, or no labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    a = torch.nn.functional.one_hot(labels, 3) + 0.1 * torch.randn(60, 3, generator=generator)
    pools = {"a": a, "b": a.flip(1).view(60, 3, 1)}
    return Pairs(pools, torch.arange(60)[:, None].expand(60, 2), labels if classes else None, split=split)


@pytest.mark.parametrize("classes", [3, 0])
def test_own_data_trains_resumes_and_gives_its_table(classes, tmp_path):
    modalities = (Modality("a", (3,), "gaussian", (8,), (8,), 10.0), Modality("b", (3, 1), "gaussian", (8,), (8,), 10.0))
    spec = RunSpec(
        ModelSpec(modalities, latent=2, classes=classes), train=TrainSpec(epochs=30, batch_size=20, learning_rate=1e-2)
    )
    model, history = train.fit(spec, own_pairs(classes), own_pairs(classes, "val"), tmp_path / "run", bar=False)
    assert history["objective"].iloc[-1] < 0.8 * history["objective"].iloc[0]
    table = tables.combination_table(load(tmp_path / "run"), own_pairs(classes, "test"))
    rows = ["m1", "m2", "m1,m2", *([tables.CLASS_MEAN] if classes else []), tables.GLOBAL_MEAN]
    assert list(table.index) == rows and list(table.columns[3:5]) == ["sse_a", "sse_b"]
    assert table["accuracy"].notna().sum() == (3 if classes else 0) and table[["sse_a", "sse_b"]].notna().all(axis=None)
    assert table.loc["m1", "sse_b"] < table.loc[tables.GLOBAL_MEAN, "sse_b"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rows": torch.zeros(4, 3, dtype=torch.int64)}, "rows has 3 columns, and there are 2 pools"),
        ({"rows": torch.full((60, 2), 60)}, "rows of 'a' go from 60 to 60; its pool has 0 to 59"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "There are 3 labels for 60 tuples"),
        ({"present": {"c": torch.ones(60, dtype=torch.bool)}}, "present has {'c': 60}; the pools have"),
        ({"pool_labels": {"a": torch.zeros(60, dtype=torch.int64)}}, "pool_labels is of a; it takes all of a, b"),
    ],
)
def test_pairs_check_themselves_in_one_line(change, match, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as a user meets it
    with pytest.raises(ValueError, match=match) as error:
        replace(own_pairs(3), **change)
    assert "\n" not in str(error.value)


def test_the_file_of_thirty_lines_in_the_readme_runs(tmp_path):
    text = (ROOT / "README.md").read_text()
    code = text[text.index("```python\n# two_halves.py") :].partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) <= 30
    (tmp_path / "two_halves.py").write_text(code)
    done = subprocess.run([sys.executable, "two_halves.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env=os.environ | {"MVAE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    header, *lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("given")]
    table = {row[0]: dict(zip(header, row[-len(header) :], strict=True)) for row in lines}
    assert list(table) == ["m1", "m2", "m1,m2", "class", "global"] and header[3:5] == ["bce_top", "bce_bottom"]
    assert all(float(table[given]["accuracy"]) > 0.7 for given in ("m1", "m2", "m1,m2")), done.stdout
    assert float(table["m1"]["bce_bottom"]) < float(table["global"]["bce_bottom"])
