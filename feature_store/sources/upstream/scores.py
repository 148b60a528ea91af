"""Final scores from the bot's rows: ``raw_json``, upstream's record, first, the column ``score`` second."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from core.betting.leagues import League
from core.betting.score_bounds import fault_of_score
from feature_store.sources.upstream.json_fields import RejectedValueError, at_path, whole_number

PERIODS: Final = ("first", "second", "third")
_SCORES: Final = ("goals", "score", "scores", "fighters")
_PERIOD_SCORE = re.compile(r"\s*(\d{1,2})\s*-\s*(\d{1,2})\s*")

Pair = tuple[int, int]


class FinalScore(NamedTuple):
    """Home and away score at the end, overtime included; ``regulation`` without it, where the feed has it."""

    final: Pair
    regulation: Pair | None = None


def final_score(league: League, raw: Mapping[str, object], stored: Mapping[str, object]) -> FinalScore:
    """The score of a game that is over. ``stored`` is the bot's own ``score`` column.

    Raises RejectedValueError for a missing score, for one that the sport cannot have, for the 0-0 that the bot stores
    where it found none, and for a level score where ties are impossible.
    """
    content = {"raw_json": {key: raw.get(key) for key in _SCORES if key in raw}, "score": stored}
    upstream = _upstream_score(league.sport, raw)
    own = _pair(stored)
    score = upstream if upstream is not None else None if own is None else FinalScore(own)
    if score is None:
        raise RejectedValueError("final, but neither raw_json nor score holds two whole scores from 0 up", content)
    if score.final == (0, 0) and _means_nothing(league, raw, upstream):
        raise RejectedValueError(f"final 0-0 in {league.sport}: the bot stores that where it found no score", content)
    if fault := fault_of_score(league, *score.final):
        raise RejectedValueError(f"final {fault}", content)
    if league.ties == "impossible" and score.final[0] == score.final[1]:
        reason = f"final {score.final[0]}-{score.final[1]}, but {league.key} has no ties"
        raise RejectedValueError(reason, content)
    return score


def _means_nothing(league: League, raw: Mapping[str, object], upstream: FinalScore | None) -> bool:
    """Whether 0-0 means a missing score: it does where upstream's own record is there and has none.

    Where there is no record, the bot's 0-0 is accepted in soccer only.
    """
    if league.sport in ("ice_hockey", "mma") or league.scores == "points":
        return True
    return upstream is None and (bool(raw) or league.sport != "soccer")


def _upstream_score(sport: str, raw: Mapping[str, object]) -> FinalScore | None:
    match sport:
        case "soccer":
            return _soccer(raw)
        case "ice_hockey":
            return _hockey(raw)
        case "mma":
            return _fight(raw)
        case _:
            total = _pair(raw.get("scores"))
            return None if total is None else FinalScore(total)


def _soccer(raw: Mapping[str, object]) -> FinalScore | None:
    """``goals`` counts extra time but not the shoot-out; ``score.extratime`` holds the goals of extra time alone."""
    regulation = _pair(at_path(raw, "score", "fulltime"))
    goals = _pair(raw.get("goals"))
    if goals is None and regulation is not None:
        extra = _pair(at_path(raw, "score", "extratime")) or (0, 0)
        goals = (regulation[0] + extra[0], regulation[1] + extra[1])
    return None if goals is None else FinalScore(goals, _not_above(goals, regulation))


def _hockey(raw: Mapping[str, object]) -> FinalScore | None:
    goals = _pair(raw.get("scores"))
    if goals is None:
        return None
    periods = [_period(at_path(raw, "periods", name)) for name in PERIODS]
    played = [period for period in periods if period is not None]
    if len(played) < len(PERIODS):
        return FinalScore(goals)
    regulation = (sum(home for home, _ in played), sum(away for _, away in played))
    return FinalScore(goals, _not_above(goals, regulation))


def _fight(raw: Mapping[str, object]) -> FinalScore | None:
    """1-0 for the winner; None for a draw and for no contest, which upstream does not distinguish."""
    first, second = (at_path(raw, "fighters", corner, "winner") is True for corner in ("first", "second"))
    return None if first == second else FinalScore((int(first), int(second)))


def _not_above(final: Pair, regulation: Pair | None) -> Pair | None:
    """The regulation score, unless it contradicts the final one."""
    if regulation is None or regulation[0] > final[0] or regulation[1] > final[1]:
        return None
    return regulation


def _period(text: object) -> Pair | None:
    match = _PERIOD_SCORE.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    return None if match is None else (int(match[1]), int(match[2]))


def _pair(block: object) -> Pair | None:
    home, away = _points(at_path(block, "home")), _points(at_path(block, "away"))
    return None if home is None or away is None else (home, away)


def _points(side: object) -> int | None:
    """A side's score: a number (hockey, rugby), or an object with ``total`` (baseball ...) or ``score`` (AFL)."""
    if not isinstance(side, dict):
        return whole_number(side)
    total = whole_number(side.get("total"))
    return total if total is not None else whole_number(side.get("score"))
