"""The feeds of an installation: which there are, what their budgets allow, and what a look at them brings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues, load_leagues
from core.errors import ConfigurationError, DbsbmError, ResourceNotFoundError, ServiceError
from core.logs import get_logger
from core.settings import Settings
from core.text.nearest import nearest
from flows.jobs.databases import our_database

if TYPE_CHECKING:
    from feature_store.archive.facts import Rejected
    from feature_store.sources.feeds.client.call_ledger import CallLedger
    from feature_store.sources.feeds.collection import CollectionReport
    from feature_store.sources.feeds.configuration import FeedConfiguration
    from feature_store.sources.feeds.feed import Feed, FeedLook
    from feature_store.sources.feeds.service_feed import FeedPlan


log = get_logger(__name__)


@dataclass(frozen=True)
class FeedStatus:
    """A configured feed and its budget."""

    name: str
    title: str
    leagues: tuple[str, ...]
    calls_per_day: int
    calls_per_look: int
    calls_left: int
    """Calls that are left for today."""
    interval: timedelta
    """Between two looks, by the budget and the configured pace."""
    paused_until: datetime | None
    missing: str
    """The setting that is missing; empty if the feed can be asked."""


@dataclass(frozen=True)
class FeedOutcome:
    """A look at a feed: what it brought, or why it could not be taken."""

    name: str
    report: "CollectionReport | None"
    error: DbsbmError | None


@dataclass(frozen=True)
class FeedCheck:
    """A look at a feed of which nothing was recorded: what it shows, or why it could not be taken."""

    name: str
    look: "FeedLook | None"
    error: DbsbmError | None

    @property
    def rejected(self) -> "list[Rejected]":
        """What could not be read."""
        if self.look is None:
            return []
        return [*self.look.rejected, *(item for batch in self.look.batches.values() for item in batch.rejected)]


def feed_statuses(settings: Settings, now: datetime) -> list[FeedStatus]:
    """Every configured feed with its budget; asks no service. Raises ConfigurationError naming table and key."""
    from feature_store.sources.feeds.opening import feed_ledger, feed_plan, missing_setting

    leagues = load_leagues(settings.leagues_file)
    statuses = []
    for name, configuration in _configured(settings, leagues).items():
        ledger = feed_ledger(name, configuration, settings.feeds_dir)
        calls = feed_plan(name, configuration, leagues).calls_per_look(now)
        statuses.append(
            FeedStatus(
                name=name,
                title=configuration.kind(name).title,
                leagues=tuple(configuration.leagues),
                calls_per_day=configuration.calls_per_day,
                calls_per_look=calls,
                calls_left=ledger.left(now),
                interval=max(configuration.pace(name), ledger.spacing(calls, now)),
                paused_until=ledger.paused_until(),
                missing=missing_setting(name, configuration, _key(settings, name, configuration)),
            )
        )
    return statuses


def feed_paces(settings: Settings) -> dict[str, Callable[[datetime], timedelta]]:
    """The interval between two looks at each configured feed, by the moment.

    It is as configured, or longer where the day's budget does not last for that. Raises ConfigurationError for a wrong
    file, and for a feed whose key is missing.
    """
    from feature_store.sources.feeds.opening import feed_ledger, feed_plan, missing_setting

    leagues = load_leagues(settings.leagues_file)
    paces: dict[str, Callable[[datetime], timedelta]] = {}
    for name, configuration in _configured(settings, leagues).items():
        if setting := missing_setting(name, configuration, _key(settings, name, configuration)):
            raise ConfigurationError(f"{setting} is not set; {name} needs a key.", variable=setting)
        ledger = feed_ledger(name, configuration, settings.feeds_dir)
        paces[name] = partial(_interval, configuration.pace(name), ledger, feed_plan(name, configuration, leagues))
    return paces


def _interval(pace: timedelta, ledger: "CallLedger", plan: "FeedPlan", now: datetime) -> timedelta:
    return max(pace, ledger.spacing(plan.calls_per_look(now), now))


def pull_feed(settings: Settings, now: datetime, name: str) -> set[str]:
    """Look at one feed and record what it shows; returns the leagues of which it showed something new.

    Raises what stopped the look.
    """
    (outcome,) = pull_feeds(settings, now, [name])
    if outcome.report is None:
        raise outcome.error or ServiceError(f"{name} was not looked at.")
    report = outcome.report
    if report.rejected:
        log.warning("a feed could not be read whole", feed=name, rejected=report.rejected, reasons=list(report.reasons))
    return {key for key, added in report.recorded.items() if added.added}


def pull_feeds(
    settings: Settings,
    now: datetime,
    names: Sequence[str] = (),
    on_feed: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> list[FeedOutcome]:
    """Look once at each configured feed, or at those named, and record what they show.

    Prices that are shown as before are published again with the age of this look; whoever calls builds the leagues of
    which a look showed something new.
    A feed that cannot be asked stops no other. Raises ConfigurationError for a wrong file, ResourceNotFoundError for a
    feed that is not configured, DatabaseError when our database cannot be used.
    """
    from feature_store.rows.published_quotes import publish_quotes
    from feature_store.sources.feeds.collection import collect_feed

    leagues = load_leagues(settings.leagues_file)
    outcomes = []
    configured = _chosen(_configured(settings, leagues), names)
    with our_database(settings) as engine, _opening(settings, leagues, configured, engine) as open_named:
        for number, name in enumerate(configured):
            on_feed(name, number, len(configured))
            try:
                report = collect_feed(engine, leagues, open_named(name), now)
                for league in report.confirmed:
                    publish_quotes(engine, leagues.get(league), now)
                outcomes.append(FeedOutcome(name, report, None))
            except DbsbmError as error:
                outcomes.append(FeedOutcome(name, None, error))
    return outcomes


def check_feeds(
    settings: Settings,
    now: datetime,
    names: Sequence[str] = (),
    on_feed: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> list[FeedCheck]:
    """Look once at each configured feed, or at those named, and record nothing: try keys, leagues and forms.

    Its calls count against the budget as those of every look. Raises as ``pull_feeds`` does.
    """
    leagues = load_leagues(settings.leagues_file)
    checks = []
    configured = _chosen(_configured(settings, leagues), names)
    with our_database(settings) as engine, _opening(settings, leagues, configured, engine) as open_named:
        for number, name in enumerate(configured):
            on_feed(name, number, len(configured))
            try:
                checks.append(FeedCheck(name, open_named(name).look(now), None))
            except DbsbmError as error:
                checks.append(FeedCheck(name, None, error))
    return checks


@contextmanager
def _opening(
    settings: Settings, leagues: Leagues, configured: "Mapping[str, FeedConfiguration]", engine: Engine
) -> "Iterator[Callable[[str], Feed]]":
    """What opens a feed by its name, over one session; it raises ConfigurationError for a missing key."""
    import httpx

    from feature_store.identity.team_aliases import load_aliases
    from feature_store.sources.feeds.client.polite_client import TIME_LIMIT
    from feature_store.sources.feeds.event_reader import EventReading
    from feature_store.sources.feeds.opening import open_feed
    from feature_store.sources.live_tables import read_live_table

    aliases = load_aliases(engine)
    with httpx.Client(timeout=TIME_LIMIT, follow_redirects=False) as session:

        def open_named(name: str) -> "Feed":
            shared, key = EventReading(name, aliases, read_live_table), _key(settings, name, configured[name])
            return open_feed(configured[name], leagues, shared, key=key, folder=settings.feeds_dir, session=session)

        yield open_named


def _configured(settings: Settings, leagues: Leagues) -> "dict[str, FeedConfiguration]":
    from feature_store.sources.feeds.configuration import load_feeds

    return load_feeds(settings.feeds_file, leagues) if settings.feeds_file is not None else {}


def _chosen(configured: "dict[str, FeedConfiguration]", names: Sequence[str]) -> "dict[str, FeedConfiguration]":
    for name in names:
        if name not in configured:
            msg = f"There is no feed {name!r} in FEEDS_FILE."
            raise ResourceNotFoundError(msg, nearest=nearest(name, configured), resource_type="feed")
    return {name: configured[name] for name in (names or configured)}


def _key(settings: Settings, name: str, configuration: "FeedConfiguration") -> str | None:
    setting = configuration.kind(name).key_setting
    secret = getattr(settings, setting) if setting else None
    return None if secret is None else secret.get_secret_value()
