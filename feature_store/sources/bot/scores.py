"""Final scores out of the bot's rows: ``raw_json`` first, ``score`` second."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from core.betting.leagues import League
from feature_store.sources.bot.json_fields import UnbelievableError, whole_number, within

PERIODS: Final = ("first", "second", "third")
_SCORES: Final = ("goals", "score", "scores", "fighters")
_PERIOD_SCORE = re.compile(r"\s*(\d{1,2})\s*-\s*(\d{1,2})\s*")

Pair = tuple[int, int]


class Score(NamedTuple):
    """Home and away score at the end, overtime included; ``regulation`` without it, where the feed tells."""

    final: Pair
    regulation: Pair | None = None


def final_score(league: League, raw: Mapping[str, object], stored: Mapping[str, object]) -> Score:
    """The score of a game that is over. ``stored`` is the bot's own ``score`` column.

    Raises UnbelievableError for a missing score, for the 0-0 that the bot stores where it found none, and
    for a level score where ties are impossible.
    """
    said = {"raw_json": {key: raw.get(key) for key in _SCORES if key in raw}, "score": stored}
    upstream = _upstream_score(league.sport, raw)
    own = _pair(stored)
    score = upstream if upstream is not None else None if own is None else Score(own)
    if score is None:
        raise UnbelievableError("final, but neither raw_json nor score holds two whole scores from 0 up", said)
    if score.final == (0, 0) and _means_nothing(league, raw, upstream):
        raise UnbelievableError(f"final 0-0 in {league.sport}: the bot stores that where it found no score", said)
    if league.ties == "impossible" and score.final[0] == score.final[1]:
        reason = f"final {score.final[0]}-{score.final[1]}, but {league.key} has no ties"
        raise UnbelievableError(reason, said)
    return score


def _means_nothing(league: League, raw: Mapping[str, object], upstream: Score | None) -> bool:
    """Whether 0-0 stands for a missing score: where upstream's own record is there and tells none, it does.

    Of soccer alone the bot's word is believed where there is no record to ask.
    """
    if league.sport in ("ice_hockey", "mma") or league.scores == "points":
        return True
    return upstream is None and (bool(raw) or league.sport != "soccer")


def _upstream_score(sport: str, raw: Mapping[str, object]) -> Score | None:
    match sport:
        case "soccer":
            return _soccer(raw)
        case "ice_hockey":
            return _hockey(raw)
        case "mma":
            return _fight(raw)
        case _:
            total = _pair(raw.get("scores"))
            return None if total is None else Score(total)


def _soccer(raw: Mapping[str, object]) -> Score | None:
    """``goals`` counts extra time but not the shoot-out; ``score.extratime`` holds the goals of extra time alone."""
    regulation = _pair(within(raw, "score", "fulltime"))
    goals = _pair(raw.get("goals"))
    if goals is None and regulation is not None:
        extra = _pair(within(raw, "score", "extratime")) or (0, 0)
        goals = (regulation[0] + extra[0], regulation[1] + extra[1])
    return None if goals is None else Score(goals, _not_above(goals, regulation))


def _hockey(raw: Mapping[str, object]) -> Score | None:
    goals = _pair(raw.get("scores"))
    if goals is None:
        return None
    periods = [_period(within(raw, "periods", name)) for name in PERIODS]
    played = [period for period in periods if period is not None]
    if len(played) < len(PERIODS):
        return Score(goals)
    regulation = (sum(home for home, _ in played), sum(away for _, away in played))
    return Score(goals, _not_above(goals, regulation))


def _fight(raw: Mapping[str, object]) -> Score | None:
    """1-0 for the winner; None for a draw and for no contest, which upstream does not tell apart."""
    first, second = (within(raw, "fighters", corner, "winner") is True for corner in ("first", "second"))
    return None if first == second else Score((int(first), int(second)))


def _not_above(final: Pair, regulation: Pair | None) -> Pair | None:
    """The regulation score, unless it contradicts the final one."""
    if regulation is None or regulation[0] > final[0] or regulation[1] > final[1]:
        return None
    return regulation


def _period(text: object) -> Pair | None:
    found = _PERIOD_SCORE.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    return None if found is None else (int(found[1]), int(found[2]))


def _pair(block: object) -> Pair | None:
    home, away = _points(within(block, "home")), _points(within(block, "away"))
    return None if home is None or away is None else (home, away)


def _points(side: object) -> int | None:
    """A side's score: a number (hockey, rugby), or an object with ``total`` (baseball ...) or ``score`` (AFL)."""
    if not isinstance(side, dict):
        return whole_number(side)
    total = whole_number(side.get("total"))
    return total if total is not None else whole_number(side.get("score"))
