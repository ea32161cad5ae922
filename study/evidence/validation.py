"""Beside the curve that the report's authors kept: the joint objective on validation triplets, epoch by epoch."""

from dataclasses import replace

import pandas as pd

from mvae_lib import data, tables, train
from mvae_lib.presets import AS_RUN
from mvae_lib.storage import RUNS, write

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
    spec, folder = replace(AS_RUN.train, seed=seed, patience=0), RUNS / f"as_run-real-{seed}"
    path, columns = folder / "validation.csv", ["seed", "epoch", "authors", "sampled", "mean"]
    rows = pd.read_csv(path)[columns] if path.exists() else pd.DataFrame(columns=columns, dtype=float)
    for epoch in range(len(rows) + 1, epochs + 1):  # an epoch's row is kept as soon as it is made: it cannot be made later
        model, history = train.fit(replace(AS_RUN, train=replace(spec, epochs=epoch)), pairs, held_out, folder, bar=False)
        sampled = history.query("epoch == @epoch and split == 'val'")["reported_bound"].iloc[-1]
        all_given = tables.combination_table(model, held_out, z="mean").loc["m1,m2,m3"]
        beta = (epoch - 1 + 47.5 / 188) / 200
        mean = all_given["reported_bound"] + (beta - model.beta) * all_given["kl"]
        rows.loc[len(rows)] = [seed, epoch, AUTHORS[epoch - 1], sampled, mean]
        write(path, lambda part, rows=rows: rows.to_csv(part, index=False))
    return rows.astype({"seed": int, "epoch": int})
