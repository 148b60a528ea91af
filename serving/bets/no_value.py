"""Why a bet has no value or no stake, as a code and in words."""

from datetime import timedelta
from typing import Final, NamedTuple


class NoValue(NamedTuple):
    """A reason why a bet is not valued or not staked."""

    code: str
    """Fixed name, for programs."""
    text: str
    """The same in words, for people."""


GAME_BEGUN: Final = NoValue("game_begun", "No value, no stake: the game has begun.")
DATA_STALE: Final = NoValue("data_stale", "No value, no stake: the data is stale, and prices may have moved.")
NOT_EVALUATED: Final = NoValue("not_evaluated", "No value, no stake: the model has not been evaluated beside prices.")
NO_MARKET_PRICE: Final = NoValue("no_market_price", "No value, no stake: no bookmaker's price for this kind of bet.")
EDGE_UNCERTAIN: Final = NoValue("edge_uncertain", "No stake: the 90 % interval of the edge includes zero.")


def price_too_old(age: timedelta, limit: timedelta) -> NoValue:
    """Return the reason for prices of which too few are fresh."""
    text = f"No value, no stake: the prices are {_in_words(age)} old; they count for {_in_words(limit)}."
    return NoValue("price_too_old", text)


def too_few_books(books: int, least: int) -> NoValue:
    """Return the reason for a market that too few books show."""
    shown = "1 book shows a fresh price" if books == 1 else f"{books} books show a fresh price"
    return NoValue("too_few_books", f"No value, no stake: {shown}; a value needs {least}.")


def _in_words(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if minutes >= 48 * 60:
        return f"{minutes // (24 * 60)} days"
    return f"{minutes // 60} h {minutes % 60} min" if minutes > 120 else f"{minutes} min"
