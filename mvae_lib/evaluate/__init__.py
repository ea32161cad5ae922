"""A model and triplets -> tidy DataFrames; also ``python -m mvae_lib.evaluate --help``."""

from mvae_lib.evaluate.agnostic import departure_table, overlap_table, probe_table, single_posteriors
from mvae_lib.evaluate.coherence import cross_modal_coherence, prior_coherence, reader_accuracy, train_readers
from mvae_lib.evaluate.heard import heard_table, sounds, sounds_of
from mvae_lib.evaluate.labels import calibration_table, confusions, gains, label_baselines, label_beliefs
from mvae_lib.evaluate.latent import describe, label_sweep, latent_table, perturb, posteriors, strips, walk, walks
from mvae_lib.evaluate.likelihood import likelihood_table
from mvae_lib.evaluate.missing import beside_class_means, missing_table
from mvae_lib.evaluate.seeds import added, latents_over_seeds, over_seeds, seed_table, spread
from mvae_lib.evaluate.sweeps import sweep_table
from mvae_lib.evaluate.tables import (
    CLASS_MEAN,
    FLOOR,
    GLOBAL_MEAN,
    REPORT_ORDER,
    baselines,
    combination_table,
    combinations,
    members,
    running_means,
)

__all__ = [
    "CLASS_MEAN",
    "FLOOR",
    "GLOBAL_MEAN",
    "REPORT_ORDER",
    "added",
    "baselines",
    "beside_class_means",
    "calibration_table",
    "combination_table",
    "combinations",
    "confusions",
    "cross_modal_coherence",
    "departure_table",
    "describe",
    "gains",
    "heard_table",
    "label_baselines",
    "label_beliefs",
    "label_sweep",
    "latent_table",
    "latents_over_seeds",
    "likelihood_table",
    "members",
    "missing_table",
    "over_seeds",
    "overlap_table",
    "perturb",
    "posteriors",
    "prior_coherence",
    "probe_table",
    "reader_accuracy",
    "running_means",
    "seed_table",
    "single_posteriors",
    "sounds",
    "sounds_of",
    "spread",
    "strips",
    "sweep_table",
    "train_readers",
    "walk",
    "walks",
]
