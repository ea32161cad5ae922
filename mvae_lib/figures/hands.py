"""Pictures of what was drawn by hand, and of what was rebuilt from it."""

from typing import TYPE_CHECKING

import numpy as np

from mvae_lib.figures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def by_hand(frame: "pd.DataFrame", images: dict[str, np.ndarray]) -> "Figure":
    """Digits drawn by hand in one script, and the other script rebuilt from each: a column a digit, with what is read.

    Args:
        frame: script, digit, read, probability (of what is read).
        images: script -> ``[20, 784]`` in [0, 1]: the ten as the model sees them, and what it rebuilds of the other script.
    """
    scripts = list(images)
    figure, axes = style.new(2 * len(scripts), 10, (9.0, 4.3))
    for i, script in enumerate(scripts):
        rows = frame[frame["script"] == script]
        other = next(name for name in scripts if name != script)
        for j, (read, probability, digit) in enumerate(zip(rows["read"], rows["probability"], rows["digit"], strict=True)):
            style.digit(axes[2 * i, j], images[script][j], f"{digit}", style.COLOUR[script])
            style.digit(axes[2 * i + 1, j], images[script][10 + j], f"read {read}, {probability:.0%}")
        axes[2 * i, 0].set_ylabel(f"drawn\n{style.TITLE[script]}", fontsize=8)
        axes[2 * i + 1, 0].set_ylabel(f"rebuilt\n{style.TITLE[other]}", fontsize=8)
    return figure
