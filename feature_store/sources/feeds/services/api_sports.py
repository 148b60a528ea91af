"""API-Sports, which the bot itself uses: one API per sport, with a host, a daily limit and a feed of its own each.

By its documentation a season's games are one answer, and its prices come in pages. A refusal comes as status 200 with
``errors``: an empty list where all is well, else an object by kind. The ids are those that the bot stores.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from core.betting.leagues import CALENDAR_YEAR, League
from core.clock import midnight
from core.errors import AuthenticationError, ExternalServiceError
from feature_store.archive.facts import GameFact
from feature_store.sources.feeds.event_reader import EventReader, list_of, text
from feature_store.sources.feeds.service_feed import FeedRequest
from feature_store.sources.seasons import UNSTATED, season_at
from feature_store.sources.upstream.exhibitions import is_exhibition
from feature_store.sources.upstream.json_fields import RejectedValueError, at_path, list_entries
from feature_store.sources.upstream.moments import stated_season, upstream_start, zoned_moment
from feature_store.sources.upstream.odds import book_of, prices_of
from feature_store.sources.upstream.scores import final_score
from feature_store.sources.upstream.status import stage_of, upstream_status

KEY_HEADER: Final = "x-apisports-key"
REMAINING_HEADER: Final = "x-ratelimit-requests-remaining"
MINUTE_HEADER: Final = "x-ratelimit-remaining"
MOST_PAGES: Final = 50
"""Pages of prices that are asked for in one look at a league."""
PLACES_OF_ID: Final = (("fixture", "id"), ("game", "id"), ("id",))
IN_ONE_YEAR: Final = frozenset({"EUROLEAGUE"})
"""Basketball leagues that begin in autumn, but whose seasons the service names by one year."""
SECONDS_OF_MINUTE: Final = 60

SeasonName = Callable[[League, int], str]


def _year(_league: League, season: int) -> str:
    return str(season)


def _years(league: League, season: int) -> str:
    """Both years of a season that begins in autumn: 2026-2027."""
    if league.season_start == CALENDAR_YEAR or league.key in IN_ONE_YEAR:
        return str(season)
    return f"{season}-{season + 1}"


@dataclass(frozen=True)
class SportApi:
    """The API of one sport."""

    sport: str
    """Our name of it."""
    word: str
    """The service's name of it, in the feed's name and the host."""
    games: str = "/games"
    version: str = "v1"
    season_name: SeasonName = _year

    @property
    def name(self) -> str:
        return f"api-{self.word}"

    @property
    def title(self) -> str:
        return self.word.replace("-", " ")

    @property
    def address(self) -> str:
        return f"https://{self.version}.{self.word}.api-sports.io"

    def competition_of(self, league: League) -> str:
        """The service's id of a league of this sport; empty for one of another sport."""
        return str(league.upstream_id) if league.sport == self.sport and league.upstream_id is not None else ""

    def requests(self, league: League, competition: str, now: datetime, _regions: Sequence[str]) -> list[FeedRequest]:
        """The season's games, then the first page of its prices."""
        asked = {"league": competition, "season": self.season_name(league, season_at(league, now.date()))}
        return [
            FeedRequest(self.games, asked, partial(read_games, competition)),
            FeedRequest("/odds", asked, partial(read_prices, asked, 1)),
        ]


APIS: Final = (
    SportApi("soccer", "football", games="/fixtures", version="v3"),
    SportApi("basketball", "basketball", season_name=_years),
    SportApi("baseball", "baseball"),
    SportApi("ice_hockey", "hockey"),
    SportApi("american_football", "american-football"),
    SportApi("rugby", "rugby"),
    SportApi("handball", "handball"),
    SportApi("volleyball", "volleyball"),
    SportApi("afl", "afl"),
)


def read_games(competition: str, reader: EventReader, answer: object) -> Iterable[FeedRequest]:
    """Read an answer of the path of games. Raises what ``check_errors`` raises, ExternalServiceError if it is empty."""
    games = _response(reader, answer)
    if not games:
        raise ExternalServiceError("no games in this season: the service may name the league or the season otherwise.")
    for raw in games:
        if not isinstance(raw, dict):
            reader.reject("row", "", "expected an object", raw)
        elif (stated := at_path(raw, "league", "id")) is not None and str(stated) != competition:
            reader.reject("row", _id(raw), f"a game of league {stated}, asked was {competition}", raw)
        else:
            _add_game(reader, raw)
    return ()


