"""A small explorer, and what is seen of it, for the tests of the explorer that need no browser."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from small import run, triplets

from mvae_lib.model import MVAE, build
from mvae_lib.pairs import Pairs
from mvae_lib.spec import RunSpec
from study.app.explorer import Explorer
from study.evidence.ship import describe


def described(spec: RunSpec, test: Pairs, train: Pairs) -> MVAE:
    """An untrained model, described as a shipped one is."""
    torch.manual_seed(0)
    model = build(spec).eval()
    model.card = {"source": test.source, **describe(model, test, train, per_label=2)}
    return model


def small_model() -> MVAE:
    return described(run(), triplets("test"), triplets("train"))


@pytest.fixture(scope="module")
def model() -> MVAE:
    return small_model()


@pytest.fixture(params=["with data", "stored"])
def explorer(request: pytest.FixtureRequest, model: MVAE) -> Explorer:
    return Explorer(model, triplets("test") if request.param == "with data" else None)


def png_of(explorer: Explorer) -> bytes:
    return bytes(explorer.image.value)


def shown(explorer: Explorer) -> np.ndarray:
    """The picture on the screen, as RGB."""
    return np.asarray(Image.open(io.BytesIO(png_of(explorer))).convert("RGB"))
