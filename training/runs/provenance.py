"""The version of the code that made a run."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from core.version import VERSION

GIT_SECONDS: Final = 10.0


@cache
def code_version() -> str:
    """The package's version, and the git commit if the code is in a git repository.

    ``0.1.0+1a2b3c4d5e6f`` is that commit, ``0.1.0+1a2b3c4d5e6f-dirty`` one with changes on top, ``0.1.0`` an
    installed package.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return VERSION
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return VERSION
    return f"{VERSION}+{described.stdout.strip()}" if described.returncode == 0 else VERSION
