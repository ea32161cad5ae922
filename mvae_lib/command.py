"""How a command ends: what it cannot do is one line, and so is being stopped."""

import sys
from collections.abc import Callable

from mvae_lib.data.sources import DataError
from mvae_lib.storage import advice


def run(main: Callable[[], object]) -> None:
    """Run a command to its end. Status 2 for wrong input, files and numbers, 130 for Ctrl-C; a traceback is a fault of ours."""
    try:
        main()
    except KeyboardInterrupt as stop:
        _end(f"Stopped. {stop}", 130)
    except OSError as error:
        _end(f"{error} {advice(error)}", 2)
    except (ValueError, FloatingPointError, DataError) as error:
        _end(str(error), 2)


def _end(line: str, status: int) -> None:
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(status)