def read_prices(asked: Mapping[str, str], page: int, reader: EventReader, answer: object) -> Iterable[FeedRequest]:
    """Read a page of the path ``odds``; returns the request of the next one. Raises what ``check_errors`` raises."""
    for entry in _response(reader, answer):
        game = reader.game(_id(entry))
        if reader.is_left_out(_id(entry)):
            continue
        if game is None:
            reader.reject("quote", _id(entry), "prices of a game that was not listed", entry)
            continue
        shown_at = zoned_moment(at_path(entry, "update")) or reader.now
        for bookmaker in list_entries(at_path(entry, "bookmakers")):
            _add_quote(reader, game, bookmaker, shown_at)
    pages = at_path(answer, "paging", "total")
    if not isinstance(pages, int) or page >= min(pages, MOST_PAGES):
        return ()
    following = page + 1
    return [FeedRequest("/odds", {**asked, "page": str(following)}, partial(read_prices, asked, following))]


def check_errors(answer: object, now: datetime) -> None:
    """Raise the error that an answer of status 200 states.

    AuthenticationError for a refused key; ExternalServiceError for any other, with ``retry_after`` [seconds] where the
    limit of the minute or of the day is reached.
    """
    errors = at_path(answer, "errors")
    if not errors:
        return
    stated: dict[str, Any] = errors if isinstance(errors, dict) else {"": errors}
    reason = "; ".join(f"{kind} {value}".strip() for kind, value in stated.items())[:300]
    if stated.keys() & {"token", "access", "key"}:
        raise AuthenticationError(f"the key was refused: {reason}", hint="Check API_SPORTS_KEY.")
    msg = f"the service refused: {reason}"
    if "requests" in stated:
        rest = (midnight(now.date()) + timedelta(days=1) - now).total_seconds()
        raise ExternalServiceError(msg, retry_after=int(rest) + 1)
    if "rateLimit" in stated:
        raise ExternalServiceError(msg, retry_after=SECONDS_OF_MINUTE)
    raise ExternalServiceError(msg)


def _response(reader: EventReader, answer: object) -> list[Any]:
    check_errors(answer, reader.now)
    return list_of(at_path(answer, "response"), "response")


def _id(raw: object) -> str:
    """The game's id of a record; empty if there is none."""
    found = next((at_path(raw, *path) for path in PLACES_OF_ID if at_path(raw, *path) is not None), None)
    return str(found).strip() if isinstance(found, int | str) and not isinstance(found, bool) else ""


def _add_game(reader: EventReader, raw: Mapping[str, object]) -> None:
    start = upstream_start(raw)
    home, away = (text(at_path(raw, "teams", side, "name")) for side in ("home", "away"))
    stage = stage_of(raw)
    if stage not in ("regular", "playoff") or (start is not None and is_exhibition(reader.league, start, home, away)):
        reader.leave_out(_id(raw))
        return
    game = reader.add_game(
        _id(raw),
        start,
        home,
        away,
        upstream_status(raw, reader.league.sport),
        raw,
        season=stated_season(at_path(raw, "league", "season")) or UNSTATED,
        playoff=stage == "playoff",
    )
    if game is None or game.status != "final":
        return
    try:
        score = final_score(reader.league, raw, {})
    except RejectedValueError as error:
        reader.reject("result", game.game_id, error.reason, error.content)
        return
    reader.add_result(game, *score.final, raw, regulation=score.regulation or (None, None))


def _add_quote(reader: EventReader, game: GameFact, bookmaker: object, shown_at: datetime) -> None:
    if not isinstance(bookmaker, dict):
        reader.reject("quote", game.game_id, "expected an object", bookmaker)
        return
    try:
        book = book_of(bookmaker)
        prices, faults = prices_of(bookmaker, reader.league)
    except RejectedValueError as error:
        prices, faults, book = {}, [error], ""
    for fault in faults:
        reader.reject("quote", game.game_id, fault.reason, fault.content)
    if prices:
        reader.add_quote(game, book, shown_at, prices)
