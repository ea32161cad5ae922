"""``python -m mvae_lib.evaluate``: tables from the shell."""

from pathlib import Path
from typing import Literal

import tyro

from mvae_lib import checkpoint, data
from mvae_lib.evaluate.latent import describe
from mvae_lib.evaluate.seeds import over_seeds
from mvae_lib.evaluate.tables import combination_table


def table(
    run: str, split: Literal["train", "val", "test", "test_dig"] = "test", z: Literal["sample", "mean"] = "sample", seed: int = 0
) -> None:
    """Print a run's combination table as CSV. `run`: a shipped name or a run folder."""
    model = checkpoint.load(run)
    print(combination_table(model, data.load(split, model.spec.data), z, seed).to_csv(), end="")


def seeds(*runs: str) -> None:
    """Print the tables of runs that differ in their seed, on every split, as one tidy CSV."""
    print(over_seeds(list(runs)).to_csv(index=False), end="")


def ship(run: Path) -> None:
    """Copy a run folder's weights, spec and card to data/pretrained, with what lets it be explored where there are no data."""
    model = checkpoint.load(run)
    print(checkpoint.ship(run, describe(model, data.load("test", model.spec.data))))


if __name__ == "__main__":
    commands = {"table": table, "seeds": seeds, "ship": ship}
    tyro.extras.subcommand_cli_from_dict(commands, config=(tyro.conf.PositionalRequiredArgs,))
