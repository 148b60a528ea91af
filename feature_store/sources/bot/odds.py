"""Prices out of an ``odds`` column, in the shape the bot's upstream sends them."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from core.betting.leagues import League
from feature_store.archive.facts import Game, Quote
from feature_store.archive.quote_checks import checked
from feature_store.sources.bot.json_fields import UnbelievableError, entries, within

BETS_THREE_WAY: Final = ("match winner",)
BETS_TWO_WAY: Final = ("home/away", "match winner")
LONGEST_BOOK: Final = 64


def bookmakers(odds: object) -> Iterator[Mapping[str, object]]:
    """Every bookmaker with a name in upstream's answer, its list of games, one game, or a bare list of bookmakers."""
    answer = within(odds, "response") or odds
    for entry in entries(answer) or [answer]:
        for bookmaker in entries(within(entry, "bookmakers")) or [entry]:
            if isinstance(bookmaker, dict) and _text(bookmaker.get("name")):
                yield bookmaker


def quote_of(bookmaker: Mapping[str, object], league: League, game: Game, quoted_at: datetime) -> Quote | None:
    """The bookmaker's price on who wins, None if it shows none.

    Raises UnbelievableError for odds that are not a decimal number above 1 or whose overround is a typing error.
    """
    prices = _prices(bookmaker, league)
    if prices is None:
        return None
    odds = {selection: _decimal(bookmaker, odd) for selection, odd in prices.items()}
    quote = Quote(
        game_id=game.game_id,
        book=_text(bookmaker.get("name"))[:LONGEST_BOOK],
        moment="last",
        known_at=game.known_at,
        quoted_at=quoted_at,
        odds_home=odds["home"],
        odds_draw=odds.get("draw"),
        odds_away=odds["away"],
    )
    kept, reasons = checked(quote, league)
    if reasons:
        raise UnbelievableError(f"{quote.book}: {'; '.join(reasons)}", prices)
    return kept


def _prices(bookmaker: Mapping[str, object], league: League) -> dict[str, object] | None:
    """Odds by selection of the first bet with just the outcomes of the league.

    A two-way price on a three-way game returns the stake on a draw, and a three-way price on a two-way game
    ends with regulation time: neither is a price on the outcome that we forecast.
    """
    wanted = {"home", "draw", "away"} if league.outcomes == 3 else {"home", "away"}
    for name in BETS_THREE_WAY if league.outcomes == 3 else BETS_TWO_WAY:
        for bet in entries(bookmaker.get("bets")):
            if _text(within(bet, "name")).casefold() != name:
                continue
            values = entries(within(bet, "values"))
            prices = {_text(within(value, "value")).casefold(): within(value, "odd") for value in values}
            if set(prices) == wanted:
                return prices
    return None


def _decimal(bookmaker: Mapping[str, object], odd: object) -> float:
    book = _text(bookmaker.get("name"))[:LONGEST_BOOK]
    try:
        price = float(odd) if isinstance(odd, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        price = math.nan
    if not math.isfinite(price) or price <= 1:
        raise UnbelievableError(f"odds of {book} are not a decimal number above 1", [odd])
    return price


def _text(value: object) -> str:
    # JSON can spell half a character, which no database stores.
    return value.strip().encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
