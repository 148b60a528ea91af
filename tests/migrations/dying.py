"""``python -m tests.migrations.dying ADDRESS DIRECTION REVISION STATEMENTS``: a migration that kills itself.

After so many statements of its connections to the database, its own bookkeeping included, it sends itself SIGKILL.
"""

import os
import signal
import sys
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from migrations import schema


def main(address: str, direction: str, revision: str, statements: str) -> None:
    engine = open_database(make_url(address))
    die_after(engine, int(statements))
    {"upgrade": schema.upgrade, "downgrade": schema.downgrade}[direction](engine, revision)


def die_after(engine: Engine, statements: int) -> None:
    count = 0

    def executed(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "after_cursor_execute", executed)


if __name__ == "__main__":
    main(*sys.argv[1:])
