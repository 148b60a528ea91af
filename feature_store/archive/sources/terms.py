"""What the terms of a source allow with its facts, kept beside them: every machine that reads the archive obeys them.

The collector writes the terms of its feeds. A source without terms, such as the bot or a file of one's own, allows
everything.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading, writing
from core.database.upserts import upsert
from feature_store.archive import tables


@dataclass(frozen=True)
class SourceTerms:
    """What a source's terms allow; the defaults are the strictest that still serve a private bot."""

    display: bool = True
    """Whether its prices may be shown to users; where not, they only enter forecasts."""
    retain_hours: float | None = None
    """How long its raw answers may be kept [hours]; None sets no limit of its own."""
    republish: bool = False
    """Whether its facts may be given to third parties, such as in an export."""


def set_terms(engine: Engine, source: str, terms: SourceTerms, now: datetime) -> None:
    """Keep the source's terms. Writes nothing where they are the same already. Raises DatabaseError."""
    held = tables.source_terms.c
    wanted = (terms.display, terms.republish)
    with reading(engine) as connection:
        known = connection.execute(sa.select(held.display, held.republish).where(held.source == source)).one_or_none()
    if known is not None and tuple(known) == wanted:
        return
    row = {"source": source, "display": terms.display, "republish": terms.republish, "recorded_at": now}
    with writing(engine, alone="source terms") as connection:
        upsert(connection, tables.source_terms, [row])


def hidden_sources(engine: Engine) -> frozenset[str]:
    """The sources, as the archive names them, whose prices may not be shown to users. Raises DatabaseError."""
    return _refusing(engine, tables.source_terms.c.display)


def unpublished_sources(engine: Engine) -> frozenset[str]:
    """The sources, as the archive names them, whose facts may not be given to third parties. Raises DatabaseError."""
    return _refusing(engine, tables.source_terms.c.republish)


def _refusing(engine: Engine, allowed: sa.ColumnElement[bool]) -> frozenset[str]:
    with reading(engine) as connection:
        return frozenset(connection.scalars(sa.select(tables.source_terms.c.source).where(~allowed)))
