"""The version of this installation. Its one source is ``version`` in pyproject.toml; CHANGELOG.md begins with it."""

from importlib.metadata import version
from typing import Final

DISTRIBUTION: Final = "dbsbm-predictions"
VERSION: Final = version(DISTRIBUTION)
