"""The `dbsbm` command: `main` assembles it, `commands/` holds a file per command, the rest is what they share.

Terminals, help texts and output formats belong here. Work of more than one call belongs in `flows.jobs` or below.
"""

from flows.cli.main import main

__all__ = ["main"]
