"""Prices from an ``odds`` column: the JSON of the bot's upstream, bookmakers with bets with values."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from core.betting.leagues import League
from feature_store.archive.checks.identities import LONGEST, fault_in
from feature_store.archive.checks.quotes import check_quote
from feature_store.archive.facts import GameFact, Quote
from feature_store.sources.bot.json_fields import RejectedValueError, at_path, list_entries

BETS_THREE_WAY: Final = ("match winner",)
BETS_TWO_WAY: Final = ("home/away", "match winner")
LONGEST_BOOK: Final = LONGEST["book"]


def bookmakers(odds: object) -> Iterator[Mapping[str, object]]:
    """Every bookmaker with a name in upstream's answer, its list of games, one game, or a bare list of bookmakers."""
    answer = at_path(odds, "response") or odds
    for entry in list_entries(answer) or [answer]:
        for bookmaker in list_entries(at_path(entry, "bookmakers")) or [entry]:
            if isinstance(bookmaker, dict) and _text(bookmaker.get("name")):
                yield bookmaker


def quote_of(bookmaker: Mapping[str, object], league: League, game: GameFact, quoted_at: datetime) -> Quote | None:
    """The bookmaker's price on who wins, None if it shows none.

    Raises RejectedValueError for odds that are not a decimal number above 1 or whose overround is a typing error.
    """
    prices = _prices(bookmaker, league)
    if prices is None:
        return None
    odds = {selection: _decimal(bookmaker, odd) for selection, odd in prices.items()}
    quote = Quote(
        game_id=game.game_id,
        book=_book(bookmaker),
        moment="last",
        known_at=game.known_at,
        quoted_at=quoted_at,
        odds_home=odds["home"],
        odds_draw=odds.get("draw"),
        odds_away=odds["away"],
    )
    kept, reasons = check_quote(quote, league)
    if reasons:
        raise RejectedValueError(f"{quote.book}: {'; '.join(reasons)}", prices)
    return kept


def _book(bookmaker: Mapping[str, object]) -> str:
    """The bookmaker's name. Raises RejectedValueError for one that the archive refuses."""
    book = _text(bookmaker.get("name"))[:LONGEST_BOOK].strip()
    if fault := fault_in("book", book):
        raise RejectedValueError(fault, bookmaker.get("name"))
    return book


def _prices(bookmaker: Mapping[str, object], league: League) -> dict[str, object] | None:
    """Odds by selection of the first bet with just the outcomes of the league.

    A two-way price on a three-way game returns the stake on a draw, and a three-way price on a two-way game
    is settled after regulation time: neither is a price on the outcome that is forecast.
    """
    wanted = {"home", "draw", "away"} if league.outcomes == 3 else {"home", "away"}
    for name in BETS_THREE_WAY if league.outcomes == 3 else BETS_TWO_WAY:
        for bet in list_entries(bookmaker.get("bets")):
            if _text(at_path(bet, "name")).casefold() != name:
                continue
            values = list_entries(at_path(bet, "values"))
            prices = {_text(at_path(value, "value")).casefold(): at_path(value, "odd") for value in values}
            if set(prices) == wanted:
                return prices
    return None


def _decimal(bookmaker: Mapping[str, object], odd: object) -> float:
    try:
        price = float(odd) if isinstance(odd, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        price = math.nan
    if not math.isfinite(price) or price <= 1:
        raise RejectedValueError(f"odds of {_book(bookmaker)} are not a decimal number above 1", [odd])
    return price


def _text(value: object) -> str:
    # JSON can escape half a surrogate pair, which no database stores.
    return value.strip().encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
