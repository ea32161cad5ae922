"""The study's pictures: `draw` a table by its name, `save` it; ``python -m study.plots`` draws every committed one again."""

from study.plots.registry import FIGURES, draw, report_table
from study.plots.style import save, saved, table

__all__ = ["FIGURES", "draw", "report_table", "save", "saved", "table"]
