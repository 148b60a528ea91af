"""On MariaDB every statement that this room sends to our database goes by an index, or is on a list with the reason.

A script calls what the room offers; a listener notes whatever is sent meanwhile, so that no query can be forgotten.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import reading
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch, GameFact
from feature_store.archive.manifests import contents as manifest
from feature_store.archive.manifests import diff as manifest_diff
from feature_store.archive.sources import terms as source_terms
from feature_store.archive.sources.freshness import freshness, newest_facts
from feature_store.identity import tables as identity_tables
from feature_store.identity import team_aliases
from feature_store.identity.matched_games import link_matches, suggest_matches, withheld_games
from feature_store.rows import online
from feature_store.rows import tables as rows_tables
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from feature_store.sources.bot.people import archive as people_archive
from feature_store.sources.bot.people import tables as bot_tables
from feature_store.sources.bot.people.guild_settings import api_rate_limits
from feature_store.sources.bot.snapshot import snapshot
from tests.bot_database import bet, change, create_bot_tables, insert, soccer, soccer_record
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.services import MariaDb

LEAGUES = Leagues(BUILT_IN)
EPL, SERIE_A = LEAGUES.get("EPL"), LEAGUES.get("SERIEA")
MOMENT = FIRST_DAY + timedelta(days=5)
END = FIRST_DAY + timedelta(days=900)
FILLED = list(LEAGUES)[:16]
FINAL = {"status": "Match Finished", "score": {"home": 2, "away": 1}}
OWNERS = (tables, identity_tables, rows_tables, bot_tables)
TABLES = [table for owner in OWNERS for table in vars(owner).values() if isinstance(table, sa.Table)]
Query = tuple[str, Any]


@pytest.fixture
def filled(mariadb_database: Engine) -> Engine:
    """Sixteen leagues with rows and states, so that one of them is a small part of each table."""
    for number, league in enumerate(FILLED):
        facts = crowded_facts(number, games=120)
        archive.record(mariadb_database, league, facts, source=f"source {number % 3}", recorded_at=FIRST_DAY)
        build(mariadb_database, league, MOMENT)
        made = manifest.manifest_of(facts)
        manifest.store_manifest(mariadb_database, league, made, known_by=END, recorded_at=END)
    analyze(mariadb_database)
    return mariadb_database


def analyze(engine: Engine) -> None:
    """The optimizer shall know how large the tables are."""
    with engine.connect() as connection:
        for table in TABLES:
            connection.execute(sa.text(f"ANALYZE TABLE {table.name}"))


@contextmanager
def statements(engine: Engine) -> Iterator[list[Query]]:
    """Every statement sent to the database meanwhile that looks for rows, with its parameters."""
    seen: list[Query] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and "_LOCK(" not in statement:
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def explain(engine: Engine, query: Query) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        found = connection.exec_driver_sql(f"EXPLAIN {query[0]}", query[1]).mappings()
        return [dict(row) for row in found if row["table"] is not None and not str(row["table"]).startswith("<")]


def snapshot_twice(ours: Engine, bot: Engine, now: datetime) -> None:
    """The second look finds results that are known, a user who withdrew, and bets to erase."""
    snapshot(bot, ours, LEAGUES, now=now)
    change(bot, "UPDATE user_settings SET analytics_consent = 0 WHERE user_id < 5")
    change(bot, "UPDATE bets SET units = 3 WHERE bet_serial > 300")
    snapshot(bot, ours, LEAGUES, now=now + timedelta(minutes=1))


def materialize_twice(engine: Engine, now: datetime) -> None:
    """The second time it looks for what has changed since the first."""
    with TemporaryDirectory() as folder:
        materialize(engine, EPL, Path(folder), now)
        archive.record(engine, EPL, crowded_facts(1, games=12), source="s", recorded_at=now)
        materialize(engine, EPL, Path(folder), now)


def alias_decided_and_forgotten(engine: Engine, now: datetime) -> None:
    team_aliases.record_alias(engine, EPL, "Aldre", "Alder", source="test", now=now)
    team_aliases.load_aliases(engine)
    team_aliases.clubs(engine, EPL)
    team_aliases.suggestions(engine, EPL)
    team_aliases.forget_alias(engine, EPL, "Aldre", source="test", now=END)


def games_matched_and_suggested(engine: Engine, now: datetime) -> None:
    """Two sources list games to come, with their own ids and spellings."""
    start = now + timedelta(days=3)
    for source, home in (("one", "Roma"), ("other", "AS Roma")):
        game = GameFact(f"{source}-1", now, 2022, start, False, home, "Lazio", False, False, "scheduled")
        archive.record(engine, SERIE_A, FactBatch([game]), source=source, recorded_at=now)
    matched = link_matches(engine, SERIE_A, now)
    assert (len(matched.links), len(matched.aliases)) == (1, 1)
    suggest_matches(engine, SERIE_A, now)
    withheld_games(engine, SERIE_A, now)


def built_again_and_from_nothing(engine: Engine, now: datetime) -> None:
    build(engine, EPL, now)
    build(engine, LEAGUES.get("NBA"), now + timedelta(days=700))


def terms_set_and_obeyed(engine: Engine, now: datetime) -> None:
    source_terms.set_terms(engine, "s", source_terms.SourceTerms(display=False), now)
    source_terms.hidden_sources(engine)
    source_terms.unpublished_sources(engine)


HASH = manifest.manifest_of(crowded_facts(0, games=120)).sha256

SCRIPT: dict[str, Callable[[Engine, Engine, datetime], object]] = {
    "facts": lambda ours, _bot, now: archive.load(ours, EPL, now, recorded_by=now),
    "games held": lambda ours, _bot, _now: archive.count_games(ours),
    "leagues held": lambda ours, _bot, _now: archive.league_keys(ours),
    "record": lambda ours, _bot, now: archive.record(
        ours, EPL, crowded_facts(0, games=12), source="s", recorded_at=now
    ),
    "snapshot": lambda ours, bot, _now: snapshot_twice(ours, bot, END),
    "build": lambda ours, _bot, now: built_again_and_from_nothing(ours, now),
    "past rows": lambda ours, _bot, now: materialize_twice(ours, now),
    "rows of a league": lambda ours, _bot, _now: online.load_rows(ours, ["EPL"]),
    "all rows": lambda ours, _bot, _now: online.load_rows(ours),
    "watermarks": lambda ours, _bot, _now: online.watermarks(ours),
    "state": lambda ours, _bot, _now: online.load_state(ours, EPL),
    "states": lambda ours, _bot, _now: online.load_states(ours, ["EPL", "NBA"]),
    "newest facts": lambda ours, _bot, _now: newest_facts(ours),
    "freshness": lambda ours, _bot, now: freshness(ours, [("soccer", "EPL")], now),
    "snapshot by day": lambda ours, _bot, now: manifest_diff.find_training_data(
        ours, LEAGUES, f"{now:%Y-%m-%d}", "EPL"
    ),
    "snapshot by hash": lambda ours, _bot, _now: manifest_diff.find_training_data(ours, LEAGUES, HASH),
    "aliases": lambda ours, _bot, now: alias_decided_and_forgotten(ours, now),
    "matching": lambda ours, _bot, now: games_matched_and_suggested(ours, now),
    "guilds' limits": lambda ours, _bot, _now: api_rate_limits(ours),
    "terms": lambda ours, _bot, now: terms_set_and_obeyed(ours, now),
    "bets": lambda ours, _bot, _now: people_archive.consented_bets(ours, END + timedelta(days=1)),
}

WHOLE: dict[tuple[str, str], str] = {
    ("all rows", "feature_rows"): "every row is wanted; the table holds what is to come and the last week",
    ("watermarks", "feature_states"): "one row a league, all wanted",
    ("states", "feature_states"): "some of the leagues, of which there are a few dozen",
    ("aliases", "team_aliases"): "every alias of every league is wanted by whoever reads facts",
    ("snapshot", "team_aliases"): "the same",
    ("matching", "team_aliases"): "the same",
    ("snapshot", "archive_consents"): "who has withdrawn is whoever is known and not seen: all are compared",
    ("snapshot", "archive_guilds"): "every guild that the bot lists is compared; MariaDB 11 reads them at once",
    ("guilds' limits", "archive_guilds"): "every guild's limit is wanted",
    ("build", "source_terms"): "one row a feed, all wanted",
    ("terms", "source_terms"): "one row a feed, all wanted",
    ("bets", "archive_bets"): "every bet that we may hold is wanted",
}
"""Tables that a part of the script may read from end to end, and why."""


def unindexed(engine: Engine, name: str, query: Query) -> Iterator[str]:
    for step in explain(engine, query):
        if (step["key"] is None or step["type"] == "ALL") and (name, table_of(query, step["table"])) not in WHOLE:
            yield f"{name}: {step['table']} ({step['type']}) in {query[0]}"


def table_of(query: Query, alias: str) -> str:
    """EXPLAIN names a table by its alias."""
    found = re.search(rf"(\w+) AS `?{alias}`?\b", query[0])
    return found[1] if found else alias


@pytest.fixture
def bot(mariadb: MariaDb) -> Iterator[Engine]:
    """The bot with finished games, and hundreds of users and bets."""
    engine = open_database(mariadb.recreate("bot"))
    create_bot_tables(engine)
    for number in range(40):
        insert(engine, "api_games", **soccer(str(1000 + number), raw_json=soccer_record((2, 1)), **FINAL))
    for user_id in range(1, 401):
        insert(engine, "user_settings", user_id=user_id, analytics_consent=True, ml_recommendations_enabled=True)
        insert(engine, "bets", **bet(user_id, user_id))
        insert(engine, "guild_settings", guild_id=user_id, subscription_level=2, ml_features_enabled=True)
    yield engine
    engine.dispose()


def test_every_statement_of_the_room_goes_by_an_index(filled: Engine, bot: Engine) -> None:
    seen: dict[str, list[Query]] = {}
    for name, work in SCRIPT.items():
        with statements(filled) as seen[name]:
            work(filled, bot, MOMENT)
        assert seen[name], name
    analyze(filled)
    found = [line for name, queries in seen.items() for query in queries for line in unindexed(filled, name, query)]
    assert not found, "\n".join(sorted(set(found)))
    assert {name for name, _ in WHOLE} <= seen.keys()


def test_every_table_of_the_room_was_asked(filled: Engine, bot: Engine) -> None:
    """The script above leaves nothing out: it reads and deletes wherever the room does."""
    with statements(filled) as sent:
        for work in SCRIPT.values():
            work(filled, bot, MOMENT)
    text = "\n".join(query for query, _ in sent)
    ours = {table.name for table in TABLES}
    assert {name for name in ours if not re.search(rf"FROM {name}\b", text)} <= {"archive_quarantine"}
    assert {"archive_bets", "feature_rows", "feature_rungs", "team_aliases"} <= set(
        re.findall(r"DELETE FROM (\w+)", text)
    )


def test_the_newest_facts_are_found_by_jumping_from_source_to_source(filled: Engine) -> None:
    with statements(filled) as queries:
        newest_facts(filled)
    [query] = queries
    steps = explain(filled, query)
    assert len(steps) == 3
    assert all("Using index for group-by" in step["Extra"] for step in steps), steps


def test_a_scan_of_a_whole_table_would_be_noticed(filled: Engine) -> None:
    """The law above is not empty."""
    everything = str(
        sa.select(tables.quotes).where(tables.quotes.c.odds_home > 2).compile(compile_kwargs={"literal_binds": True})
    )
    assert [(step["key"], step["type"]) for step in explain(filled, (everything, ()))] == [(None, "ALL")]
