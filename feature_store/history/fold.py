"""The fold over results, compiled: states advance in the order in which games ended, and rows are read on the way.

What is known changes with time: a result arrives, is corrected, or is taken back. Each such change adds or removes a
play at its place in the order of finishes; if the state has passed that place, it is computed again from the
checkpoint before it. So the state at any moment depends only on what was known then.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.arrays import FloatArray
from feature_store.history import ratings
from feature_store.history.compiled import compiled
from feature_store.history.fact_columns import Flags, Indices
from feature_store.history.ratings import LEAGUE, TEAM, Rules

LEAVE, ENTER, TAKE_ROW = 0, 1, 2
STRIDE: Final = 128
"""Plays between two checkpoints."""
RECENT: Final = 256
"""Number of the latest checkpoints that are kept, for results that come late by days or weeks."""
SPARSE: Final = 64
"""Number of checkpoints spread over all of history, for corrections of anything older."""

_enter = compiled(ratings.enter)
_advance_ratings = compiled(ratings.advance_ratings)
_advance_price_ratings = compiled(ratings.advance_price_ratings)
_advance_rates = compiled(ratings.advance_rates)
_advance_price_rates = compiled(ratings.advance_price_rates)
_advance_shots = compiled(ratings.advance_shots)
_advance_counts = compiled(ratings.advance_counts)


@dataclass(frozen=True, eq=False)
class Plays:
    """Finished games as known over some time, in the order of their finish. All columns are equally long."""

    known_from: FloatArray
    known_until: FloatArray
    finish: FloatArray
    season: FloatArray
    start: FloatArray
    home: Indices
    away: Indices
    neutral: Flags
    home_score: FloatArray
    away_score: FloatArray
    expected: FloatArray
    """The closing price's home expectation; NaN if the game had no price."""
    total: FloatArray
    """The closing price's expected sum of both scores; NaN if it had none."""
    shots: FloatArray
    """Home and away, shape (plays, 2); NaN where shots were not counted."""
    on_target: FloatArray

    def __len__(self) -> int:
        return len(self.finish)

    def __getitem__(self, part: slice) -> "Plays":
        return Plays(**{item.name: getattr(self, item.name)[part] for item in fields(self)})


@dataclass(frozen=True, eq=False)
class RowRequests:
    """Games whose row is requested, each as of a moment."""

    at: FloatArray
    season: FloatArray
    home: Indices
    away: Indices


@dataclass(frozen=True, eq=False)
class Folded:
    """States before the requested games, one array row per field of ``LEAGUE`` or ``TEAM``, and those at the end."""

    league_before: FloatArray
    home_before: FloatArray
    away_before: FloatArray
    league: NDArray[Any]
    teams: NDArray[Any]


