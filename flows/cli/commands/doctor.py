"""``dbsbm doctor``: checks everything the service needs, and names a remedy for each fault."""

import logging
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn

import typer

from core.errors import EXIT_DEPENDENCY, DbsbmError
from core.text.redaction import words_of
from flows.cli.output import AsJson, Output

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from core.settings import Settings
    from feature_store.archive.sources.freshness import Source

SMALLEST_FREE_GIB = 1.0

REDIS_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 6.0
"""Time limit of all checks together; start and end of the command take one to three seconds more."""


@dataclass(frozen=True)
class Finding:
    """The result of one check: ``missing`` and ``fault`` fail the command, ``stale`` warns, ``absent`` is a choice."""

    name: str
    state: Literal["ok", "absent", "stale", "missing", "fault"]
    detail: str
    remedy: str = ""


def doctor(json: AsJson = False) -> None:
    """Check everything that the service needs, within ten seconds.

    Settings, database, clock, Redis, MLflow, the bot, data, models, spools and disk; exit 3 if one is missing.
    """
    from flows.cli.session import begin

    session = begin()
    findings = run_checks(CHECKS, session.settings, session.now)
    marks = {"ok": "ok     ", "absent": "not set", "stale": "STALE  ", "missing": "MISSING", "fault": "FAULT  "}
    lines = [
        f"{marks[item.state]}  {item.name:<13} {item.detail}{f' -> {item.remedy}' if item.remedy else ''}"
        for item in findings
    ]
    Output(as_json=json).result({"checks": [vars(item) for item in findings]}, "\n".join(lines))
    code = EXIT_DEPENDENCY if any(item.state in ("missing", "fault") for item in findings) else 0
    if any(isinstance(thread, _RunningCheck) for thread in threading.enumerate()):
        _end_at_once(code)
    raise typer.Exit(code)


Check = Callable[["Settings", datetime], Finding]


def run_checks(
    checks: Mapping[str, Check], settings: "Settings", now: datetime, seconds: float = LONGEST_SECONDS
) -> list[Finding]:
    """The findings of all checks, which run at the same time. One that hangs or breaks is a finding, too."""
    running = [_RunningCheck(name, check, settings, now) for name, check in checks.items()]
    for item in running:
        item.start()
    deadline = time.monotonic() + seconds
    for item in running:
        item.join(max(0.0, deadline - time.monotonic()))
    return [
        item.finding or Finding(item.name, "missing", f"no answer within {seconds:.0f} s", "check what it depends on")
        for item in running
    ]


