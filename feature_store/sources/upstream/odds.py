"""Prices as upstream writes them: bookmakers with bets with values, odds as text."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from core.arrays import sum_in_order
from core.betting.leagues import League
from feature_store.archive.checks.identities import LONGEST, fault_in
from feature_store.archive.checks.quotes import LEAST_OVERROUND, MOST_OVERROUND
from feature_store.sources.upstream.json_fields import RejectedValueError, at_path, list_entries

BETS_THREE_WAY: Final = ("match winner", "3way result")
BETS_TWO_WAY: Final = ("home/away", "match winner")
BET_SPREAD: Final = "asian handicap"
BETS_BOTH_SCORE: Final = ("both teams score", "both teams to score")
BETS_TOTAL: Final = ("goals over/under", "over/under")
LONGEST_BOOK: Final = LONGEST["book"]
_LINE: Final = re.compile(r"(home|away|over|under)\s*([+-]?\d{1,3}(?:\.\d{1,2})?)", re.ASCII)

Lines = Mapping[float, tuple[float, float]]
"""The odds of a market's two sides, by its line."""


def bookmakers(odds: object) -> Iterator[Mapping[str, object]]:
    """Every bookmaker with a name in upstream's answer, its list of games, one game, or a bare list of bookmakers."""
    answer = at_path(odds, "response") or odds
    for entry in list_entries(answer) or [answer]:
        for bookmaker in list_entries(at_path(entry, "bookmakers")) or [entry]:
            if isinstance(bookmaker, dict) and _text(bookmaker.get("name")):
                yield bookmaker


def book_of(bookmaker: Mapping[str, object]) -> str:
    """The bookmaker's name. Raises RejectedValueError for one that the archive refuses."""
    book = _text(bookmaker.get("name"))[:LONGEST_BOOK].strip()
    if fault := fault_in("book", book) if book else "book: a bookmaker without a name":
        raise RejectedValueError(fault, bookmaker.get("name"))
    return book


def prices_of(bookmaker: Mapping[str, object], league: League) -> tuple[dict[str, float], list[RejectedValueError]]:
    """The bookmaker's decimal odds and lines by field of ``Quote``, and what is wrong with the markets left out.

    Of the many lines of a spread or a total it is the one whose sides the book prices most alike.
    """
    prices: dict[str, float] = {}
    faults = []
    for read in (_moneyline, _spread, _total, _both_score):
        try:
            prices |= read(bookmaker, league)
        except RejectedValueError as error:
            faults.append(error)
    return prices, faults


def _moneyline(bookmaker: Mapping[str, object], league: League) -> dict[str, float]:
    """The first bet with just the outcomes of the league.

    A two-way price on a three-way game returns the stake on a draw, and a three-way price on a two-way game
    is settled after regulation time: neither is a price on the outcome that is forecast.
    """
    wanted = {"home", "draw", "away"} if league.outcomes == 3 else {"home", "away"}
    for name in BETS_THREE_WAY if league.outcomes == 3 else BETS_TWO_WAY:
        for values in _bets(bookmaker, name):
            if set(values) == wanted:
                return {f"odds_{side}": _decimal(bookmaker, odd) for side, odd in values.items()}
    return {}


def _spread(bookmaker: Mapping[str, object], _league: League) -> dict[str, float]:
    """The expected home margin of the main line.

    Upstream writes the home side's handicap on both sides: beside "Home -1" stands "Away -1", the bet that home does
    not win by more. Some books show each side's own ("Away +1"); by which of the two the odds make sense is counted.
    """
    for values in _bets(bookmaker, BET_SPREAD):
        sides = _by_line(bookmaker, values)
        home, away = sides["home"], sides["away"]
        shared = {line: (odds, away[line]) for line, odds in home.items() if line in away}
        own = {line: (odds, away[-line]) for line, odds in home.items() if -line in away}
        pairs = own if _plausible(own) > _plausible(shared) else shared
        if pairs:
            handicap = _main_line(pairs)
            odds = dict(zip(("odds_home_spread", "odds_away_spread"), pairs[handicap], strict=True))
            return {"spread_line": 0.0 - handicap, **odds}
    return {}


def _total(bookmaker: Mapping[str, object], _league: League) -> dict[str, float]:
    for name in BETS_TOTAL:
        for values in _bets(bookmaker, name):
            sides = _by_line(bookmaker, values)
            pairs = {
                line: (odds, sides["under"][line]) for line, odds in sides["over"].items() if line in sides["under"]
            }
            if pairs:
                line = _main_line(pairs)
                return {"total_line": line, "odds_over": pairs[line][0], "odds_under": pairs[line][1]}
    return {}


def _both_score(bookmaker: Mapping[str, object], _league: League) -> dict[str, float]:
    for name in BETS_BOTH_SCORE:
        for values in _bets(bookmaker, name):
            if set(values) == {"yes", "no"}:
                yes, no = (_decimal(bookmaker, values[answer]) for answer in ("yes", "no"))
                return {"odds_both_score": yes, "odds_not_both_score": no}
    return {}


def _bets(bookmaker: Mapping[str, object], name: str) -> Iterator[dict[str, object]]:
    """The odds by value in lower case of each bet of that name."""
    for bet in list_entries(bookmaker.get("bets")):
        if _text(at_path(bet, "name")).casefold() == name:
            values = list_entries(at_path(bet, "values"))
            yield {_text(at_path(value, "value")).casefold(): at_path(value, "odd") for value in values}


def _by_line(bookmaker: Mapping[str, object], values: Mapping[str, object]) -> dict[str, dict[float, float]]:
    """Odds by side and line; values of another form are other bets."""
    sides: dict[str, dict[float, float]] = {"home": {}, "away": {}, "over": {}, "under": {}}
    for value, odd in values.items():
        if match := _LINE.fullmatch(value):
            sides[match[1]][float(match[2])] = _decimal(bookmaker, odd)
    return sides


def _plausible(pairs: Lines) -> int:
    """How many of the pairs could be the two sides of one market."""
    return sum(
        LEAST_OVERROUND <= sum_in_order(1 / price for price in pair) - 1 <= MOST_OVERROUND for pair in pairs.values()
    )


def _main_line(pairs: Lines) -> float:
    return min(pairs, key=lambda line: (abs(1 / pairs[line][0] - 1 / pairs[line][1]), abs(line)))


def _decimal(bookmaker: Mapping[str, object], odd: object) -> float:
    try:
        price = float(odd) if isinstance(odd, (str, int, float)) and not isinstance(odd, bool) else math.nan
    except (ValueError, OverflowError):
        price = math.nan
    if not math.isfinite(price) or price <= 1:
        raise RejectedValueError(f"odds of {book_of(bookmaker)} are not a decimal number above 1", [odd])
    return price


def _text(value: object) -> str:
    # JSON can escape half a surrogate pair, which no database stores.
    return value.strip().encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
