"""The data: public files or the stand-in -> splits, triplets. `load` is all that most callers need.

The package's extra `data` (scipy, librosa, pooch) is imported where it is used: librosa alone takes seconds.
"""

from mvae_lib.data.arrays import at_hand, farsi_crops, is_real, recordings, source
from mvae_lib.data.sources import DataError, NoData
from mvae_lib.data.speech import RATE, Recording
from mvae_lib.data.splits import Triplets, load

__all__ = [
    "RATE", "DataError", "NoData", "Recording", "Triplets", "at_hand", "farsi_crops", "is_real", "load", "recordings", "source",
]  # fmt: skip
