"""Records the bot's table of games before the bot deletes its rows. Reads the bot's database, never writes it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues, canonical_sport
from core.clock import CLOCK_TOLERANCE
from core.database.clock import check_not_ahead, database_now, in_words
from core.database.transactions import reading, turn
from core.errors import ClockError
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Rejected, Result
from feature_store.archive.queries import latest_games, latest_results
from feature_store.archive.sources.freshness import newest_facts
from feature_store.archive.store import Recorded
from feature_store.identity.team_aliases import Aliases, load_aliases
from feature_store.sources.bot.moments import Zones
from feature_store.sources.bot.people.archive import PeopleReport, record_people
from feature_store.sources.bot.people.reading import read_people
from feature_store.sources.bot.reading import SOURCE, Reading, league_of, read_row, reject_row
from feature_store.sources.bot.schema import feed_table
from feature_store.sources.seasons import UNSTATED, complete_seasons
from feature_store.sources.upstream.json_fields import RejectedValueError

ROWS_PER_FETCH: Final = 1_000

SNAPSHOTS: Final = "snapshot"
"""Name of the lock by which snapshots take turns."""


@dataclass(frozen=True)
class SnapshotReport:
    """What one bot snapshot read and recorded."""

    read: int
    """Rows of ``api_games`` seen."""

    recorded: dict[str, Recorded]
    """What each league's rows added to the archive, by league key."""

    ignored: dict[str, int]
    """Rows of leagues that are not configured, by ``sport/league name``."""

    preseason: dict[str, int]
    """Rows of games that the feed calls pre-season ones, which are not recorded, by league key."""

    exhibition: dict[str, int]
    """Rows of other games that do not count, which are not recorded, by league key."""

    guessed_seasons: dict[str, dict[int, int]]
    """Games whose season was guessed from their dates, by league key and season."""

    quarantined: int
    """Items rejected by this snapshot; read again they are counted again, but stored once."""

    confirmed: tuple[str, ...]
    """Leagues of which it showed prices and nothing new: the prices are as fresh as the bot's."""

    people: PeopleReport
    """What the snapshot added of consents, guild settings and consenting users' bets, and what it erased."""


def snapshot(
    bot: Engine,
    ours: Engine,
    leagues: Leagues,
    *,
    now: datetime,
    time_zone: str = "UTC",
    bare_time_zone: str = "America/New_York",
    erase_all: bool = False,
) -> SnapshotReport:
    """Record every game, result and price in the bot's ``api_games``, and what its users consent to.

    Safe to run every minute and twice at once: what is already recorded adds nothing, and what the bot has deleted or
    changed since stays in the archive. Facts are known from ``now`` on, whenever the bot had them. Snapshots take
    turns; one that waited for another is dated no earlier than the facts which that one wrote, so that nothing is
    written out of order. ``time_zone`` is that of ``start_time`` and ``end_time`` in rows with upstream's record in
    ``raw_json``, ``bare_time_zone`` that of the others. ``erase_all`` accepts an empty table of consents, which is
    otherwise refused after the games have been recorded.
    Raises ClockError if now, or a fact of an earlier snapshot, is far ahead of the clock of a database,
    ConfigurationError for an unknown zone, DataIntegrityError naming missing tables and columns or refusing,
    DatabaseError when either database cannot be used.
    """
    zones = Zones.named(time_zone, bare_time_zone)
    # An SQLite file has no clock but this machine's; the bot's server may have another one.
    with reading(bot if ours.dialect.name == "sqlite" else ours) as connection:
        check_not_ahead(connection, now)
    with turn(ours, SNAPSHOTS):
        looked_at = _moment_of_look(ours, now)
        feed = _read_games(bot, leagues, load_aliases(ours), now=looked_at, zones=zones)
        guessed = {key: _guess_seasons(ours, leagues.get(key), rows) for key, rows in feed.by_league.items()}
        batches = {key: _batch(ours, leagues.get(key), rows, looked_at) for key, rows in sorted(feed.by_league.items())}
        recorded = {
            key: archive.record(ours, leagues.get(key), batch, source=SOURCE, recorded_at=looked_at, live=True)
            for key, batch in batches.items()
        }
        archive.quarantine(ours, feed.rejected, now)
    return SnapshotReport(
        read=sum(map(len, feed.by_league.values()))
        + feed.ignored.total()
        + feed.preseason.total()
        + feed.exhibition.total()
        + len(feed.rejected),
        recorded=recorded,
        ignored=dict(feed.ignored),
        preseason=dict(sorted(feed.preseason.items())),
        exhibition=dict(sorted(feed.exhibition.items())),
        guessed_seasons={key: dict(sorted(seasons.items())) for key, seasons in sorted(guessed.items()) if seasons},
        quarantined=sum(len(batch.rejected) for batch in batches.values()) + len(feed.rejected),
        confirmed=tuple(key for key, batch in batches.items() if batch.quotes and not recorded[key].added),
        people=record_people(ours, read_people(bot, leagues), now, erase_all=erase_all),
    )


