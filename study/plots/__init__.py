"""The study's pictures: `draw` a table by its name; ``python -m study.plots`` draws every committed one again."""

from study.plots.registry import FIGURES, draw, report_table

__all__ = ["FIGURES", "draw", "report_table"]
