"""Comparisons: each variant differs in one choice, the base is trained once, each row is of the run that it names."""

import dataclasses
from dataclasses import replace

import pandas as pd
import pytest
import torch
from conftest import needs_real
from small import run, triplets
from torch import nn

from mvae_lib import build, data, tables, train
from mvae_lib.fusion import Gaussian, Noise
from mvae_lib.model import Plan
from mvae_lib.objectives import columns
from mvae_lib.subsets import powerset
from study.evidence import search, variants


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


def test_a_variant_differs_in_one_choice():
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
    assert list(frame.columns[:4]) == ["question", "answer", "given", "accuracy"]
    assert list(frame.columns[-4:]) == ["centroid_accuracy", "active_units", "epochs", "seed"]
    own = frame.query("question == 'beta' and answer == '4'").set_index("given")
    model = variants.trained(replace(base, name="variant-beta-4", train=replace(base.train, beta=4.0)), 1)
    table = tables.combination_table(model, data.load("val", base.data))
    assert own["bce_farsi"].to_dict() == table.loc[own.index, "bce_farsi"].to_dict()
    assert own["kl"].tolist() == pytest.approx(own["kl_to_prior"].tolist(), rel=1e-4)  # by two ways
    once_more = variants.compare(("beta",), 1, base)  # from the folders
    assert once_more.equals(frame[frame["question"] == "beta"].reset_index(drop=True))
    with pytest.raises(ValueError, match="No question is called taste; there are: rebuilt, beta"):
        variants.compare(("taste",), 1, base)


def test_nearest_class_mean_on_codes_that_are_the_digit(base, monkeypatch):
    model, perfect = build(base), torch.eye(10)
    model.card = {"class_means": {}, "global_means": {}}
    departed = tables.combinations(3)
    empty = pd.DataFrame({"kl_to_prior": 0.0}, index=pd.Index(departed, name="given"))
    monkeypatch.setattr(tables, "combination_table", lambda m, t: empty.rename(columns={"kl_to_prior": "kl"}))
    monkeypatch.setattr(variants, "departure_table", lambda m, t: empty)

    def shares(code) -> list[float]:
        codes = lambda m, t, given=None: Gaussian(code(t), torch.zeros(len(t), 10))  # noqa: E731
        monkeypatch.setattr(tables, "posteriors", codes)
        return variants._measured(model, every=1)["centroid_accuracy"].tolist()

    assert shares(lambda t: perfect[t.labels]) == [1.0] * 7
    assert shares(lambda t: torch.ones(len(t), 10)) == pytest.approx([0.1] * 7)
    # adversarial: easy to tell apart, and all means are one
    assert shares(lambda t: perfect[t.labels] * (torch.arange(len(t)) // 10 % 2 * 2 - 1)[:, None]) == pytest.approx([0.1] * 7)


def test_gradient_norms_are_the_steps_own(base):
    frame = variants.gradient_norms(base)
    assert list(frame.columns) == ["answer", "step", "gradient"]
    assert frame.groupby("answer").size().to_dict() == dict.fromkeys(variants.WORDS.values(), 3)
    spec = variants.variants(base)["logvar heads"]["default"]
    model, optimizer = train.untrained(spec)
    norms, step = [], train.fast_step(model, optimizer)

    def watched(*batch):
        result = step(*batch)
        norms.append(float(nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])))
        return result

    train.train_epoch(model, watched, data.load("train", spec.data).repaired(1), 1)  # the same epoch, by the trainer itself
    assert frame.query("answer == 'default'")["gradient"].tolist() == norms


def test_first_steps_are_those_of_the_plainest_loop(base):
    """Without a seed: weights and noise from one stream, batches in the order of seed 0; torch's own stream is left as it was."""
    few = triplets()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    frame = variants.first_steps({"one": run(), "other": run(seed=1)}, few, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert list(frame.columns) == ["variant", "step", "gradient", "objective"] and frame["step"].tolist() == [1, 2, 1, 2]
    torch.manual_seed(1)
    model = build(run(seed=1))
    step, rows = train.fast_step(model, torch.optim.Adam(model.parameters(), 1e-2, fused=True)), []
    for (x, y), _ in zip(few.batches(16, order_seed=0), range(2), strict=False):
        noise = Noise(torch.randn(7, len(y), 8), torch.zeros(7, len(y)))
        _, means, _ = step(1.0, x, y, None, noise, Plan.of(powerset(3), 3), torch.ones(()))
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
        rows.append([norm, columns(means, model, 1.0)["reported_bound"].sum().item()])
    assert frame.query("variant == 'other'")[["gradient", "objective"]].to_numpy().tolist() == rows


def test_a_speaker_left_out_is_not_learnt_from(base, monkeypatch):
    seen = []
    monkeypatch.setattr(variants, "trained", lambda r, epochs: seen.append(r) or build(r))
    monkeypatch.setattr(tables, "combination_table", lambda m, t: _table(m.spec.data.left_out, t.recipe.left_out))
    frame = variants.without_a_speaker(1, 2, base)
    assert [r.data.left_out for r in seen] == 2 * ["", *variants.SPEAKERS] and len({r.name for r in seen}) == 7
    assert [r.train.seed for r in seen] == 7 * [0] + 7 * [1] and len(set(seen)) == 14
    assert seen[0] == base and list(frame.columns) == ["seed", "left_out", "epochs", "given", "accuracy"]
    assert len(frame) == 2 * 7 * 7 and set(frame["given"]) == set(tables.REPORT_ORDER)  # the same networks without any voice, too
    assert frame["left_out"].drop_duplicates().tolist() == ["none", *variants.SPEAKERS]


def _table(of_model: str, of_triplets: str):
    assert of_model == of_triplets
    return pd.DataFrame({"accuracy": 1.0}, index=pd.Index([*tables.REPORT_ORDER, tables.CLASS_MEAN], name="given"))


def test_a_contest_is_on_equal_terms(base, monkeypatch):
    seen = []
    monkeypatch.setattr(variants, "trained", lambda r, epochs: seen.append(r) or build(r))
    monkeypatch.setattr(tables, "combination_table", lambda m, t: _table("", ""))
    monkeypatch.setattr(variants, "AS_RUN", replace(run(), name="as_run"))
    monkeypatch.setattr(variants, "AS_WRITTEN", replace(run(), name="as_written"))
    frame = variants.contest(base, 1, seeds=2)
    assert {r.data.split for r in seen} == {"by_writer"} and len({(r.train.precision, r.train.compile) for r in seen}) == 1
    assert frame["answer"].drop_duplicates().tolist() == ["the search's winner", "as_written", "as_run"]
    assert set(frame.columns) == {"seed", "answer", "view", "epochs", "split", "given", "accuracy"}
    assert set(frame["split"]) == {"val", "test"} and [r.train.seed for r in seen] == [0] * 3 + [1] * 3


@needs_real
def test_the_speakers_are_the_data_s(monkeypatch):
    monkeypatch.setenv("MVAE_DATA", "real")
    spoken = {name.split("_")[1] for name in data.load("train", search.BASE.data).speech_names}
    assert spoken == set(variants.SPEAKERS)
