"""`python -m mvae_lib.data`: gets the public files, prepares the arrays of every speech view, and says which data they are."""

import logging
import sys

import tyro

from mvae_lib import command
from mvae_lib.data import NoData, load, sources
from mvae_lib.data.speech import VIEWS
from mvae_lib.spec import DataRecipe


def main() -> None:
    """Get the public files, or say why not; prepare the arrays of every speech view; say which data they are."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    sources.log.setLevel(logging.INFO)
    for source in sources.SOURCES.values() if sources.wanted() != "standin" else ():
        try:
            sources.find(source)
        except NoData as error:
            print(error)
    for view in VIEWS:
        train = load("train", DataRecipe(speech=view))  # type: ignore[arg-type]
        print(f"{len(train):,} training triplets, speech as {view!r}: {train.source}")


if __name__ == "__main__":
    command.run(lambda: tyro.cli(main))
