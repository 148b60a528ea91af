"""Facts taken back, with everything that was made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Engine

from core.clock import CLOCK_TOLERANCE
from core.database.clock import check_not_ahead, database_now
from core.database.transactions import reading, turn
from core.errors import ValidationError
from core.registry.deployment import versions
from core.settings import Settings
from feature_store.archive.retraction import LeagueKey, RecordedSpan, Retracted, count_recorded, retract
from feature_store.sources.bot.people.archive import count_people, retract_people
from feature_store.sources.bot.reading import SOURCE
from feature_store.sources.bot.snapshot import SNAPSHOTS
from flows.jobs.databases import our_database
from flows.jobs.features import build_features


@dataclass(frozen=True)
class RetractionReport:
    """What was taken back, or would be, and what people must look at."""

    span: RecordedSpan
    facts: Mapping[LeagueKey, Retracted]
    people: int
    """Rows of consents, guilds and bets."""
    models: tuple[str, ...]
    """Versions that were registered in the span or trained on facts of it: they stay as they are."""


def span_of(settings: Settings, since: datetime | None, until: datetime | None, source: str | None) -> RecordedSpan:
    """The span that is meant; without ``since`` whatever is dated later than the database's clock allows.

    Raises ValidationError for an end before the beginning.
    """
    if since is not None and until is not None and until < since:
        raise ValidationError("until: must not be earlier than since.", field="until")
    with our_database(settings) as engine, reading(engine) as connection:
        return RecordedSpan(since or database_now(connection) + CLOCK_TOLERANCE, until, source)


def plan_retraction(settings: Settings, span: RecordedSpan) -> RetractionReport:
    """What ``retract_facts`` would take back; changes nothing."""
    with our_database(settings) as engine:
        people = count_people(engine, span) if _covers_people(span) else 0
        return RetractionReport(span, count_recorded(engine, span), people, _models(engine, span))


def retract_facts(settings: Settings, span: RecordedSpan, now: datetime) -> RetractionReport:
    """Take back what was recorded in the span, then make feature rows and states of every league again.

    No snapshot runs meanwhile. Raises ClockError if this machine's clock is ahead.
    """
    with our_database(settings) as engine:
        with reading(engine) as connection:
            check_not_ahead(connection, now)
        with turn(engine, SNAPSHOTS):
            facts = {league: retract(engine, league, span, now) for league in count_recorded(engine, span)}
            people = retract_people(engine, span) if _covers_people(span) else 0
        models = _models(engine, span)
    build_features(settings, now)
    return RetractionReport(span, facts, people, models)


def _covers_people(span: RecordedSpan) -> bool:
    return span.source in (None, SOURCE)


def _models(engine: Engine, span: RecordedSpan) -> tuple[str, ...]:
    def is_in_span(moment: datetime) -> bool:
        return span.since <= moment and (span.until is None or moment <= span.until)

    return tuple(
        f"{item.model} {item.version}"
        for item in versions(engine)
        if is_in_span(item.registered_at) or is_in_span(item.trained_until)
    )
