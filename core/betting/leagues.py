"""The leagues: how their games end, and how other sources spell them.

A league that is not built in is added by configuration: a TOML file named by ``LEAGUES_FILE`` with one table per league
(``[SUPERRUGBY]``, ``sport = "rugby"``, ``outcomes = 2``, ``ties = "push"``, the rest optional). The sport may be new.
``season_start = "08-01"`` is the month and day about which its seasons change, ``"01-01"`` if they are calendar years.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic import ValidationError as PydanticValidationError

from core.errors import ConfigurationError, DataIntegrityError, ResourceNotFoundError, ValidationError
from core.files.text import read_toml
from core.text.identifiers import fault_of
from core.text.nearest import NameIndex

KEY = re.compile(r"[A-Z0-9][A-Z0-9_]{0,31}")
LONGEST_HOURS: Final = 240
LONGEST_NAME: Final = 120

SPORT_SPELLINGS: Final[Mapping[str, str]] = {
    "football": "soccer",
    "ice hockey": "ice_hockey",
    "hockey": "ice_hockey",
    "australian football": "afl",
    "fighting": "mma",
    "formula 1": "formula_1",
    "racing": "formula_1",
}
"""Spellings of a sport in the bot's writers that are more than our name in another case."""


@lru_cache(maxsize=1_000)
def canonical_sport(spelling: str) -> str:
    """Our name of a sport, from any spelling of the bot's: ``American-Football`` is american_football."""
    words = " ".join(re.split(r"[\s_\-]+", spelling.strip().lower()))
    return SPORT_SPELLINGS.get(words, words.replace(" ", "_"))


