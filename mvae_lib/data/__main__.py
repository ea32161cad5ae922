"""`python -m mvae_lib.data`: gets the public files, prepares the arrays of every speech view, says which data it is."""

import sys

from mvae_lib.data import DataError, NoData, load, sources
from mvae_lib.data.speech import VIEWS
from mvae_lib.spec import DataRecipe


def main() -> None:
    if sources.wanted() != "standin":
        for source in sources.SOURCES.values():
            _look(source)
    for view in VIEWS:
        train = load("train", DataRecipe(speech=view))  # type: ignore[arg-type]
        sources.say(f"{len(train):,} training triplets, speech as {view!r}: {train.source}")
    sources.say(f"The data: {train.source}.")


def _look(source: sources.Source) -> None:
    """One line for one public file: where it is, or what was tried."""
    if source is sources.SOURCES["farsi_train"] and not sources.local(source) and sources.local(sources.HODA_TRAIN_CDB):
        source = sources.HODA_TRAIN_CDB
    if sources.offline and not sources.local(source):
        sources.say(f"{source.path}: not here, and not tried, for there is no network ({sources.offline})")
        return
    try:
        sources.find(source)
    except NoData as error:
        sources.say(str(error))


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(str(error))
