"""Any service that answers with JSON: a mapping in FEEDS_FILE says where its games, scores and prices stand.

A path such as ``teams.home.name`` leads from an event (or from a book of it) to a value; a whole number in it is a
place in a list. Only what is named is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.betting.leagues import League
from core.betting.odds import american_to_decimal
from core.errors import ExternalServiceError, ValidationError
from feature_store.archive.facts import GameFact, Quote, Status
from feature_store.sources.feeds.event_reader import EventReader, moment, number, text
from feature_store.sources.feeds.service_feed import FeedRequest, RequestsOf

PRICES: Final = Quote._fields[Quote._fields.index("odds_home") :]
ODDS: Final = frozenset(name for name in PRICES if name.startswith("odds_"))
PLACEHOLDERS: Final = ("league", "today", "tomorrow", "week_ahead")


def _check_template(value: str) -> str:
    try:
        value.format(**dict.fromkeys(PLACEHOLDERS, ""))
    except (KeyError, IndexError, ValueError):
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"only {names} are replaced") from None
    return value


def _check_prices(prices: dict[str, str]) -> dict[str, str]:
    unknown = [name for name in prices if name not in PRICES]
    if unknown:
        raise ValueError(f"{unknown[0]} is no price; there are {', '.join(PRICES)}")
    return prices


Template = Annotated[str, AfterValidator(_check_template)]


class JsonMapping(BaseModel):
    """Where a service's JSON has what, table ``[NAME.mapping]`` of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Template = Field(pattern="^/")
    """What is asked, below the feed's address."""
    parameters: dict[str, Template] = {}
    events: str = ""
    """Path to the list of events; empty where the answer is the list."""
    id: str
    start: str
    home_team: str
    away_team: str
    home_score: str = ""
    away_score: str = ""
    status: str = ""
    statuses: dict[str, Status] = {}
    """Our status by the service's word, in any case; an unnamed word is unknown."""
    books: str = ""
    """Path from an event to the list of its books; empty where the event itself has one set of prices."""
    book: str = ""
    """Path to a book's name; empty: ``market``."""
    quoted_at: str = ""
    """Path to the moment of a book's prices; empty: that of the look."""
    prices: Annotated[dict[str, str], AfterValidator(_check_prices)] = {}
    """Path to each price, by our name: odds_home, odds_draw, odds_away, spread_line, total_line, odds_over, ..."""
    odds: Literal["decimal", "american"] = "decimal"
    spread: Literal["margin", "handicap"] = "margin"
    """margin: the expected home margin, positive for a home favourite; handicap: the bookmaker's, negative for it."""
    times: Literal["iso", "epoch"] = "iso"
    """epoch: seconds since 1970."""


def requests_by(mapping: JsonMapping) -> RequestsOf:
    """The requests of a service that is read by the mapping."""
    return partial(_requests, mapping)


def _requests(
    mapping: JsonMapping, _league: League, named: str, now: datetime, _regions: Sequence[str]
) -> list[FeedRequest]:
    words = {
        "league": named,
        "today": f"{now:%Y-%m-%d}",
        "tomorrow": f"{now + timedelta(days=1):%Y-%m-%d}",
        "week_ahead": f"{now + timedelta(days=7):%Y-%m-%d}",
    }
    parameters = {name: template.format(**words) for name, template in mapping.parameters.items()}
    return [FeedRequest(mapping.path.format(**words), parameters, partial(_read, mapping))]


def _read(mapping: JsonMapping, reader: EventReader, answer: object) -> Iterable[FeedRequest]:
    events = _at(answer, mapping.events)
    if not isinstance(events, list):
        where = mapping.events or "the answer"
        raise ExternalServiceError(f"expected a list at {where}, got {type(events).__name__}.")
    for event in events:
        game = _add_game(mapping, reader, event)
        if game is None:
            continue
        if game.status == "final":
            scores = _at(event, mapping.home_score), _at(event, mapping.away_score)
            reader.add_result(game, *scores, event)
        for book in _books(mapping, event):
            _add_quote(mapping, reader, game, book)
    return ()


def _add_game(mapping: JsonMapping, reader: EventReader, event: object) -> GameFact | None:
    statuses = {word.casefold(): status for word, status in mapping.statuses.items()}
    word = str(_at(event, mapping.status) or "").strip().casefold()
    status: Status = statuses.get(word, "unknown") if mapping.status else "scheduled"
    event_id = _at(event, mapping.id)
    return reader.add_game(
        str(event_id).strip() if isinstance(event_id, str | int) else "",
        _moment(mapping, _at(event, mapping.start)),
        text(_at(event, mapping.home_team)),
        text(_at(event, mapping.away_team)),
        status,
        event,
    )


def _books(mapping: JsonMapping, event: object) -> Sequence[object]:
    if not mapping.prices:
        return ()
    if not mapping.books:
        return (event,)
    books = _at(event, mapping.books)
    return books if isinstance(books, list) else ()


def _add_quote(mapping: JsonMapping, reader: EventReader, game: GameFact, book: object) -> None:
    name = text(_at(book, mapping.book)) if mapping.book else "market"
    quoted_at = _moment(mapping, _at(book, mapping.quoted_at)) if mapping.quoted_at else reader.now
    if not name or quoted_at is None:
        reader.reject("quote", game.game_id, "a book without a name, or prices without a moment", book)
        return
    prices: dict[str, float] = {}
    for field, path in mapping.prices.items():
        given = _at(book, path)
        if given is None or given == "":
            continue
        price = _price(mapping, field, given)
        if price is None:
            reader.reject("quote", game.game_id, f"{name} {field}: {given!r} is no price", book)
            continue
        prices[field] = price
    if prices:
        reader.add_quote(game, name, quoted_at, prices)


def _price(mapping: JsonMapping, field: str, given: object) -> float | None:
    value = number(given)
    if value is None:
        return None
    if field in ODDS and mapping.odds == "american":
        try:
            return american_to_decimal(value)
        except ValidationError:
            return None
    return 0.0 - value if field == "spread_line" and mapping.spread == "handicap" else value


def _moment(mapping: JsonMapping, value: object) -> datetime | None:
    if mapping.times == "iso":
        return moment(value)
    seconds = number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _at(document: object, path: str) -> Any:
    """The value at the path, None where it ends early; the document itself for an empty path."""
    for part in filter(None, path.split(".")):
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document
