"""A snapshot, a build and a materialization that are killed and run again lose and double nothing."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import reading, writing
from feature_store.archive import store as archive
from feature_store.archive import tables as archive_tables
from feature_store.archive.facts import FactBatch
from feature_store.rows import tables as rows_tables
from feature_store.rows.build import build
from feature_store.rows.offline import materialize, read_rows
from feature_store.sources.bot.people import tables as bot_tables
from feature_store.sources.bot.snapshot import snapshot
from tests.bot_database import bet, change, create_bot_tables, football, insert, soccer, soccer_record, wall
from tests.conftest import NOW
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.laws.archive.dying_run import run
from tests.services import MariaDb

pytestmark = pytest.mark.server

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
KILLS = 10
SEEN = (
    *(
        archive_tables.games,
        archive_tables.results,
        archive_tables.quotes,
        archive_tables.changes,
        archive_tables.quarantine,
    ),
    *(bot_tables.consents, bot_tables.guilds, bot_tables.bets),
)
BUILT = (rows_tables.checkpoints, rows_tables.states, rows_tables.rows)

Contents = dict[str, list[tuple[Any, ...]]]


def contents(engine: Engine, wanted: tuple[sa.Table, ...]) -> Contents:
    with reading(engine) as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in wanted
        }


def put_back(engine: Engine, wanted: tuple[sa.Table, ...], held: Contents) -> None:
    with writing(engine) as connection:
        for table in wanted:
            connection.execute(sa.delete(table))
            rows = [dict(zip(table.columns.keys(), row, strict=True)) for row in held[table.name]]
            if rows:
                connection.execute(sa.insert(table), rows)


def one_of_each_stretch(points: int) -> list[int]:
    """A point at random out of each of so many equal stretches: what is written last is not left out by chance."""
    random = Random(points)
    ends = [points * number // KILLS for number in range(KILLS + 1)]
    return [random.randint(begin + 1, end) for begin, end in pairwise(ends)]


def killed_at_random(
    step: str, engine: Engine, now: datetime, other: str, *, before: Callable[[], None], after: Callable[[], object]
) -> Iterator[object]:
    """What ``after`` finds when a run was undisturbed, and then each time when one was killed, for the rerun to mend."""
    before()
    undisturbed = run(step, engine, now, other, killed_at=0)
    assert undisturbed.returncode == 0, undisturbed.stderr
    points = int(undisturbed.stdout)
    assert points > KILLS
    yield after()
    for killed_at in one_of_each_stretch(points):
        before()
        assert run(step, engine, now, other, killed_at=killed_at).returncode == -9
        yield after()


@pytest.fixture
def bot(mariadb: MariaDb) -> Iterator[Engine]:
    """Games of two leagues, one row that is lost, and people who consent, withdraw and bet."""
    engine = open_database(mariadb.recreate("bot"))
    create_bot_tables(engine)
    for number in range(40):
        final = {"status": "Match Finished", "fetched_at": wall("2024-04-30 23:00")} if number % 2 else {}
        insert(engine, "api_games", **soccer(str(number), raw_json=soccer_record((number % 4, 1)), **final))
        insert(engine, "api_games", **football(str(number), home_team_name=None if number == 7 else f"Team {number}"))
    for user_id in (1, 2, 3):
        insert(engine, "user_settings", user_id=user_id, analytics_consent=user_id < 3)
        insert(engine, "bets", **bet(user_id, user_id))
    insert(engine, "guild_settings", guild_id=7)
    yield engine
    engine.dispose()


@pytest.mark.timeout(900)
def test_a_killed_snapshot_is_mended_by_the_next_one(bot: Engine, database: Engine) -> None:
    """The second look: games change, a consent is withdrawn, and both are half done when the process dies."""
    snapshot(bot, database, LEAGUES, now=NOW)
    first, later = contents(database, SEEN), NOW + timedelta(minutes=1)
    change(bot, "UPDATE api_games SET start_time = '2024-05-02 19:00:00', status = 'NS' WHERE MOD(id, 3) = 0")
    change(bot, "UPDATE user_settings SET analytics_consent = 2 - user_id WHERE user_id < 3")
    change(bot, "UPDATE bets SET status = 'won', result_value = 1.5")
    address = bot.url.render_as_string(hide_password=False)

    def rerun() -> Contents:
        found.append(contents(database, SEEN))
        snapshot(bot, database, LEAGUES, now=later)
        return contents(database, SEEN)

    found: list[Contents] = []
    expected, *mended = killed_at_random(
        "snapshot", database, later, address, before=lambda: put_back(database, SEEN, first), after=rerun
    )
    assert expected == found[0] != first
    assert {one[0] for one in expected["archive_bets"]} == {1}  # type: ignore[index]
    assert mended == [expected] * KILLS
    assert len({str(one) for one in found}) > 2


def history(engine: Engine) -> tuple[datetime, datetime]:
    """An archive that was built once, and to which more has come since; the moments of both."""
    facts = crowded_facts(11, games=160)
    middle, end = FIRST_DAY + timedelta(days=60), FIRST_DAY + timedelta(days=400)
    known = facts.known_by(middle)
    archive.record(engine, EPL, known, source="test", recorded_at=FIRST_DAY)
    build(engine, EPL, middle)
    rest = FactBatch(
        *([fact for fact in getattr(facts, kind) if fact.known_at > middle] for kind in ("games", "results", "quotes"))
    )
    archive.record(engine, EPL, rest, source="test", recorded_at=middle)
    return middle, end


@pytest.mark.timeout(900)
def test_a_killed_build_is_mended_by_the_next_one(database: Engine) -> None:
    middle, _ = history(database)
    now = middle + timedelta(days=20)
    first = contents(database, BUILT)

    def rerun() -> Contents:
        build(database, EPL, now)
        return contents(database, BUILT)

    expected, *mended = killed_at_random(
        "build", database, now, "", before=lambda: put_back(database, BUILT, first), after=rerun
    )
    assert expected != first
    assert mended == [expected] * KILLS


@pytest.mark.timeout(900)
def test_a_killed_materialization_is_mended_by_the_next_one(sqlite_database: Engine, tmp_path: Path) -> None:
    middle, end = history(sqlite_database)
    first, own = tmp_path / "first", tmp_path / "own"
    materialize(sqlite_database, EPL, first, middle)

    def begin() -> None:
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(first, own)

    def rerun() -> list[dict[str, Any]]:
        found.append(sorted((path.name, path.read_bytes()) for path in own.glob("*/*")))
        materialize(sqlite_database, EPL, own, end)
        rows: list[dict[str, Any]] = read_rows(own, EPL).to_pylist()
        return rows

    found: list[object] = []
    expected, *mended = killed_at_random("materialize", sqlite_database, end, str(own), before=begin, after=rerun)
    assert len(expected) > len(read_rows(first, EPL))  # type: ignore[arg-type]
    assert [str(rows) for rows in mended] == [str(expected)] * KILLS
    assert len({str(one) for one in found}) > 2
