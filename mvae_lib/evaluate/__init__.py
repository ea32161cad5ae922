"""A model and triplets -> tidy DataFrames; also ``python -m mvae_lib.evaluate --help``."""

from mvae_lib.evaluate.latent import describe, label_sweep, latent_table, perturb, posteriors, strips, walk
from mvae_lib.evaluate.seeds import over_seeds, spread
from mvae_lib.evaluate.tables import (
    CLASS_MEAN,
    FLOOR,
    GLOBAL_MEAN,
    REPORT_ORDER,
    baselines,
    combination_table,
    combinations,
    running_means,
)

__all__ = [
    "CLASS_MEAN",
    "FLOOR",
    "GLOBAL_MEAN",
    "REPORT_ORDER",
    "baselines",
    "combination_table",
    "combinations",
    "describe",
    "label_sweep",
    "latent_table",
    "over_seeds",
    "perturb",
    "posteriors",
    "running_means",
    "spread",
    "strips",
    "walk",
]
