"""The first run of an installation, stage by stage: history, feeds, rows, models, champions.

Every stage does only what is missing, so that a run that failed is continued by the next one, and a run after a
complete one changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Engine

from core.betting.leagues import League, load_leagues
from core.database.engines import open_database
from core.database.transactions import reading
from core.errors import ExternalServiceError, ResourceNotFoundError, ServiceError
from core.registry.bundles.store import bundle_store
from core.registry.deployment import deployments, model_name, versions
from core.settings import Settings
from feature_store.archive import store as archive
from feature_store.archive.queries import first_and_last_end, latest_games
from feature_store.archive.sources.freshness import newest_facts
from feature_store.rows.online import watermarks
from flows.jobs.databases import our_database
from flows.jobs.features import build_features
from flows.jobs.feeds import feed_statuses, pull_feeds
from flows.jobs.snapshot import take_snapshot
from flows.jobs.training import train_model
from migrations import schema
from training.fitting.recipe import RECIPES

NEW_SEASON: Final = 7
"""The month from which on a season may have begun that is named by this year."""
SAMPLE_SOURCE: Final = "sports-betting"
MORE_HISTORY: Final = "Load finished games with `dbsbm backfill` or `dbsbm init --history published`."

OnWork = Callable[[str, int, int], None]
"""Called with what is done next, the number done and the number of all."""


@dataclass(frozen=True)
class StageReport:
    """What a stage of the first run did."""

    text: str
    changed: bool


@dataclass(frozen=True)
class PromotionReport(StageReport):
    """The champions of the leagues, and why the promotion gate refused others."""

    champions: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """Where finished games come from: ``sample``, ``published``, ``none``, or a folder or file of CSV."""

    source: str
    seasons: int = 3
    """How many of the last seasons are downloaded."""
    address: str | None = None
    """Another server with the published pages."""


def leagues_in_use(settings: Settings) -> list[str]:
    """The leagues that have models, else those of which the archive holds games; none while there is no schema."""
    engine = open_database(settings.database)
    try:
        if schema.current(engine) != schema.head():
            return []
        return sorted({version.league for version in versions(engine)}) or archive.league_keys(engine)
    finally:
        engine.dispose()


def leagues_without_results(settings: Settings, keys: Sequence[str]) -> list[str]:
    """The leagues of which the archive has no finished game: all of them while the database has no schema."""
    engine = open_database(settings.database)
    try:
        return _without_results(engine, settings, keys) if schema.current(engine) == schema.head() else list(keys)
    finally:
        engine.dispose()


def load_history(
    settings: Settings, now: datetime, keys: Sequence[str], history: History, on_work: OnWork
) -> StageReport:
    """Load finished games: the sample of leagues that have none, published seasons of leagues without a model.

    CSV files are read in any case. Raises what the source raises: of a site that is unreachable, of a file that cannot
    be read.
    """
    with our_database(settings) as engine:
        if history.source == "none":
            added = 0
        elif history.source == "sample":
            added = _load_sample(engine, settings, now, _without_results(engine, settings, keys))
        elif history.source == "published":
            added = _download(engine, settings, now, _without_model(engine, keys), history, on_work)
        else:
            added = _load_files(engine, settings, now, Path(history.source), on_work)
        return StageReport(f"{_count_text(engine, keys)}; {added:,} new facts", changed=added > 0)


def pull_sources(settings: Settings, now: datetime, on_work: OnWork) -> StageReport:
    """Look once at the bot and at every feed that has brought nothing yet.

    Raises what stops a look, and ExternalServiceError for a feed of whose answers nothing could be used.
    """
    looks: dict[str, Callable[[], object]] = {}
    if settings.bot_database_url is not None:
        looks["bot"] = partial(take_snapshot, settings, now)
    for status in feed_statuses(settings, now):
        looks[f"feed:{status.name}"] = partial(_look_at_feed, settings, now, status.name)
    with our_database(settings) as engine:
        seen = {source.name for source in newest_facts(engine)}
        before = sum(archive.count_games(engine).values())
        due = [name for name in looks if name not in seen]
        for number, name in enumerate(due):
            on_work(name, number, len(due))
            looks[name]()
        found = sum(archive.count_games(engine).values()) - before
        changed = bool({source.name for source in newest_facts(engine)} - seen)
    if not looks:
        return StageReport("no feed and no bot configured", changed=False)
    if not due:
        return StageReport(f"{', '.join(looks)}: looked at already", changed=False)
    return StageReport(f"{', '.join(due)}: {found:,} games", changed=changed)


def _look_at_feed(settings: Settings, now: datetime, name: str) -> None:
    (outcome,) = pull_feeds(settings, now, [name])
    if outcome.error is not None:
        raise outcome.error
    report = outcome.report
    if report is not None and report.rejected and not report.facts:
        msg = f"{name} gave nothing that can be used: {report.rejected} of its answers or items are in quarantine."
        raise ExternalServiceError(msg, hint="Check its key, its leagues and the way to the service (docs/feeds.md).")


def build_missing_rows(
    settings: Settings, now: datetime, keys: Sequence[str], on_work: OnWork, *, changed: bool
) -> StageReport:
    """Build the feature rows of leagues that have none, or of all where facts were added."""
    with our_database(settings) as engine:
        archived = archive.league_keys(engine)
        built = watermarks(engine)
    wanted = sorted({*keys, *archived} & set(archived))
    if not changed and all(key in built for key in wanted):
        return StageReport(f"rows of {len(wanted)} leagues there already", changed=False)
    rows = build_features(settings, now, wanted, on_work) if wanted else []
    played, upcoming = sum(item.played for item in rows), sum(item.upcoming for item in rows)
    return StageReport(f"{played:,} games played and {upcoming:,} to come", changed=bool(rows))


def train_missing_models(settings: Settings, now: datetime, keys: Sequence[str], on_work: OnWork) -> StageReport:
    """Train the models of the leagues that were never trained.

    Raises ServiceError where finished games exist and not one model of the leagues could be trained from them.
    """
    with our_database(settings) as engine:
        registered = deployments(engine).keys()
        empty = _without_results(engine, settings, keys)
    pairs = [(key, recipe) for key in keys if key not in empty for recipe in RECIPES]
    due = [(key, recipe) for key, recipe in pairs if model_name(key, RECIPES[recipe].variant) not in registered]
    refused: dict[str, str] = {}
    for number, (key, recipe) in enumerate(due):
        on_work(f"training {key} {recipe}", number, len(due))
        try:
            train_model(settings, now, key, recipe)
        except ServiceError as error:
            refused[f"{key} {recipe}"] = error.message
    reasons = [f"{name}: {reason}" for name, reason in refused.items()]
    if pairs and len(refused) == len(pairs):
        raise ServiceError(f"No model could be trained: {'; '.join(reasons)}", hint=MORE_HISTORY)
    trained = len(due) - len(refused)
    parts = [f"{trained} models trained" if trained or not pairs else f"{len(pairs) - len(due)} models there already"]
    parts += [f"not trained: {reason}" for reason in reasons]
    parts += [f"no finished game of {', '.join(empty)}: {MORE_HISTORY}"] * bool(empty)
    return StageReport("; ".join(parts), changed=trained > 0)


def promote_first_champions(settings: Settings, now: datetime, keys: Sequence[str]) -> PromotionReport:
    """Promote the challengers of the leagues' models that have no champion."""
    from training.promotion.promote import promote

    leagues, store = load_leagues(settings.leagues_file), bundle_store(settings)
    names = {model_name(key, recipe.variant) for key in keys for recipe in RECIPES.values()}
    refused, promoted = [], 0
    with our_database(settings) as engine:
        for record in deployments(engine).values():
            if record.model not in names or record.champion is not None or record.challenger is None:
                continue
            verdict, _, _ = promote(engine, leagues, store, record.model, None, now)
            failed = [f"{check.name}: {check.numbers}" for check in verdict.checks if not check.passed]
            refused += [f"{record.model} ({', '.join(failed)})"] * bool(failed)
            promoted += not failed
        records = deployments(engine).values()
    champions = tuple(record.model for record in records if record.model in names and record.champion is not None)
    parts = [f"{len(champions)} champions{'' if promoted else ', as before'}"]
    parts += [f"the promotion gate refused {'; '.join(refused)}"] * bool(refused)
    return PromotionReport("; ".join(parts), promoted > 0, champions, tuple(refused))


