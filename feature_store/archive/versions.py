"""Versions of a fact: which of the things said of one identity says something new, and from when on it is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from feature_store.archive import tables
from feature_store.archive.facts import Game, Quote, Result

Fact = TypeVar("Fact", Game, Result, Quote)
INSTANT = timedelta(microseconds=1)
"""The least by which two versions of a fact differ in ``known_at``, which is part of their key."""


@dataclass(frozen=True)
class Kind(Generic[Fact]):
    """One kind of fact, its table, and where in its fields the identity ends and what it says begins."""

    table: sa.Table
    make: Callable[[Any], Fact]
    fields: tuple[str, ...]
    identity: int
    content: int
    """A quote's clocks are not what it says: a price shown again later says nothing new."""


GAMES: Final = Kind(tables.games, Game._make, Game._fields, 1, Game._fields.index("season"))
RESULTS: Final = Kind(tables.results, Result._make, Result._fields, 1, Result._fields.index("finished_at"))
QUOTES: Final = Kind(tables.quotes, Quote._make, Quote._fields, 3, Quote._fields.index("odds_home"))


def as_new(fact: Fact, versions: Sequence[Fact], kind: Kind[Fact], recorded_at: datetime, *, live: bool) -> Fact | None:
    """The fact as it is to be stored beside its earlier versions, or None if it says nothing new.

    A ``live`` source is looked at in order of time: what it says is new if it is not what was known last.
    """
    said = fact[kind.content :]
    latest = max(versions, key=_known_at)
    if live:
        return None if latest[kind.content :] == said else _moved(fact, max(fact.known_at, latest.known_at + INSTANT))
    if fact in versions:
        return None
    if not any(other.known_at == fact.known_at for other in versions):
        return fact
    if any(other[kind.content :] == said for other in versions if other.known_at >= fact.known_at):
        return None
    return _moved(fact, max(recorded_at, latest.known_at + INSTANT))


def as_told_without_a_clock(
    fact: Fact, versions: Sequence[Fact], kind: Kind[Fact], recorded_at: datetime
) -> Fact | None:
    """The same of a fact whose ``known_at`` was derived by rule, so that it moves when a start is corrected.

    A price that does not change with its start is known from the earlier of its two moments: no rule would have it
    seen only after the game began.
    """
    first = min(versions, key=_known_at)
    if fact[kind.content :] == first[kind.content :] and fact.known_at < first.known_at:
        return fact
    if any(other[kind.content :] == fact[kind.content :] for other in versions):
        return None
    return _moved(fact, max(recorded_at, max(map(_known_at, versions)) + INSTANT))


def changes(fact: Fact, versions: Sequence[Fact], kind: Kind[Fact]) -> bool:
    """Whether something else was known just before."""
    before = max((other for other in versions if other.known_at < fact.known_at), key=_known_at, default=None)
    return before is not None and before[kind.content :] != fact[kind.content :]


def without_sightings(facts: list[Fact], kind: Kind[Fact]) -> list[Fact]:
    """The facts, in order of ``known_at``, without those that repeat the one before of the same identity."""
    if len({fact[: kind.identity] for fact in facts}) == len(facts):
        return facts
    said: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    changes = []
    for fact in facts:
        identity, content = fact[: kind.identity], fact[kind.content :]
        if said.get(identity) != content:
            said[identity] = content
            changes.append(fact)
    return changes


def _moved(fact: Fact, known_at: datetime) -> Fact:
    return fact._replace(known_at=known_at)


def _known_at(fact: Game | Result | Quote) -> datetime:
    return fact.known_at
