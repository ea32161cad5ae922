"""Comparisons: each variant differs in one choice, the base is trained once, each row is of the run that it names."""

import dataclasses
from dataclasses import replace

import pytest
import torch
from small import run, triplets
from torch import nn

from mvae_lib import data, evaluate, search, train, variants
from mvae_lib.data import triplets as module
from mvae_lib.model import MVAE


@pytest.fixture
def base(monkeypatch, tmp_path):
    def load(split, recipe):
        named = [f"{i % 10}_{variants.SPEAKERS[i % 6]}_{i}.wav" for i in range(40)]
        whole = replace(triplets(split), recipe=recipe, speech_names=named)
        if recipe.speech == "frames":
            frames = whole.pools["speech"][..., None].expand(-1, -1, 64).contiguous()
            whole = replace(whole, pools={**whole.pools, "speech": frames})
        return whole

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr("mvae_lib.checkpoint.RUNS", tmp_path)
    return replace(variants.BASE, model=run().model, train=replace(variants.BASE.train, batch_size=16, precision="float32"))


def leaves(value, path=""):
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from leaves(item, f"{path}.{i}")
    else:
        yield path, value


def test_a_variant_differs_in_one_choice(base):
    allowed = {
        "rebuilt": {".train.rebuild", ".train.subsets", ".train.random_subsets"},
        "beta": {".train.beta"},
        "label term": {".train.label_weight"},
        "speech coefficient": {".model.modalities.2.weight"},
        "latent size": {".model.latent"},
        "speech view": {
            ".data.speech",
            ".model.modalities.2.shape.0",
            ".model.modalities.2.shape.1",
            ".model.modalities.2.weight",
        },
        "logvar heads": {".model.zero_logvar"},
        "activation": {".model.activation", ".model.batch_norm"},
    }
    asked = variants.variants(variants.BASE)
    assert asked.keys() == allowed.keys()
    for question, answers in asked.items():
        assert variants.BASE in answers.values() and len(set(answers.values())) == len(answers) >= 2
        for other in answers.values():
            changed = set(leaves(other)) ^ set(leaves(variants.BASE))
            assert {path for path, _ in changed} <= allowed[question]
    vector, frames = (r.model.modalities[-1] for r in asked["speech view"].values())
    assert vector.weight * vector.features == frames.weight * frames.features  # the same total weight


def test_the_base_is_trained_once_and_each_row_is_of_its_own_run(base, monkeypatch):
    real, trained = train.fit, []
    monkeypatch.setattr(train, "fit", lambda r, *a, **k: trained.append(r.name) or real(r, *a, bar=False, **k))
    frame = variants.compare(("beta", "label term", "speech view"), 1, base)
    assert sorted(trained) == sorted({*trained}) and len(trained) == 6  # 3 betas besides the base's, no labels, frames, base
    assert len(frame) == (4 + 2 + 2) * 7 and not frame["neg_elbo"].isna().any()
    own = frame.query("question == 'beta' and answer == '4'").set_index("given")
    model = variants.trained(replace(base, name="variant-beta-4", train=replace(base.train, beta=4.0)), 1)
    table = evaluate.combination_table(model, data.load("val", base.data))
    assert own["bce_farsi"].to_dict() == table.loc[own.index, "bce_farsi"].to_dict()
    assert own["kl"].tolist() == pytest.approx(own["kl_to_prior"].tolist(), rel=1e-4)  # by two ways
    once_more = variants.compare(("beta",), 1, base)  # from the folders
    assert once_more.equals(frame[frame["question"] == "beta"].reset_index(drop=True))
    with pytest.raises(ValueError, match="No question is called taste; there are: rebuilt, beta"):
        variants.compare(("taste",), 1, base)


def test_nearest_class_mean_on_codes_that_are_the_digit(base, monkeypatch):
    model, split = MVAE(base), data.load("val", base.data)
    perfect = torch.eye(10)
    monkeypatch.setattr(evaluate, "posteriors", lambda m, t, given: (perfect[t.labels], None))
    assert variants._centroids(model, split, split, every=1) == [1.0] * 7
    monkeypatch.setattr(evaluate, "posteriors", lambda m, t, given: (torch.ones(len(t), 10), None))
    assert variants._centroids(model, split, split, every=1) == pytest.approx([0.1] * 7)
    sign = (torch.arange(len(split)) // 10 % 2 * 2 - 1)[:, None]  # adversarial: easy to tell apart, and all means are one
    monkeypatch.setattr(evaluate, "posteriors", lambda m, t, given: (perfect[t.labels] * sign, None))
    assert variants._centroids(model, split, split, every=1) == pytest.approx([0.1] * 7)


def test_gradient_norms_are_the_steps_own(base):
    frame = variants.gradient_norms(base)
    assert frame.groupby("answer").size().to_dict() == dict.fromkeys(variants.WORDS.values(), 3)
    spec = variants.variants(base)["logvar heads"]["default"]
    with torch.random.fork_rng():
        torch.manual_seed(spec.train.seed)
        model = MVAE(spec)
    _, batch = next(train._batches(model, data.load("train", spec.data).repaired(1), 1, spec.train.batch_size, shuffled=True))
    loss, _ = train.batch_loss(model, spec, *batch, torch.tensor(spec.train.beta))
    loss.backward()
    first = frame.query("answer == 'default' and step == 1")["gradient"].item()
    assert first == pytest.approx(float(nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])))


def test_a_speaker_left_out_is_not_learnt_from(base, monkeypatch):
    seen = []
    monkeypatch.setattr(variants, "trained", lambda r, epochs: seen.append(r) or MVAE(r))
    monkeypatch.setattr(evaluate, "combination_table", lambda m, t: _table(m.spec.data.left_out, t.recipe.left_out))
    frame = variants.without_a_speaker(1, base)
    assert [r.data.left_out for r in seen] == ["", *variants.SPEAKERS] and len({r.name for r in seen}) == 7
    assert set(frame["given"]) == {"m3", "m2,m3", "m1,m3", "m1,m2,m3"} and len(frame) == 28
    assert frame["left_out"].drop_duplicates().tolist() == ["none", *variants.SPEAKERS]


def _table(of_model: str, of_triplets: str):
    import pandas as pd

    assert of_model == of_triplets
    return pd.DataFrame({"accuracy": 1.0}, index=pd.Index([*evaluate.REPORT_ORDER, evaluate.CLASS_MEAN], name="given"))


def test_a_contest_is_on_equal_terms(base, monkeypatch):
    seen = []
    monkeypatch.setattr(variants, "trained", lambda r, epochs: seen.append(r) or MVAE(r))
    monkeypatch.setattr(evaluate, "combination_table", lambda m, t: _table("", ""))
    monkeypatch.setattr(variants, "AS_RUN", replace(run(), name="as_run"))
    monkeypatch.setattr(variants, "AS_WRITTEN", replace(run(), name="as_written"))
    frame = variants.contest(base, 1)
    assert {r.data.split for r in seen} == {"by_writer"} and len({(r.train.precision, r.train.compile) for r in seen}) == 1
    assert frame["answer"].drop_duplicates().tolist() == ["the search's winner", "as_written", "as_run"]
    assert set(frame["split"]) == {"val", "test"}


def test_the_speakers_are_the_data_s():
    if not data.is_real():
        pytest.skip("the public files are not here")
    spoken = {name.split("_")[1] for name in data.load("train", search.BASE.data).speech_names}
    assert spoken == set(variants.SPEAKERS) and module.SPLITS
