"""Paper to draw a digit on, by mouse, finger or stylus: an anywidget, with `pen.js`; and a drawing of each digit."""

import json
from pathlib import Path

import anywidget
from traitlets import Float, List, Unicode

from mvae_lib.data.digits import WIDTH

EXAMPLES: dict[str, list[list[list[list[float]]]]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""Script -> digit -> strokes, drawn for this project by hand: no sample of any data set is in it."""


class Pen(anywidget.AnyWidget):
    """What is drawn on a square, stroke by stroke; `mvae_lib.data.digits.drawn` makes the data's form of it.

    The browser draws at once, and sends all strokes in one message when one ends. Setting `strokes` draws them; ``[]`` clears.

    Args:
        label: what the empty paper says, and what it is called where it cannot be seen.
    """

    _esm = Path(__file__).with_suffix(".js")
    strokes = List(List(List(Float()))).tag(sync=True, echo_update=False)
    """Each a list of points [x, y], from the left and from the top, in parts of the side; a tap has one."""
    width = Float(WIDTH).tag(sync=True)
    """Of the line, in parts of the side."""
    label = Unicode("Draw a digit here").tag(sync=True)
