"""The games of a league as they are listed: each as last known, with its score and every source that names it."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.database.transactions import reading
from feature_store.archive.game_links import links_of
from feature_store.archive.queries import final_scores, listings
from feature_store.identity.team_aliases import load_aliases

Score = tuple[int, int]


class ListedGame(NamedTuple):
    """A game that stands for itself, its clubs under the names that people have decided on."""

    game_id: str
    season: int
    start_at: datetime
    date_only: bool
    home_team: str
    away_team: str
    playoff: bool
    recorded_at: datetime
    """When the archive learned what is newest about it."""
    sources: frozenset[str]
    score: Score | None = None
    joined: frozenset[str] = frozenset()
    """Sources of the ids that are linked to it."""


def list_games(engine: Engine, league: League, known_by: datetime, since: datetime | None = None) -> list[ListedGame]:
    """The league's games as known by the moment, without those that are linked to another one or do not take place.

    With ``since`` only games that start then or later.
    """
    aliases, latest, void = load_aliases(engine), dict[str, ListedGame](), dict[str, bool]()
    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key)
        scores: Mapping[str, Score] = final_scores(connection, league, known_by, since)
        joined = defaultdict[str, set[str]](set)
        for version in listings(connection, league, known_by, since):
            if version.game_id in links:
                joined[links[version.game_id]].add(version.source)
                continue
            before = latest.get(version.game_id)
            latest[version.game_id] = ListedGame(
                version.game_id,
                version.season,
                version.start_at,
                version.date_only,
                aliases.team(league, version.home_team),
                aliases.team(league, version.away_team),
                version.playoff,
                max(version.recorded_at, before.recorded_at) if before else version.recorded_at,
                frozenset({version.source}) | (before.sources if before else frozenset()),
                scores.get(version.game_id),
            )
            void[version.game_id] = version.status == "void"
    return [
        game._replace(joined=frozenset(joined[game_id])) if game_id in joined else game
        for game_id, game in latest.items()
        if not void[game_id]
    ]