def example_game(settings: Settings, key: str) -> tuple[str, str] | None:
    """Home and away team of the league's last game, for an example; None without a game."""
    with our_database(settings) as engine:
        games = latest_games(engine, load_leagues(settings.leagues_file).get(key))
    last = max(games, key=lambda game: game.start_at, default=None)
    return None if last is None else (last.home_team, last.away_team)


def _without_results(engine: Engine, settings: Settings, keys: Sequence[str]) -> list[str]:
    leagues = load_leagues(settings.leagues_file)
    with reading(engine) as connection:
        return [key for key in keys if first_and_last_end(connection, leagues.get(key)) == (None, None)]


def _without_model(engine: Engine, keys: Sequence[str]) -> list[str]:
    registered = deployments(engine)
    return [key for key in keys if not any(model_name(key, item.variant) in registered for item in RECIPES.values())]


def _count_text(engine: Engine, keys: Sequence[str]) -> str:
    counts = archive.count_games(engine)
    return ", ".join(f"{counts.get(key, 0):,} games of {key}" for key in keys)


def _load_sample(engine: Engine, settings: Settings, now: datetime, keys: Sequence[str]) -> int:
    from feature_store.sources.library.sample import sample_batches

    batches = sample_batches(load_leagues(settings.leagues_file))
    return sum(
        archive.record(engine, league, batch, source=SAMPLE_SOURCE, recorded_at=now).added
        for league, batch in batches.items()
        if league.key in keys
    )


