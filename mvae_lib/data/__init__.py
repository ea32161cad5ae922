"""The data: public files or the stand-in -> splits, triplets, batches. `load` is all that most callers need."""

from mvae_lib.data.sets import at_hand, farsi_crops, is_real, recordings, source
from mvae_lib.data.sources import DataError, NoData
from mvae_lib.data.speech import RATE, Recording
from mvae_lib.data.triplets import Triplets, load

__all__ = [
    "RATE", "DataError", "NoData", "Recording", "Triplets", "at_hand", "farsi_crops", "is_real", "load", "recordings", "source",
]  # fmt: skip
