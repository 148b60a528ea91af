"""The prices of coming games that may be shown: the consensus without the sources whose terms forbid it.

Features are of all prices. What is shown must not be: of a single book the consensus is its price.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from feature_store.archive import store as archive
from feature_store.archive.sources.terms import hidden_sources
from feature_store.history.fact_columns import quote_columns, seconds
from feature_store.history.point_in_time import consensus
from feature_store.rows.row import Row


def with_shown_prices(engine: Engine, league: League, rows: Sequence[Row], now: datetime) -> list[Row]:
    """Return the rows of games to come with the prices, known by now, of sources whose terms allow to show them."""
    hidden = hidden_sources(engine)
    priced = {row.game.game_id for row in rows if row.prices is not None} if hidden else set()
    if not priced:
        return list(rows)
    facts = archive.load(engine, league, known_by=now, game_ids=priced, without_sources=hidden)
    quotes = quote_columns(facts.quotes, {row.game.game_id: place for place, row in enumerate(rows)})
    starts = np.array([seconds(row.game.start_at) for row in rows])
    moments = np.full(len(rows), seconds(now))
    shown = consensus(quotes, np.arange(len(rows)), moments, starts, outcomes=league.outcomes)
    return [row._replace(prices=shown[place]) for place, row in enumerate(rows)]