def fold(plays: Plays, requests: RowRequests, teams: NDArray[Any], league: NDArray[Any], rules: Rules) -> Folded:
    """Play everything that became known, in order of time, and read the state of each requested row at its moment.

    ``teams`` (one record of ``TEAM`` each) and ``league`` are the states before the first play.
    """
    kinds, items = _events(plays, requests)
    count = len(requests.at)
    slots = RECENT + SPARSE + 1
    folded = Folded(
        np.empty((len(LEAGUE.descr), count)),
        np.empty((len(TEAM.descr), count)),
        np.empty((len(TEAM.descr), count)),
        league.copy().reshape(1),
        teams.copy(),
    )
    _run(
        kinds,
        items,
        (plays.season, plays.start, plays.home, plays.away, plays.neutral),
        (plays.home_score, plays.away_score, plays.expected, plays.total, plays.shots, plays.on_target),
        (requests.season, requests.home, requests.away),
        (folded.league_before, folded.home_before, folded.away_before),
        (folded.league, folded.teams),
        np.zeros(2, TEAM),
        (np.zeros(slots, LEAGUE), np.zeros((slots, len(teams)), TEAM), np.full(slots, -1, dtype=np.int64)),
        STRIDE * (len(plays.start) // (STRIDE * SPARSE) + 1),
        rules,
    )
    return folded


def _events(plays: Plays, requests: RowRequests) -> tuple[NDArray[np.int8], Indices]:
    """Changes of what is known and rows to read, in order of time; at one moment changes come before rows."""
    leaving = np.flatnonzero(np.isfinite(plays.known_until))
    times = np.concatenate((plays.known_until[leaving], plays.known_from, requests.at))
    kinds = np.repeat(
        np.array((LEAVE, ENTER, TAKE_ROW), dtype=np.int8), (len(leaving), len(plays.start), len(requests.at))
    )
    items = np.concatenate((leaving, np.arange(len(plays.start)), np.arange(len(requests.at))))
    order = np.lexsort((items, kinds, times))
    return kinds[order], items[order]


@compiled
def _run(kinds, items, fixtures, outcomes, wanted, before, states, pair, checkpoints, sparse, rules):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    wanted_season, wanted_home, wanted_away = wanted
    league_before, home_before, away_before = before
    league, teams = states
    league_fields = league.view(np.float64)
    pair_fields = pair.view(np.float64).reshape(2, len(home_before))
    in_play = np.zeros(len(fixtures[0]), dtype=np.bool_)
    applied, end = 0, 0
    for event in range(len(kinds)):
        item = items[event]
        if kinds[event] != TAKE_ROW:
            in_play[item] = kinds[event] == ENTER
            end = max(end, item + 1)
            if item < applied:
                applied = _restore(item, checkpoints, states, sparse)
            continue
        if applied < end:
            applied = _catch_up(applied, end, in_play, fixtures, outcomes, states, checkpoints, sparse, pair, rules)
        pair[0] = teams[wanted_home[item]]
        pair[1] = teams[wanted_away[item]]
        _enter(pair[0], league[0], wanted_season[item], rules)
        _enter(pair[1], league[0], wanted_season[item], rules)
        for field in range(len(league_before)):
            league_before[field, item] = league_fields[field]
        for field in range(len(home_before)):
            home_before[field, item] = pair_fields[0, field]
            away_before[field, item] = pair_fields[1, field]
    _catch_up(applied, end, in_play, fixtures, outcomes, states, checkpoints, sparse, pair, rules)


@compiled
def _catch_up(applied, end, in_play, fixtures, outcomes, states, checkpoints, sparse, pair, rules):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    season, start, home, away, neutral = fixtures
    home_score, away_score, expected, total, shots, on_target = outcomes
    league, teams = states
    for play in range(applied, end):
        if play % STRIDE == 0:
            _save(play // STRIDE % RECENT, play, checkpoints, states)
            if play % sparse == 0:
                _save(RECENT + play // sparse, play, checkpoints, states)
        if in_play[play]:
            pair[0] = teams[home[play]]
            pair[1] = teams[away[play]]
            _enter(pair[0], league[0], season[play], rules)
            _enter(pair[1], league[0], season[play], rules)
            margin = home_score[play] - away_score[play]
            _advance_ratings(league[0], pair[0], pair[1], margin, neutral[play], rules)
            _advance_price_ratings(league[0], pair[0], pair[1], expected[play], neutral[play], rules)
            _advance_rates(league[0], pair[0], pair[1], home_score[play], away_score[play], rules)
            _advance_price_rates(league[0], pair[0], pair[1], expected[play], total[play], rules)
            shot = (shots[play, 0], shots[play, 1])
            aimed = (on_target[play, 0], on_target[play, 1])
            _advance_shots(league[0], pair[0], pair[1], shot, aimed, rules)
            _advance_counts(league[0], pair[0], pair[1], start[play], season[play], neutral[play])
            teams[home[play]] = pair[0]
            teams[away[play]] = pair[1]
    return max(applied, end)


@compiled
def _save(slot, play, checkpoints, states):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Store the state before a play in a slot, in place of what was there."""
    checkpoints[0][slot] = states[0][0]
    for team in range(len(states[1])):
        checkpoints[1][slot, team] = states[1][team]
    checkpoints[2][slot] = play


@compiled
def _restore(play, checkpoints, states, sparse):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Go back to the nearest checkpoint before a play; returns the play that it precedes."""
    place = play // STRIDE * STRIDE
    slot = play // STRIDE % RECENT
    if checkpoints[2][slot] != place:
        place = play // sparse * sparse
        slot = RECENT + play // sparse
    states[0][0] = checkpoints[0][slot]
    for team in range(len(states[1])):
        states[1][team] = checkpoints[1][slot, team]
    return place