def _end_at_once(code: int) -> NoReturn:
    """End the process without the interpreter's tidying up, which takes seconds while a check hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _RunningCheck(threading.Thread):
    """A check in a thread that does not keep the process alive."""

    def __init__(self, name: str, check: Check, settings: "Settings", now: datetime) -> None:
        super().__init__(name=name, daemon=True)
        self.finding: Finding | None = None
        self._check = check
        self._settings = settings
        self._now = now

    def run(self) -> None:
        """Run the check; whatever it raises is its finding."""
        try:
            self.finding = self._check(self._settings, self._now)
        except DbsbmError as error:
            self.finding = Finding(self.name, "missing", error.message, error.hint)
        except Exception as error:  # one part must not end the others, whatever is wrong with it
            logging.getLogger(__name__).exception("check %s failed", self.name)
            self.finding = Finding(
                self.name, "missing", f"{type(error).__name__}: {words_of(error)}", "please report it"
            )


def _settings(settings: "Settings", _now: datetime) -> Finding:
    return Finding("settings", "ok", f"environment {settings.dbsbm_env}, Python {platform.python_version()}")


def _database(settings: "Settings", _now: datetime) -> Finding:
    from core.database.bulk_insert import has_json_table
    from core.database.engines import open_database
    from core.text.addresses import shown
    from migrations import schema

    engine = open_database(settings.database)
    present, expected = schema.current(engine), schema.head()
    where = shown(settings.database)
    if not has_json_table(engine):
        return Finding("database", "missing", f"{where} has no JSON_TABLE", "use MySQL 8.0.19, MariaDB 10.6 or later")
    if unfinished := schema.unfinished(engine):
        return Finding("database", "missing", f"{where}: {unfinished}", "run `dbsbm db upgrade`, which continues it")
    if present != expected:
        return Finding("database", "missing", f"{where} at revision {present or 'none'}", "run `dbsbm db upgrade`")
    return Finding("database", "ok", f"{where} at revision {present}")


def _stored_text(settings: "Settings", _now: datetime) -> Finding:
    from core.database.engines import open_database
    from migrations.text_check import SAMPLE, default_charset, packet_fault, text_faults

    engine = open_database(settings.database)
    if faults := text_faults(engine):
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        remedy = "see *Charsets* in docs/ops.md"
        return Finding("text", "missing", f"names would be damaged: {'; '.join(faults[:3])}{more}", remedy)
    if packet := packet_fault(engine):
        return Finding("text", "missing", packet, "raise max_allowed_packet on the server")
    default = default_charset(engine)
    unused = f"; the database's default {default} is not used" if default not in ("", "utf8mb4") else ""
    return Finding("text", "ok", f"{SAMPLE} comes back as written{unused}")


def _clock(settings: "Settings", now: datetime) -> Finding:
    from core.clock import CLOCK_TOLERANCE
    from core.database.clock import database_now, in_words
    from core.database.engines import open_database
    from core.database.transactions import reading

    with reading(open_database(settings.database)) as connection:
        ahead = now - database_now(connection)
    if abs(ahead) > CLOCK_TOLERANCE:
        detail = (
            f"this machine is {in_words(ahead)} {'ahead of' if ahead.total_seconds() > 0 else 'behind'} the database"
        )
        return Finding("clock", "fault", detail, "set the clock that is wrong; facts are not recorded by one ahead")
    return Finding("clock", "ok", "agrees with the database's")


def _redis(settings: "Settings", _now: datetime) -> Finding:
    if settings.redis is None:
        return Finding("redis", "absent", "each process has its own cache")
    from serving.backends.redis_clients import REDIS_ERRORS, ping

    try:
        ping(settings.redis, name="dbsbm-doctor", seconds=REDIS_SECONDS)
    except REDIS_ERRORS as error:
        return Finding("redis", "missing", type(error).__name__, "forecasts continue, more slowly; start Redis")
    return Finding("redis", "ok", "reachable")


def _mlflow(settings: "Settings", _now: datetime) -> Finding:
    from core.registry.tracking.client import Tracking
    from core.registry.tracking.store import is_prepared

    if not is_prepared(settings.mlflow_tracking_uri):
        return Finding("mlflow", "absent", "the next training creates or upgrades the store")
    return Finding("mlflow", "ok", Tracking(settings.mlflow_tracking_uri).reachable())


def _bot(settings: "Settings", _now: datetime) -> Finding:
    if settings.bot_database_url is None:
        return Finding("bot database", "absent", "snapshots need BOT_DATABASE_URL")
    from core.database.engines import open_database
    from feature_store.sources.bot.schema import feed_table

    feed_table(open_database(settings.bot_database))
    return Finding("bot database", "ok", "every required column exists")


def _data(settings: "Settings", now: datetime) -> Finding:
    from core.betting.leagues import load_leagues
    from core.database.engines import open_database
    from feature_store.archive import store as archive
    from feature_store.archive.sources.freshness import freshness

    engine = open_database(settings.database)
    counts = archive.count_games(engine)
    if not counts:
        return Finding("data", "missing", "the archive is empty", "run `dbsbm backfill PATH` or `dbsbm snapshot`")
    leagues = load_leagues(settings.leagues_file)
    fresh = freshness(engine, [(leagues.get(key).sport, key) for key in sorted(counts) if key in leagues], now)
    detail = "; ".join(
        f"{key} {count:,} games ({_ages(now, fresh.sources(key))})" for key, count in sorted(counts.items())
    )
    ahead = _ahead_of_database(engine, fresh.newest)
    if ahead:
        remedy = (
            "their age is negative: see `dbsbm archive retract`, then run `dbsbm snapshot` and `dbsbm features build`"
        )
        return Finding("data", "fault", f"dated in the future: {', '.join(ahead)}; {detail}", remedy)
    stale = fresh.stale(now)
    if stale:
        due = ", ".join(f"{key} ({fresh.due[key]})" for key in stale)
        return Finding(
            "data",
            "stale",
            detail,
            f"games start within a week, and no new facts have arrived: {due}; run `dbsbm snapshot`",
        )
    return Finding("data", "ok", detail)


def _ahead_of_database(engine: "Engine", newest: "Mapping[Source, datetime]") -> list[str]:
    """Sources of facts, and leagues of feature rows, that are dated later than the database's clock allows."""
    from core.clock import CLOCK_TOLERANCE
    from core.database.clock import database_now
    from core.database.transactions import reading
    from feature_store.rows.online import watermarks

    with reading(engine) as connection:
        latest = database_now(connection) + CLOCK_TOLERANCE
    sources = [f"{source.league} by {source.name}" for source, moment in sorted(newest.items()) if moment > latest]
    built = [f"feature rows of {league}" for league, moment in sorted(watermarks(engine).items()) if moment > latest]
    return sources + built


