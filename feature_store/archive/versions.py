"""Versions of a fact: which of them has new content, and from when on it is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from feature_store.archive import tables
from feature_store.archive.facts import GameFact, Quote, Result

Fact = TypeVar("Fact", GameFact, Result, Quote)
INSTANT = timedelta(microseconds=1)
"""The least by which two versions of a fact differ in ``known_at``, which is part of their key."""


@dataclass(frozen=True)
class FactKind(Generic[Fact]):
    """One kind of fact, its table, and where in its fields the identity ends and the content begins."""

    table: sa.Table
    make: Callable[[Any], Fact]
    fields: tuple[str, ...]
    identity: int
    content: int
    """A quote's clocks are no content: a price shown again later is nothing new."""


GAMES: Final = FactKind(tables.games, GameFact._make, GameFact._fields, 1, GameFact._fields.index("season"))
RESULTS: Final = FactKind(tables.results, Result._make, Result._fields, 1, Result._fields.index("finished_at"))
QUOTES: Final = FactKind(tables.quotes, Quote._make, Quote._fields, 3, Quote._fields.index("odds_home"))


def as_new(
    fact: Fact, versions: Sequence[Fact], kind: FactKind[Fact], recorded_at: datetime, *, live: bool
) -> Fact | None:
    """The fact as it is to be stored beside its earlier versions, or None if it has nothing new.

    A ``live`` source is read in order of time: its content is new if it differs from the latest version's.
    """
    content = fact[kind.content :]
    latest = max(versions, key=_known_at)
    if live:
        return (
            None if latest[kind.content :] == content else _moved(fact, max(fact.known_at, latest.known_at + INSTANT))
        )
    if fact in versions:
        return None
    if not any(other.known_at == fact.known_at for other in versions):
        return fact
    if any(other[kind.content :] == content for other in versions if other.known_at >= fact.known_at):
        return None
    return _moved(fact, max(recorded_at, latest.known_at + INSTANT))


def as_new_without_clock(
    fact: Fact, versions: Sequence[Fact], kind: FactKind[Fact], recorded_at: datetime
) -> Fact | None:
    """The same for a fact whose ``known_at`` was derived by rule, so that it moves when a start is corrected.

    A price that does not change with its start is known from the earlier of its two moments: it was not shown only
    after the game began.
    """
    first = min(versions, key=_known_at)
    if fact[kind.content :] == first[kind.content :] and fact.known_at < first.known_at:
        return fact
    if any(other[kind.content :] == fact[kind.content :] for other in versions):
        return None
    return _moved(fact, max(recorded_at, max(map(_known_at, versions)) + INSTANT))


def changes(fact: Fact, versions: Sequence[Fact], kind: FactKind[Fact]) -> bool:
    """Whether the version known just before has other content."""
    before = max((other for other in versions if other.known_at < fact.known_at), key=_known_at, default=None)
    return before is not None and before[kind.content :] != fact[kind.content :]


def without_sightings(facts: list[Fact], kind: FactKind[Fact]) -> list[Fact]:
    """The facts, in order of ``known_at``, without those that repeat the one before of the same identity."""
    if len({fact[: kind.identity] for fact in facts}) == len(facts):
        return facts
    latest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    changes = []
    for fact in facts:
        identity, content = fact[: kind.identity], fact[kind.content :]
        if latest.get(identity) != content:
            latest[identity] = content
            changes.append(fact)
    return changes


def _moved(fact: Fact, known_at: datetime) -> Fact:
    return fact._replace(known_at=known_at)


def _known_at(fact: GameFact | Result | Quote) -> datetime:
    return fact.known_at
