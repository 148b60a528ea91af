"""The clock of a database server, against which the clock of this machine is checked before it stamps anything."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import CLOCK_TOLERANCE
from core.errors import ClockError
from core.text.addresses import shown


def database_now(connection: Connection) -> datetime:
    """Return the present moment by the server's clock; for an SQLite file that is this machine's."""
    if connection.dialect.name == "sqlite":
        text = connection.execute(sa.select(sa.func.strftime("%Y-%m-%dT%H:%M:%f", "now"))).scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    moment: datetime = connection.execute(sa.select(sa.func.utc_timestamp(6))).scalar_one()
    return moment.replace(tzinfo=UTC)


def check_not_ahead(connection: Connection, moment: datetime) -> None:
    """Raise ClockError if a moment by this machine's clock is far ahead of the database's, before it is written."""
    ahead = moment - database_now(connection)
    if ahead > CLOCK_TOLERANCE:
        msg = (
            f"The moment {moment:%Y-%m-%d %H:%M} UTC is {in_words(ahead)} ahead of the clock of the database at "
            f"{shown(connection.engine.url)}; nothing was written."
        )
        raise ClockError(msg, hint="Set this machine's clock, then try again; `dbsbm doctor` compares the clocks.")


def in_words(span: timedelta) -> str:
    """Return a span of time in its largest suitable unit."""
    hours = abs(span.total_seconds()) / 3600
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