def _duplicate_games(settings: "Settings", now: datetime) -> Finding:
    from core.betting.leagues import load_leagues
    from core.database.engines import open_database
    from feature_store.identity.duplicate_games import find_duplicates
    from feature_store.identity.matched_games import suggest_matches
    from flows.jobs.leagues import archived_leagues

    engine = open_database(settings.database)
    counts = {}
    for league in archived_leagues(engine, load_leagues(settings.leagues_file), None):
        pairs = {frozenset((one.game_id, one.same_as)) for one in find_duplicates(engine, league, now)}
        pairs |= {frozenset((one.game_id, one.same_as)) for one in suggest_matches(engine, league, now)}
        counts[league.key] = len(pairs)
    duplicates = [f"{key} {count:,}" for key, count in counts.items() if count]
    if duplicates:
        remedy = "their results count twice; see `dbsbm games suggest --league LEAGUE`"
        return Finding("games", "stale", f"games with two ids: {', '.join(duplicates)}", remedy)
    return Finding("games", "ok", "no game has two ids")


def _models(settings: "Settings", _now: datetime) -> Finding:
    from core.database.engines import open_database
    from core.registry.deployment import deployments

    champions = [r.model for r in deployments(open_database(settings.database)).values() if r.champion is not None]
    if not champions:
        return Finding("models", "missing", "no champion", "run `dbsbm train --league NFL`, then `dbsbm promote`")
    return Finding("models", "ok", ", ".join(champions))


def _disk(settings: "Settings", _now: datetime) -> Finding:
    folder = next(path for path in (settings.bundle_dir, *settings.bundle_dir.resolve().parents) if Path(path).exists())
    free = shutil.disk_usage(folder).free / 2**30
    if free < SMALLEST_FREE_GIB:
        return Finding("disk", "missing", f"{free:.1f} GiB free at {folder}", "free disk space")
    return Finding("disk", "ok", f"{free:.0f} GiB free")


def _spools(settings: "Settings", _now: datetime) -> Finding:
    from core.database.engines import open_database
    from serving.backends.database_identity import read_identity
    from serving.backends.spool_census import SpoolCensus
    from serving.backends.spool_files import refused_files, unsigned_files_of_others

    identity = read_identity(open_database(settings.database))
    depths = SpoolCensus(settings.serving_dir).depths()
    others = {owner: depth for owner, depth in depths.items() if owner != identity}
    refused = [str(path) for path in refused_files(settings.serving_dir)]
    open_to_others = [str(path) for path in unsigned_files_of_others(settings.serving_dir)]
    parts = [f"{depth:,} predictions in {owner}" for owner, depth in sorted(depths.items())]
    detail = "; ".join(parts) or "no prediction waits on disk"
    if refused:
        remedy = "lines without a valid signature: put back the SIGNING_KEY and remove the ending, or delete the file"
        return Finding("spools", "stale", f"{detail}; refused: {', '.join(refused)}", remedy)
    if open_to_others:
        remedy = "without signatures and writable by others: check the file, then `chmod go-w` it and its folder"
        return Finding("spools", "stale", f"{detail}; not read: {', '.join(open_to_others)}", remedy)
    if others:
        remedy = f"not known to be of this database, {identity}; see `dbsbm spools`"
        return Finding("spools", "stale", detail, remedy)
    return Finding("spools", "ok", detail)


def _ages(now: datetime, sources: dict[str, datetime]) -> str:
    return ", ".join(f"{name} {_age(now, moment)} old" for name, moment in sources.items())


def _age(now: datetime, moment: datetime) -> str:
    """The age, with a minus sign for a moment in the future."""
    hours = (now - moment).total_seconds() / 3600
    return f"{hours:.0f} h" if abs(hours) < 48 else f"{hours / 24:.0f} d"


CHECKS: dict[str, Check] = {
    "settings": _settings,
    "database": _database,
    "text": _stored_text,
    "clock": _clock,
    "redis": _redis,
    "mlflow": _mlflow,
    "bot database": _bot,
    "data": _data,
    "games": _duplicate_games,
    "models": _models,
    "spools": _spools,
    "disk": _disk,
}
