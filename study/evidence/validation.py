"""Beside the curve that the report's authors kept: the joint objective on validation triplets, epoch by epoch."""

from dataclasses import replace

import pandas as pd

from mvae_lib import data, tables, train
from mvae_lib.presets import AS_RUN
from mvae_lib.storage import RUNS

# One number an epoch, as its authors typed them into their notebook: GitHub mnishant2/MVAE_missing_modality_PGM at 4a84a2a,
# notebooks/Copy of train.ipynb.
AUTHORS = (
    359.17, 282.2, 256.1, 241.4, 229.1, 222.5, 215.88, 211.67, 209, 206.6, 204.1, 202, 201.2, 199.75, 198.72, 198.68,
    198.27, 197.4, 196.4, 195.34, 196.36, 195.1, 194.58, 194.93, 193.89, 193.87, 193.98, 193.51, 194.35, 193.75, 193.74, 193.42,
)  # fmt: skip


def validation_curve(seed: int = 0, epochs: int = len(AUTHORS)) -> pd.DataFrame:
    """`as_run` trained an epoch at a time, in the folder of a run of that seed, and after each measured in two ways.

    sampled: as `fit` watches it, one draw a triplet, at the beta reached. mean: as the authors' code does, at the posterior mean,
    at the mean of its betas over 94 batches of 128, which it counts as if an epoch had 188. All given, nats a triplet.
    """
    pairs, held_out = (data.load(split, AS_RUN.data) for split in ("train", "val"))
    spec, rows = replace(AS_RUN.train, seed=seed, patience=0), []
    for epoch in range(1, epochs + 1):
        so_far = replace(AS_RUN, train=replace(spec, epochs=epoch))
        model, history = train.fit(so_far, pairs, held_out, RUNS / f"as_run-real-{seed}", bar=False)
        sampled = history.query("epoch == @epoch and split == 'val'")["reported_bound"].iloc[-1]
        mean, beta = tables.combination_table(model, held_out, z="mean").loc["m1,m2,m3"], (epoch - 1 + 47.5 / 188) / 200
        mean = mean["reported_bound"] + (beta - model.beta) * mean["kl"]
        rows.append((seed, epoch, AUTHORS[epoch - 1], float(sampled), float(mean)))
    return pd.DataFrame(rows, columns=["seed", "epoch", "authors", "sampled", "mean"])
