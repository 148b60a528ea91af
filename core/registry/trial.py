"""The throw-away process in which a new bundle is read for the first time: ``python -m core.registry.trial``."""

import sys
from pathlib import Path

from core.errors import DbsbmError
from core.registry.bundle import read_bundle

if __name__ == "__main__":
    folder, expected = sys.argv[1:]
    try:
        read_bundle(Path(folder), expected)
    except DbsbmError as error:
        sys.exit(str(error))
