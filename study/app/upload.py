"""A button for a sound file: an anywidget, with `upload.js`. ipywidgets's own knows no limit, and a large file ends its page."""

from pathlib import Path

import anywidget
from traitlets import Int, Unicode

from mvae_lib.data.sources import DataError

MOST = 8_000_000  # bytes: 10 s in the largest usual form (96 kHz, stereo, 32 bits); a message may have 10 MiB


class Upload(anywidget.AnyWidget):
    """What is chosen comes as a message, and is kept nowhere."""

    _esm = Path(__file__).with_suffix(".js")
    label = Unicode("Sound file").tag(sync=True)
    accept = Unicode(".wav,.flac,.ogg,.oga,.opus,.mp3,.aif,.aiff").tag(sync=True)
    most = Int(MOST).tag(sync=True)

    def content(self, size: int, parts: list) -> bytes:
        """The bytes of a file of that size, from the message's buffers. DataError: more than `most`."""
        if (came := max(size, sum(map(len, parts)))) > self.most:
            raise DataError(
                f"The file has {came / 1e6:.1f} MB, and at most {self.most / 1e6:g} MB are taken. Cut it to one word."
            )
        return b"".join(parts)
