"""The plain functions behind both the command line and the Prefect flows: open what is needed, do one thing, report.

An entry point hands in its settings and the present moment; nothing here reads a clock.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues, load_leagues
from core.clock import FixedClock
from core.database import open_database
from core.errors import CacheError, ConflictError, DbsbmError, ServiceError
from core.logs import get_logger
from core.registry.bundles.store import bundle_store
from core.registry.deployment import Version
from core.settings import Settings
from feature_store.archive import store as archive
from feature_store.identity.duplicate_games import twins
from feature_store.rows.build import Built, build
from feature_store.rows.offline import Materialized, export_rows, materialize
from feature_store.rows.online import watermarks
from feature_store.sources.bot.snapshot import SnapshotReport, snapshot
from training.fitting.recipe import RECIPES

log = get_logger(__name__)
LATELY: Final = timedelta(days=60)


@contextmanager
def our_database(settings: Settings) -> Iterator[Engine]:
    """Our own database for the length of a job. Raises ServiceError when its schema is not the code's."""
    from migrations import schema

    engine = open_database(settings.database)
    try:
        present, expected = schema.current(engine), schema.head()
        if present != expected:
            msg = f"The database is at revision {present or 'none'}; this code needs {expected}."
            raise ServiceError(msg, hint="Run `dbsbm db upgrade`.")
        yield engine
    finally:
        engine.dispose()


def archived_leagues(engine: Engine, leagues: Leagues, names: Sequence[str] | None) -> list[League]:
    """The leagues named, or every league the archive holds games of and that is still configured.

    Raises ResourceNotFoundError for an unknown name.
    """
    if names:
        return [leagues.get(name) for name in names]
    archived = archive.league_keys(engine)
    gone = [key for key in archived if key not in leagues]
    if gone:
        log.warning("leagues in the archive that are no longer configured are left alone", leagues=gone)
    return [leagues.get(key) for key in archived if key in leagues]


def take_snapshot(settings: Settings, now: datetime, *, erase_all: bool = False) -> SnapshotReport:
    """Read the bot's games into the archive; ``erase_all`` believes an empty table of consents."""
    bot = open_database(settings.bot_database)
    try:
        with our_database(settings) as engine:
            leagues = load_leagues(settings.leagues_file)
            return snapshot(
                bot,
                engine,
                leagues,
                now=now,
                time_zone=settings.bot_timezone,
                bare_time_zone=settings.bot_bare_timezone,
                erase_all=erase_all,
            )
    finally:
        bot.dispose()


def build_features(
    settings: Settings,
    now: datetime,
    names: Sequence[str] | None = None,
    on_league: Callable[[str, int, int], None] = lambda _league, _done, _all: None,
) -> list[Built]:
    """Bring the online rows and states of the leagues up to date."""
    with our_database(settings) as engine:
        built = []
        wanted = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        for number, league in enumerate(wanted):
            on_league(league.key, number, len(wanted))
            built.append(build(engine, league, now))
        _tell_servers(settings, engine, [league.key for league in wanted])
        return built


def refuse_older_rows(settings: Settings, moment: datetime, names: Sequence[str] | None = None) -> None:
    """Raises ConflictError naming the leagues whose rows, which the server answers from, are of a later moment."""
    with our_database(settings) as engine:
        built = watermarks(engine)
        wanted = archived_leagues(engine, load_leagues(settings.leagues_file), names)
    later = [league.key for league in wanted if league.key in built and built[league.key] > moment]
    if later:
        msg = f"The server answers from rows of {', '.join(later)} of a later moment than {moment:%Y-%m-%d %H:%M}."
        raise ConflictError(msg, hint="`dbsbm features rows --as-of` writes the rows of any moment to a file.")


def games_told_twice(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> dict[str, int]:
    """How many pairs of ids that are likely one game began lately or are to come, by league; none where there are none.

    All pairs of the past, too, are looked for by `dbsbm doctor` and before each training.
    """
    with our_database(settings) as engine:
        wanted = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        counts = {league.key: len(twins(engine, league, now, since=now - LATELY)) for league in wanted}
    return {key: count for key, count in counts.items() if count}


def _tell_servers(settings: Settings, engine: Engine, leagues: list[str]) -> None:
    """Put the games into Redis for servers that cannot ask the database; a Redis that is away stops nobody."""
    from serving.games.published_slate import publish

    try:
        publish(settings, engine, leagues)
    except CacheError as error:
        log.warning("the games were not put into Redis", reason=error.message)


def materialize_features(
    settings: Settings,
    now: datetime,
    names: Sequence[str] | None = None,
    on_league: Callable[[str, int, int], None] = lambda _league, _done, _all: None,
) -> list[Materialized]:
    """Bring the Parquet files of past games' rows up to what is known now."""
    with our_database(settings) as engine:
        wanted = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        made = []
        for number, league in enumerate(wanted):
            on_league(league.key, number, len(wanted))
            made.append(materialize(engine, league, settings.features_dir, now))
        return made


def write_rows(settings: Settings, name: str, output: Path, known_by: datetime, as_of: datetime | None) -> int:
    """Write a league's feature rows to a file: past games as of their starts, or the games to come as of a moment.

    Nothing that became known after ``known_by`` is in them. Raises ValidationError for a file that is neither .parquet
    nor .csv.
    """
    league = load_leagues(settings.leagues_file).get(name)
    with our_database(settings) as engine:
        return export_rows(engine, league, output, known_by, as_of)


def train_model(
    settings: Settings,
    now: datetime,
    name: str,
    recipe: str,
    known_by: datetime | None = None,
    on_stage: Callable[[str, str], None] = lambda _stage, _result: None,
    accept: Sequence[str] = (),
    tune: int = 0,
    on_working: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> Version:
    """Train one league by one recipe and register the result as challenger; ``tune`` trials seek its parameters."""
    from training.runs.train import train
    from training.runs.training_run import resolve_run

    leagues, store = load_leagues(settings.leagues_file), bundle_store(settings)
    with our_database(settings) as engine:
        run = resolve_run(leagues, store, name, recipe, now=now, known_by=known_by, accept=accept, tune=tune)
        return train(engine, run, on_stage=on_stage, on_progress=on_working)


def train_leagues(
    settings: Settings, now: datetime, names: Sequence[str] | None = None
) -> tuple[list[Version], dict[str, DbsbmError]]:
    """Train every recipe of the leagues; a league that cannot be trained does not stop the others.

    Returns the versions and, by league and recipe, why one was not made.
    """
    with our_database(settings) as engine:
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
    made: list[Version] = []
    failed: dict[str, DbsbmError] = {}
    for league in leagues:
        for recipe in RECIPES:
            try:
                made.append(train_model(settings, now, league.key, recipe))
            except ServiceError as error:
                failed[f"{league.key}-{recipe}"] = error
    return made, failed


def score_upcoming(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Forecast the games to come of the leagues into the shared cache, under the keys the server reads."""
    from serving.predictions.ahead.precompute import score_upcoming as warm

    with our_database(settings):
        return asdict(warm(settings, FixedClock(now), list(names) if names else None))
