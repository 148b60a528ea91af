"""Rows F27 and F28: a clock that is 40 days ahead, and another spelling of the database's address."""

import tempfile
import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import reading, writing
from core.errors import ClockError
from core.settings import load_settings
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.rows.tables import states
from feature_store.sources.bot.snapshot import snapshot
from flows.cli.commands.doctor import CHECKS
from flows.jobs.features import build_features
from flows.jobs.repairs.retraction import retract_facts, span_of
from serving.predictions.tables import predictions
from tests.bot_database import create_bot_tables, insert, soccer
from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.database import fresh_again
from tests.chaos.stage import Stage, until
from tests.chaos.world import hot_games

AHEAD = timedelta(days=40)
SERVED = 40


@row("F27", "a clock 40 days ahead takes a snapshot; facts and features that one has dated before are taken back")
def clock_ahead(stage: Stage, scale: float, outcome: Outcome) -> None:
    del scale
    bot = open_database(stage.database.recreate("bot"))
    create_bot_tables(bot, "api_games")
    insert(bot, "api_games", **soccer("chaos-1"))
    now = datetime.now(UTC)
    try:
        snapshot(bot, stage.engine, Leagues(BUILT_IN), now=now + AHEAD)
        refused = False
    except ClockError:
        refused = True
    before = archive.count_games(stage.engine)
    snapshot(bot, stage.engine, Leagues(BUILT_IN), now=now)
    games = archive.count_games(stage.engine)
    _date_ahead(stage, now + AHEAD)
    game = f"/v1/predictions/{hot_games()[0]}"
    marked = until(lambda: stage.ask(game)[1]["stale"] is True, 10)
    address = stage.engine.url.render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(_env_file=None, database_url=address, serving_dir=folder, bundle_dir=folder)
        found = CHECKS["data"](settings, now)
        report = retract_facts(settings, span_of(settings, None, None, None), datetime.now(UTC))
        snapshot(bot, stage.engine, Leagues(BUILT_IN), now=datetime.now(UTC))
        build_features(settings, datetime.now(UTC))
        healed = CHECKS["data"](settings, datetime.now(UTC))
    back = fresh_again(stage)
    bot.dispose()
    outcome.report(
        f"marked stale after {marked:.1f} s, {sum(map(sum, report.facts.values()))} facts taken back, fresh {back:.1f} s later"
    )
    outcome.expect(refused, "the snapshot was not refused")
    outcome.expect(before != games == archive.count_games(stage.engine), "games were lost or doubled")
    outcome.expect(marked <= 10, "answers of features from the future were not marked stale")
    outcome.expect((found.state, healed.state) == ("fault", "ok"), f"doctor: {found.state}, then {healed.state}")
    outcome.expect(back <= 10, f"fresh after {back:.1f} s, 10 allowed")
    outcome.wrong += broken_invariants(stage, [])


def _date_ahead(stage: Stage, moment: datetime) -> None:
    """Date the bot's facts and the feature rows as an earlier version with a wrong clock would have."""
    with writing(stage.engine) as connection:
        for table in (tables.games, tables.results, tables.quotes):
            of_bot = table.c.source == "bot"
            connection.execute(sa.update(table).where(of_bot).values(recorded_at=moment, known_at=moment))
        connection.execute(sa.update(states).values(as_of=moment))


@row("F28", "`kill -9` with predictions on disk, then a start by another spelling of DATABASE_URL, MySQL still down")
def address_respelt(stage: Stage, scale: float, outcome: Outcome) -> None:
    del scale
    game, address = f"/v1/predictions/{hot_games()[0]}", stage.engine.url.set(port=stage.before_database.port)
    before = _logged(stage)
    with tempfile.TemporaryDirectory() as kept, stage.database_unavailable(certain=False):
        with stage.beside(SERVING_DIR=kept) as first:
            until(lambda: stage.ask("/readyz", port=first.port)[0] == 200)
            stage.before_database.down()
            until(lambda: stage.ask(game, port=first.port)[1]["stale"] is True)
            served = [stage.ask(game, port=first.port)[0] for _ in range(SERVED)].count(200)
            until(lambda: stage.metric("dbsbm_prediction_log_depth", first.port) == 0)
            time.sleep(0.5)
            first.process.kill()
        spelling = address.set(host="localhost", query={"program_name": "dbsbm"}).render_as_string(hide_password=False)
        began = time.monotonic()
        with stage.beside(SERVING_DIR=kept, DATABASE_URL=spelling) as second:
            until(lambda: stage.ask("/readyz", port=second.port)[0] == 200, 30)
            ready = time.monotonic() - began
            waiting = stage.metric("dbsbm_prediction_spool_depth", second.port)
            stage.before_database.up()
            drained = until(lambda: stage.metric("dbsbm_prediction_spool_depth", second.port) == 0, 30)
    logged = _logged(stage) - before
    outcome.report(f"ready after {ready:.1f} s, {waiting:.0f} found on disk, in the table {drained:.1f} s after MySQL")
    outcome.expect(ready <= 10, f"ready after {ready:.1f} s, 10 allowed")
    outcome.expect(waiting >= SERVED, f"{waiting:.0f} of {served} served predictions were found")
    outcome.expect(logged >= served, f"{served} were served, {logged} logged")
    outcome.wrong += broken_invariants(stage, [])


def _logged(stage: Stage) -> int:
    with reading(stage.engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(predictions)) or 0