class League(BaseModel):
    """One competition whose teams meet each other and whose games can be compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """Upper-case name used everywhere: commands, addresses, model names."""

    sport: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    """Any spelling of the bot's; stored as our own."""

    outcomes: Literal[2, 3] = 2
    """3 where the draw is a result one can bet on, 2 where it is not."""

    ties: Literal["draw", "push", "impossible"] = "push"
    """The meaning of a level final score: an outcome, a returned stake, or a damaged record."""

    title: str = ""
    aliases: tuple[str, ...] = ()
    """Other spellings of the league's name, in any case."""

    shared_names: tuple[str, ...] = ()
    """Names that leagues of other countries have, too: in a feed they mean this league only together with its id."""

    upstream_id: int | None = Field(default=None, strict=True, ge=1)
    """The league's id in the bot's feed, unique only within the feed's sport."""

    duration: timedelta = Field(default=timedelta(hours=3), gt=timedelta(0))
    """From the start of a game until its result can be known."""

    scores: Literal["goals", "points"] = "points"
    """The model of the scores: counts on a grid of goals, or normal variables for many points."""

    season_start: str | None = Field(default=None, pattern=r"^\d\d-\d\d$")
    """Month and day about which a season ends and the next one begins, in most years; None where that is not known."""

    @field_validator("sport", mode="before")
    @classmethod
    def _in_our_spelling(cls, value: object) -> object:
        return canonical_sport(value) if isinstance(value, str) else value

    @field_validator("title", "aliases", "shared_names")
    @classmethod
    def _printable(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in (value,) if isinstance(value, str) else value:
            fault = fault_of(name.strip(), LONGEST_NAME)
            if fault and value:  # a league needs no title
                raise ValueError(f"a name that {fault}")
        return value

    @field_validator("season_start")
    @classmethod
    def _on_a_day_of_every_year(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                date.fromisoformat(f"2001-{value}")
            except ValueError as error:
                raise ValueError('month and day of every year, such as "08-01"') from error
        return value

    @model_validator(mode="after")
    def _draws_need_three_outcomes(self) -> "League":
        if (self.outcomes == 3) != (self.ties == "draw"):
            msg = "outcomes = 3 goes with ties = 'draw', outcomes = 2 with 'push' or 'impossible'"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every spelling under which the league is found."""
        return (self.key, *((self.title,) if self.title else ()), *self.aliases)


CALENDAR_YEAR: Final = "01-01"
SEASON_STARTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("NFL", "NCAA", "KHL", "PDC"), "07-01"),
    **dict.fromkeys(("EPL", "LALIGA", "BUNDESLIGA", "SERIEA", "LIGUE1", "EUROLEAGUE"), "08-01"),
    **dict.fromkeys(("CHAMPIONSLEAGUE", "EUROPALEAGUE"), "06-15"),
    "NBA": "10-01",
    "NHL": "09-25",
    "EHF": "07-15",
    "BRAZIL_SERIE_A": "02-01",
}
"""Of the built-in leagues whose seasons are not calendar years, a day that lies between two of them.

NBA and NHL: as late as possible, because their season of 2019 ended in the autumn. Brazil: that of 2020 in February.
"""


def _soccer(key: str, upstream_id: int, title: str, *aliases: str, shared_names: tuple[str, ...] = ()) -> League:
    return League(
        key=key,
        sport="soccer",
        outcomes=3,
        ties="draw",
        title=title,
        aliases=aliases,
        shared_names=shared_names,
        upstream_id=upstream_id,
        duration=timedelta(hours=2),
        scores="goals",
        season_start=SEASON_STARTS.get(key, CALENDAR_YEAR),
    )


def _two_way(key: str, sport: str, upstream_id: int, title: str, *aliases: str, **rules: object) -> League:
    known = {"key": key, "sport": sport, "title": title, "aliases": aliases, "upstream_id": upstream_id}
    return League.model_validate({**known, "season_start": SEASON_STARTS.get(key, CALENDAR_YEAR), **rules})


BUILT_IN: Final[tuple[League, ...]] = (
    _two_way("NFL", "american_football", 1, "National Football League", duration=timedelta(hours=4)),
    _two_way("NCAA", "american_football", 2, "NCAA Football", "NCAAF", ties="impossible", duration=timedelta(hours=4)),
    _two_way("CFL", "american_football", 3, "Canadian Football League", duration=timedelta(hours=4)),
    _two_way("NBA", "basketball", 12, "National Basketball Association", ties="impossible"),
    _two_way("WNBA", "basketball", 13, "Women's National Basketball Association", ties="impossible"),
    _two_way("EUROLEAGUE", "basketball", 1, "EuroLeague", ties="impossible"),
    _two_way("MLB", "baseball", 1, "Major League Baseball", duration=timedelta(hours=4), scores="goals"),
    _two_way("NPB", "baseball", 2, "Nippon Professional Baseball", duration=timedelta(hours=4), scores="goals"),
    _two_way("KBO", "baseball", 3, "KBO League", duration=timedelta(hours=4), scores="goals"),
    _two_way("NHL", "ice_hockey", 57, "National Hockey League", ties="impossible", scores="goals"),
    _two_way("KHL", "ice_hockey", 1, "Kontinental Hockey League", ties="impossible", scores="goals"),
    _soccer("EPL", 39, "Premier League", "English Premier League", shared_names=("Premier League",)),
    _soccer("LALIGA", 140, "La Liga", "Primera Division", shared_names=("Primera Division",)),
    _soccer("BUNDESLIGA", 78, "Bundesliga", "1. Bundesliga", shared_names=("Bundesliga", "1. Bundesliga")),
    _soccer("SERIEA", 135, "Serie A", shared_names=("Serie A",)),
    _soccer("LIGUE1", 61, "Ligue 1", shared_names=("Ligue 1",)),
    _soccer("MLS", 253, "Major League Soccer"),
    _soccer("CHAMPIONSLEAGUE", 2, "UEFA Champions League", "Champions League", shared_names=("Champions League",)),
    _soccer("EUROPALEAGUE", 3, "UEFA Europa League", "Europa League"),
    _soccer("BRAZIL_SERIE_A", 71, "Brazil Serie A", "Brasileirao", shared_names=("Serie A",)),
    _soccer("WORLDCUP", 15, "World Cup"),
    _two_way("SUPERRUGBY", "rugby", 1, "Super Rugby"),
    _two_way("SIXNATIONS", "rugby", 2, "Six Nations"),
    _two_way("FIVB", "volleyball", 1, "FIVB", ties="impossible", scores="goals"),
    _two_way("EHF", "handball", 1, "EHF Champions League"),
    _two_way("AFL", "afl", 1, "Australian Football League"),
    _two_way("UFC", "mma", 1, "UFC", "MMA", scores="goals"),
    _two_way("BELLATOR", "mma", 2, "Bellator", scores="goals"),
    _two_way("ATP", "tennis", 2, "ATP", ties="impossible", scores="goals"),
    _two_way("WTA", "tennis", 3, "WTA", ties="impossible", scores="goals"),
    _two_way("PDC", "darts", 1, "PDC", scores="goals"),
)


class Leagues:
    """The leagues of this process: built in and configured."""

    def __init__(self, leagues: Iterable[League]) -> None:
        self._by_key = {league.key: league for league in leagues}
        self._keys = NameIndex([*self._by_key])
        self._by_name = {name.strip().casefold(): league for league in self._by_key.values() for name in league.names}
        self._by_name |= {key.casefold(): league for key, league in self._by_key.items()}
        self._by_upstream_id = {
            (league.sport, league.upstream_id): league
            for league in self._by_key.values()
            if league.upstream_id is not None
        }
        self._shared = {name for league in self._by_key.values() for name in _casefolded(league.shared_names)}

    def __iter__(self) -> Iterator[League]:
        return iter(self._by_key.values())

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def get(self, name: str) -> League:
        """The league of that key, title or alias, in any case.

        Raises ResourceNotFoundError with the nearest names.
        """
        league = self._by_name.get(name.strip().casefold())
        if league is None:
            keys = [*self._by_key]
            near = tuple(keys[place] for place in self._keys.find(name))
            raise ResourceNotFoundError(f"There is no league {name!r}.", nearest=near, resource_type="league")
        return league

    def at(self, sport: str, name: str) -> League:
        """The league of that name in that sport. Raises ResourceNotFoundError with the nearest names."""
        league = self.get(name)
        if league.sport != canonical_sport(sport):
            raise ResourceNotFoundError(
                f"{league.key} is not a {sport} league.", nearest=(f"{league.sport}/{league.key}",)
            )
        return league

    def of_feed(
        self, sport: str, league_id: str | int | None, name: str | None, recorded_id: int | None = None
    ) -> League | None:
        """The league of a row of the bot's feed, or None if it is not configured.

        ``recorded_id`` is the league's id in upstream's own record of the game, and decides if there is one. The bot's
        column ``league_id`` keeps its old value when another game overwrites the row, so a name that only one league
        has takes precedence over it. A name that several countries share means nothing without an id. Raises
        DataIntegrityError if id and name mean two leagues and neither takes precedence.
        """
        canonical, spelling = canonical_sport(sport), (name or "").strip().casefold()
        number = recorded_id if recorded_id is not None else _whole(league_id)
        numbered = None if number is None else self._by_upstream_id.get((canonical, number))
        named = self._by_name.get(spelling)
        if named is None or named.sport != canonical or named is numbered:
            return numbered
        if numbered is None:
            return named if spelling not in self._shared else None
        if spelling in _casefolded(numbered.shared_names):
            return numbered
        if recorded_id is None and spelling not in self._shared:
            return named
        raise DataIntegrityError(f"league id {number} is {numbered.key}, but league_name {name!r} means {named.key}")


def _casefolded(names: Iterable[str]) -> set[str]:
    return {name.strip().casefold() for name in names}


def _whole(league_id: str | int | None) -> int | None:
    text = str(league_id).strip()
    return int(text) if text.isdecimal() else None


def load_leagues(leagues_file: Path | None) -> Leagues:
    """The built-in leagues and those of the file; a configured league replaces a built-in one of its name.

    Of the one that it replaces it keeps only ``season_start``, unless it has its own.
    Raises ConfigurationError naming the file, the league and the field.
    """
    if leagues_file is None:
        return Leagues(BUILT_IN)
    try:
        tables = read_toml(leagues_file)
    except ValidationError as error:
        raise ConfigurationError(f"LEAGUES_FILE: cannot read {error.message}") from error
    configured = [_configured(leagues_file, key, table) for key, table in tables.items()]
    by_key = {league.key: league for league in (*BUILT_IN, *configured)}
    for league in configured:
        _check_distinct(leagues_file, league, [other for other in by_key.values() if other is not league])
    return Leagues(by_key.values())


def _check_distinct(source: Path, league: League, others: Iterable[League]) -> None:
    """Raise ConfigurationError if a spelling or the feed's id of the league is another one's, too."""
    for other in others:
        shared = sorted(_casefolded(league.names) & _casefolded(other.names))
        if shared:
            msg = f"LEAGUES_FILE: {source}: [{league.key}] {shared[0]!r} is a name of {other.key} already."
            raise ConfigurationError(msg)
        if league.upstream_id is not None and (league.sport, league.upstream_id) == (other.sport, other.upstream_id):
            taken = f"upstream_id {league.upstream_id} is that of {other.key} already"
            raise ConfigurationError(f"LEAGUES_FILE: {source}: [{league.key}] {taken}.")


def _configured(source: Path, key: str, table: object) -> League:
    if not isinstance(table, dict) or not KEY.fullmatch(key):
        msg = f"LEAGUES_FILE: {source}: {key!r} must be a table whose name is upper-case letters, digits and _."
        raise ConfigurationError(msg)
    fields: dict[str, Any] = dict(table)
    if "duration_hours" in fields:
        fields["duration"] = _hours(source, key, fields.pop("duration_hours"))
    if fields.get("outcomes") == 3:
        fields.setdefault("ties", "draw")
    if key in {league.key for league in BUILT_IN}:
        fields.setdefault("season_start", SEASON_STARTS.get(key, CALENDAR_YEAR))
    try:
        return League.model_validate({**fields, "key": key})
    except PydanticValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc'])) or 'rules'}: {entry['msg']}, read {entry['input']!r}"
            for entry in error.errors()
        )
        raise ConfigurationError(f"LEAGUES_FILE: {source}: [{key}] {wrong}.") from error


def _hours(source: Path, key: str, value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_HOURS:
        msg = (
            f"LEAGUES_FILE: {source}: [{key}] duration_hours: a number above 0, "
            f"at most {LONGEST_HOURS}, read {value!r}."
        )
        raise ConfigurationError(msg)
    return timedelta(hours=value)
