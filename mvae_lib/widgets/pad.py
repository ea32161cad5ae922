"""A square to move two sliders at once. The one thing here that ipywidgets has nothing for: it takes anywidget, and `pad.js`."""

from pathlib import Path

import anywidget
from ipywidgets import Widget, widget_serialization
from traitlets import Instance, List, Unicode


class Pad(anywidget.AnyWidget):
    """Two sliders' values as a point: dragged by mouse or finger, moved by the arrow keys. It holds no value of its own.

    Args:
        across, up: sliders with ``value``, ``min``, ``max`` and ``step``; in the browser the pad sets theirs and follows them.
        names: what stands beside the two axes.
    """

    _esm = Path(__file__).with_suffix(".js")
    across = Instance(Widget).tag(sync=True, **widget_serialization)
    up = Instance(Widget).tag(sync=True, **widget_serialization)
    names = List(Unicode()).tag(sync=True)
