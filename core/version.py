"""The version of this code. Its one source is ``version`` in pyproject.toml; CHANGELOG.md begins with it."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "dbsbm-predictions"


def _read_version() -> str:
    """From the metadata of the installation; from the checkout where the code runs without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


VERSION: Final = _read_version()
