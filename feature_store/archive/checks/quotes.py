"""Checks of a quote before it is recorded: a market that contradicts itself is rejected, the others stay.

Prices of every source are checked here, because one typing error weighs more than a season of correct prices: the
implied probabilities of the odds 2.60, 11.23 and 23.41, from a real archive, add up to little more than one half.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from core.arrays import sum_in_order
from core.betting.leagues import League
from feature_store.archive.facts import Quote

LEAST_OVERROUND: Final = -0.03
MOST_OVERROUND: Final = 0.20
"""A single book keeps a few per cent; the best prices of several books may give a little away."""

GROSS_SPREAD: Final = 3.0
"""Points. Around a pick'em the two markets cross honestly, most of all when they were quoted at different hours."""

CLEAR_UNDERDOG: Final = 0.45
"""Most share that the odds may give a side which the spread expects to win by ``GROSS_SPREAD``."""

LINES: Final = {"spread_line": (-150.0, 150.0), "total_line": (0.0, 500.0)}
"""What a line can be in any sport: a total of -110 is a price that slipped into the next column."""

_MONEYLINE: Final = ("odds_home", "odds_draw", "odds_away")
_TOTALS: Final = ("odds_over", "odds_under")
_SPREAD: Final = ("odds_home_spread", "odds_away_spread")
_BOTH_SCORE: Final = ("odds_both_score", "odds_not_both_score")
_FIRST_PRICE: Final = Quote._fields.index("odds_home")


class CheckedQuote(NamedTuple):
    """What is left of a quote, None if nothing is, and the reason for each market that was rejected."""

    quote: Quote | None
    reasons: tuple[str, ...]


def check_quote(quote: Quote, league: League) -> CheckedQuote:
    """The quote without the markets that are implausible.

    Odds of 1 or less are no decimal odds, and a market whose overround lies outside [-3 %, +20 %] was mistyped:
    both cost that market's odds and no line. A line that no game can have is rejected by itself. In leagues that count
    points, a spread of three points and more whose favourite the odds give at most 45 % has the opposite sign and
    is rejected, not the odds: odds name their side, a spread's sign is set by whoever collects it. A price with a draw
    in a league of two outcomes is on another question, mostly on regulation time, and is rejected.
    """
    reasons = [
        *_wrong_moneyline(quote, league),
        *_wrong_odds("over/under", _TOTALS, (quote.odds_over, quote.odds_under), complete=2),
        *_wrong_odds("spread", _SPREAD, (quote.odds_home_spread, quote.odds_away_spread), complete=2),
        *_wrong_odds("both teams score", _BOTH_SCORE, (quote.odds_both_score, quote.odds_not_both_score), complete=2),
        *_wrong_line("spread_line", quote.spread_line),
        *_wrong_line("total_line", quote.total_line),
    ]
    kept = _without(quote, *(name for names, _ in reasons for name in names)) if reasons else quote
    if league.scores == "points" and (flipped := _opposite_spread(kept)):
        reasons.append((("spread_line",), flipped))
        kept = _without(kept, "spread_line")
    if kept.spread_line is None:
        kept = _without(kept, *_SPREAD)
    return CheckedQuote(kept if _has_price(kept) else None, tuple([f"{quote.moment} {text}" for _, text in reasons]))


def _wrong_moneyline(quote: Quote, league: League) -> Sequence[tuple[tuple[str, ...], str]]:
    odds = (quote.odds_home, quote.odds_draw, quote.odds_away)
    if league.outcomes == 2 and quote.odds_draw is not None:
        return [(_MONEYLINE, f"odds_draw {quote.odds_draw:g}: a three-way price, but {league.key} has two outcomes")]
    return _wrong_odds("moneyline", _MONEYLINE, odds, complete=league.outcomes)


def _wrong_odds(
    market: str, names: tuple[str, ...], odds: tuple[float | None, ...], *, complete: int
) -> Sequence[tuple[tuple[str, ...], str]]:
    """The market's fields with what is wrong with them; nothing where too few are shown to decide."""
    if odds.count(None) == len(odds):
        return ()
    shown = [price for price in odds if price is not None]
    if min(shown) <= 1:
        name, price = next(
            (name, price) for name, price in zip(names, odds, strict=True) if price is not None and price <= 1
        )
        return [(names, f"{name}: decimal odds are above 1, got {price:g}")]
    if len(shown) < complete or odds[0] is None or odds[-1] is None:
        return ()
    overround = sum_in_order(1 / price for price in shown) - 1
    if LEAST_OVERROUND <= overround <= MOST_OVERROUND:
        return ()
    prices = ", ".join(f"{price:g}" for price in shown)
    return [(names, f"{market} {prices}: the overround {overround:+.1%} lies outside [-3 %, +20 %]")]


def _wrong_line(name: str, line: float | None) -> Sequence[tuple[tuple[str, ...], str]]:
    least, most = LINES[name]
    if line is None or least <= line <= most:
        return ()
    return [((name,), f"{name}: expected {least:g} to {most:g}, got {line:g}")]


def _opposite_spread(quote: Quote) -> str:
    """How the spread contradicts the odds, in words; empty if it does not."""
    home, away, spread = quote.odds_home, quote.odds_away, quote.spread_line
    if home is None or away is None or spread is None or abs(spread) < GROSS_SPREAD:
        return ""
    side, share = ("home", away / (home + away)) if spread > 0 else ("away", home / (home + away))
    if share > CLEAR_UNDERDOG:
        return ""
    return f"spread {spread:+g} has the opposite sign: the odds {home:g}, {away:g} give the {side} side {share:.1%}"


def _without(quote: Quote, *names: str) -> Quote:
    gone: dict[str, Any] = dict.fromkeys(names)
    return quote._replace(**gone) if gone else quote


def _has_price(quote: Quote) -> bool:
    return quote[_FIRST_PRICE:].count(None) < len(quote) - _FIRST_PRICE
