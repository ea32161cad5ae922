"""Does bfloat16 training end at float32's table? ``python -m bench.precision``: seeds of each, small networks, by_writer's split.

Resumable; results in data/out/bench/precision.csv. A quarter of an hour on two cores, so no part of `make bench`.
"""

import argparse
from dataclasses import replace

import pandas as pd

from bench.clocks import OUT
from mvae_lib import data, tables, train
from mvae_lib.presets import AS_WRITTEN

EPOCHS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    recipe = replace(AS_WRITTEN.data, split="by_writer")
    triplets, held_out = data.load("train", recipe), data.load("val", recipe)
    results = []
    for seed in range(seeds):
        for precision in ("float32", "bfloat16"):
            spec = replace(AS_WRITTEN.train, precision=precision, epochs=EPOCHS, seed=seed)
            run = replace(AS_WRITTEN, name=f"bench_{precision}", data=recipe, train=spec)
            model, _ = train.fit(run, triplets, bar=False)
            table = tables.combination_table(model, held_out, z="mean").drop([tables.CLASS_MEAN, tables.GLOBAL_MEAN])
            results.append(table.reset_index().assign(precision=precision, seed=seed, epochs=EPOCHS, split=held_out.split))
            print(f"{precision}, seed {seed}: reported bound {table['reported_bound'].sum():.1f}", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    pd.concat(results).to_csv(OUT / "precision.csv", index=False)


if __name__ == "__main__":
    main()
