"""What the page shows, from models and data that are loaded once in a process."""

from functools import cache

from ipywidgets import Tab

import mvae_lib
from mvae_lib import MVAE, data
from mvae_lib.data import Triplets
from study.app.explorer import Explorer
from study.app.pen import EXAMPLES
from study.app.studio import Studio


@cache
def loaded(name: str) -> tuple[MVAE, Triplets | None]:
    """A shipped model, and the test triplets of its recipe where the data are at hand."""
    model = mvae_lib.load(name)
    return model, data.load("test", recipe=model.spec.data) if data.at_hand() else None


def page() -> Tab:
    """The explorer and the studio, each with a state of its own; the models and the data are shared, and stay as they are."""
    studio = Studio(*loaded("spoken"))
    studio.draw("farsi", EXAMPLES["farsi"][7])
    return Tab([Explorer(*loaded("as_run")), studio], titles=["Explore", "Draw and say"])