def _load_files(engine: Engine, settings: Settings, now: datetime, path: Path, on_work: OnWork) -> int:
    from feature_store.sources.csv.backfill import backfill

    leagues = load_leagues(settings.leagues_file)
    report = backfill(
        engine, leagues, [path], now=now, on_file=lambda file, done, total: on_work(file.name, done, total)
    )
    return report.added


def _download(
    engine: Engine, settings: Settings, now: datetime, keys: Sequence[str], history: History, on_work: OnWork
) -> int:
    """Download those of the leagues' last seasons that the archive lacks."""
    leagues = load_leagues(settings.leagues_file)
    newest = now.year if now.month >= NEW_SEASON else now.year - 1
    wanted = []
    for league in map(leagues.get, keys):
        present = {game.season for game in latest_games(engine, league)}
        wanted += [(league, year) for year in range(newest, newest - history.seasons, -1) if year not in present]
    added = 0
    for number, (league, season) in enumerate(wanted):
        on_work(f"downloading {league.key} {season}", number, len(wanted))
        added += _download_season(engine, settings, now, league, season, history.address)
    return added


def _download_season(
    engine: Engine, settings: Settings, now: datetime, league: League, season: int, address: str | None
) -> int:
    """Returns the number of new facts: none of a season that is not published, or not yet."""
    from feature_store.sources.library.scores import SCORES
    from feature_store.sources.published_seasons import backfill_scores, backfill_season

    leagues = load_leagues(settings.leagues_file)
    site = next((name for name, source in SCORES.items() if source.league == league.key), None)
    try:
        report = (
            backfill_season(engine, leagues, league.key, season, now=now, address=address)
            if site is None
            else backfill_scores(engine, leagues, site, league.key, season, now=now, address=address)
        )
    except ResourceNotFoundError:
        return 0  # of this league, or of this season, nothing is published: the stage's text counts the games
    return report.added
