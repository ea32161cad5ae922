"""Paper to draw a digit on, by mouse, finger or stylus: an anywidget, with `pen.js`; and a drawing of each digit."""

import json
from pathlib import Path

import anywidget
from traitlets import Float, List, Unicode

from study.app.drawing import WIDTH

EXAMPLES: dict[str, list[list[list[list[float]]]]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""Script -> digit -> strokes, drawn for this project by hand: no sample of any data set is in it."""


class Pen(anywidget.AnyWidget):
    """What is drawn on a square: `strokes`, as `drawn` takes them, sent as one message when one ends; [] clears."""

    _esm = Path(__file__).with_suffix(".js")
    strokes = List(List(List(Float()))).tag(sync=True, echo_update=False)
    width = Float(WIDTH).tag(sync=True)
    label = Unicode("Draw a digit here").tag(sync=True)
