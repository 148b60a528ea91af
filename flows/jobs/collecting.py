"""The resident collector: looks at the bot and the feeds, each at its own pace, and brings changed leagues up to date.

It holds nothing that matters: killed at any point it begins anew, and everything due is done at the next look. Two of
them at once repeat each other's work and double nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from core.errors import DbsbmError, RateLimitError
from core.logs import get_logger
from core.settings import Settings
from flows.jobs.features import build_features
from flows.jobs.feeds import feed_paces, pull_feed
from flows.jobs.grading import grade_log
from flows.jobs.scoring import score_upcoming
from flows.jobs.snapshot import take_snapshot
from serving.runtime.heap import release_free_memory

log = get_logger(__name__)

BOT: Final = "bot"
EVERYTHING_AGAIN: Final = timedelta(minutes=30)
"""How often all leagues are built and scored although nothing new was seen: games begin, champions change."""
FAILED_AGAIN: Final = timedelta(seconds=15)
"""When a look that failed, or an update, is tried again; a feed that asks for more gets more."""
LONGEST_WAIT: Final = timedelta(minutes=30)


class Look(NamedTuple):
    """A source that is looked at: how, and how often."""

    name: str
    take: Callable[[datetime], set[str]]
    """Records what the source shows; returns the leagues of which it showed something new."""
    interval: Callable[[datetime], timedelta]


@dataclass
class Collector:
    """Does what is due. ``update`` brings the named leagues up to date, all of them for None."""

    looks: Iterable[Look]
    update: Callable[[datetime, list[str] | None], None]
    _due: dict[str, datetime] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    """Leagues with new facts that are not in the rows yet."""
    _all_due: datetime | None = None

    def step(self, now: datetime) -> datetime:
        """Do what is due at the moment; returns when something is due next."""
        for look in self.looks:
            if now >= self._due.get(look.name, now):
                self._due[look.name] = self._take(look, now)
        everything = self._all_due is None or now >= self._all_due
        if self._changed or everything:
            try:
                self.update(now, None if everything else sorted(self._changed))
            except DbsbmError as error:
                log.warning("leagues were not brought up to date", code=error.code, reason=error.message)
                return min([now + FAILED_AGAIN, *self._due.values()])
            self._changed.clear()
            if everything:
                self._all_due = now + EVERYTHING_AGAIN
        return min([self._all_due or now, *self._due.values()])

    def _take(self, look: Look, now: datetime) -> datetime:
        """Take a look; returns when it is due again."""
        try:
            changed = look.take(now)
        except RateLimitError as error:
            log.info("a feed is not asked now", feed=look.name, reason=error.message)
            return now + min(max(timedelta(seconds=error.retry_after), FAILED_AGAIN), LONGEST_WAIT)
        except DbsbmError as error:
            log.warning("a look failed", source=look.name, code=error.code, reason=error.message)
            return now + FAILED_AGAIN
        self._changed |= changed
        if changed:
            log.info("new facts", source=look.name, leagues=sorted(changed))
        return now + look.interval(now)


def make_collector(settings: Settings) -> Collector:
    """The collector of an installation: the bot where BOT_DATABASE_URL is set, and every configured feed.

    Raises ConfigurationError for a wrong FEEDS_FILE or a missing key.
    """
    ended: set[str] = set()
    looks = [
        Look(name, lambda now, name=name: pull_feed(settings, now, name), pace)  # type: ignore[misc]
        for name, pace in feed_paces(settings).items()
    ]
    if settings.bot_database_url is not None:
        every = timedelta(seconds=settings.snapshot_seconds)
        looks.insert(0, Look(BOT, lambda now: _look_at_bot(settings, now, ended), lambda _now: every))

    def update(now: datetime, leagues: list[str] | None) -> None:
        build_features(settings, now, leagues)
        score_upcoming(settings, now, leagues)
        if ended:
            _grade(settings, now)
            ended.clear()
        release_free_memory()

    return Collector(looks, update)


def _look_at_bot(settings: Settings, now: datetime, ended: set[str]) -> set[str]:
    """Record what the bot shows; adds to ``ended`` the leagues of which it showed results."""
    report = take_snapshot(settings, now)
    ended |= {key for key, added in report.recorded.items() if added.results}
    return {key for key, added in report.recorded.items() if added.added}


def _grade(settings: Settings, now: datetime) -> None:
    """Grade what was forecast of the games that ended. After an error the next run grades it: forecasts are current."""
    try:
        grade_log(settings, now)
    except DbsbmError as error:
        log.warning("the prediction log was not graded", code=error.code, reason=error.message)