def _moment_of_look(ours: Engine, now: datetime) -> datetime:
    """Now, or the moment of the newest snapshot if that is later."""
    newest = max([now, *(at for source, at in newest_facts(ours).items() if source.name == SOURCE)])
    with reading(ours) as connection:
        ahead = newest - database_now(connection)
    if ahead > CLOCK_TOLERANCE:
        msg = f"A snapshot has dated facts {newest:%Y-%m-%d %H:%M} UTC, which is {in_words(ahead)} ahead."
        raise ClockError(msg, hint="Take them back with `dbsbm archive retract`, then try again.")
    return newest


@dataclass
class _FeedRows:
    """The rows of one snapshot: readings by league key, counts of rows left out, rows of no certain league."""

    by_league: dict[str, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    ignored: Counter[str] = field(default_factory=Counter)
    preseason: Counter[str] = field(default_factory=Counter)
    exhibition: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)


def _read_games(bot: Engine, leagues: Leagues, aliases: Aliases, *, now: datetime, zones: Zones) -> _FeedRows:
    """Read every row in one read-only transaction."""
    feed = _FeedRows()
    games = feed_table(bot)
    with reading(bot) as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            connection.execute(sa.text("START TRANSACTION READ ONLY"))
        streamed = connection.execution_options(yield_per=ROWS_PER_FETCH)
        for values in streamed.execute(sa.select(games)):
            row = dict(zip(games.c.keys(), values, strict=True))
            try:
                league = league_of(row, leagues)
            except RejectedValueError as error:
                feed.rejected.append(reject_row(row, error))
                continue
            if league is None:
                name = row["league_name"] or row["league_id"]
                feed.ignored[f"{canonical_sport(str(row['sport'] or ''))}/{name}"] += 1
                continue
            facts = read_row(row, league, now=now, zones=zones, aliases=aliases)
            if facts.counts:
                feed.by_league[league.key].append(facts)
            else:
                (feed.preseason if facts.stage == "preseason" else feed.exhibition)[league.key] += 1
    return feed


def _guess_seasons(ours: Engine, league: League, readings: Sequence[Reading]) -> Counter[int]:
    """Give each game of an unstated season the one that its date shows; returns how many, by season."""
    without = [row for row in readings if row.game is not None and row.game.season == UNSTATED]
    if not without:
        return Counter()
    games = [row.game for row in readings if row.game is not None]
    completed, guessed = complete_seasons(league, games, latest_games(ours, league))
    for row, game in zip((row for row in readings if row.game is not None), completed, strict=True):
        row.game = game
    return guessed


def _batch(ours: Engine, league: League, readings: Sequence[Reading], now: datetime) -> FactBatch:
    """The league's facts in order of their games, so that two snapshots at once lock rows in the same order."""
    chosen = [_merge_copies(copies) for _, copies in sorted(_copies(readings).items())]
    without_game = [item for row in readings if row.game is None for item in row.rejected]
    return FactBatch(
        games=[row.game for row in chosen if row.game is not None],
        results=_changed_results(ours, league, chosen, now),
        quotes=[quote for row in chosen for quote in row.quotes],
        rejected=without_game + [item for row in chosen for item in row.rejected],
    )


def _copies(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    """Readings by game id: two of the bot's writers can keep a row each for one game, under different spellings."""
    copies: dict[str, list[Reading]] = defaultdict(list)
    for row in readings:
        if row.game is not None:
            copies[row.game.game_id].append(row)
    return copies


def _merge_copies(copies: Sequence[Reading]) -> Reading:
    """The copy fetched last. Copies fetched at the same moment must agree on the score, or the result is rejected."""
    newest = max(row.fetched_at for row in copies)
    rivals = sorted((row for row in copies if row.fetched_at == newest), key=attrgetter("place"))
    chosen = next((row for row in rivals if row.result is not None), rivals[0])
    scores = {f"{row.result.home_score}-{row.result.away_score}" for row in rivals if row.result is not None}
    if len(scores) > 1:
        chosen.result = None
        given = {row.place: row.result and row.result[3:5] for row in rivals}
        reason = f"two rows fetched at the same moment disagree on the final score: {', '.join(sorted(scores))}"
        chosen.reject("result", RejectedValueError(reason, given))
    chosen.rejected.extend(item for row in copies if row is not chosen for item in row.rejected)
    return chosen


def _changed_results(ours: Engine, league: League, readings: Sequence[Reading], now: datetime) -> list[Result]:
    """Results to record.

    A score already recorded keeps the finish it was recorded with, which is often an estimate from the moment of the
    first fetch. A game that became void takes its recorded score back.
    """
    games = {row.game.game_id: row for row in readings if row.game is not None}
    decided = [key for key, row in games.items() if row.result is not None or (row.game and row.game.status == "void")]
    recorded = latest_results(ours, league, decided)
    results = []
    for game_id in decided:
        before, row = recorded.get(game_id), games[game_id]
        if row.result is not None:
            same = before is not None and before[3:] == row.result[3:]
            results.append(row.result._replace(finished_at=before.finished_at) if before and same else row.result)
        elif before is not None and before.home_score is not None:
            results.append(Result(game_id, max(now, before.known_at), before.finished_at, None, None))
    return results
