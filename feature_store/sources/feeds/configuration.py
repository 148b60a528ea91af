"""Which feeds are asked, for which leagues and how often: a TOML file with one table per feed.

``[the-odds-api]``, ``leagues = ["NFL", "EPL"]``, ``calls_per_day = 500``; the rest is optional, docs/feeds.md lists it.
A table of another name describes a service that answers with JSON, with ``[NAME.mapping]``. Keys are settings and never
stand in this file.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.betting.leagues import League, Leagues
from core.errors import ConfigurationError, ResourceNotFoundError
from core.errors import ValidationError as InputError
from core.files.text import read_toml
from core.text.nearest import nearest
from feature_store.archive.sources.terms import SourceTerms
from feature_store.sources.feeds.catalogue import KINDS, FeedKind
from feature_store.sources.feeds.services.json_over_http import JsonMapping, requests_by

NAME: Final = re.compile("[a-z][a-z0-9-]{0,39}")
JSON_KEY: Final = "json_feed_key"
"""Setting with the key of services that are not built in."""


class FeedConfiguration(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leagues: dict[str, str] = Field(min_length=1)
    """The service's own name of each league, by our key; a list takes the names that are built in."""
    calls_per_day: int = Field(ge=1, le=1_000_000)
    """Budget: as many calls are made in a UTC day at most, by all processes of this machine together."""
    every_seconds: float | None = Field(default=None, ge=5.0, le=86_400.0)
    """Shortest interval between two looks, None: the service's usual one; a small budget makes it longer."""
    address: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Another address of the service, such as a proxy's."""
    regions: tuple[str, ...] = ()
    """Regions of bookmakers, where the service distinguishes them."""
    mapping: JsonMapping | None = None
    """How a service that is not built in is asked and read."""
    key_header: str = ""
    """Header that takes JSON_FEED_KEY, for a service that is not built in."""
    key_parameter: str = ""
    """Query parameter that takes it."""
    remaining_header: str = ""
    """Header with the calls that are left by the service's own count."""
    display: bool = True
    retain_hours: float | None = Field(default=None, gt=0)
    republish: bool = False

    @field_validator("leagues", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return dict.fromkeys(value, "") if isinstance(value, list) else value

    @model_validator(mode="after")
    def _needs_an_address(self) -> Self:
        if self.mapping is not None and not self.address:
            raise ValueError("a service with a mapping needs its address")
        return self

    def kind(self, name: str) -> FeedKind:
        """The service that the table of this name means."""
        if self.mapping is None:
            return KINDS[name]
        return FeedKind(
            title=f"{self.address}, by a mapping",
            address=self.address,
            competition_of=lambda _league: "",
            requests=requests_by(self.mapping),
            key_setting=JSON_KEY if self.key_header or self.key_parameter else "",
            key_parameter=self.key_parameter,
            key_header=self.key_header,
            remaining_header=self.remaining_header,
        )

    def pace(self, name: str) -> timedelta:
        """The shortest interval between two looks at the feed of this name."""
        return self.kind(name).pace if self.every_seconds is None else timedelta(seconds=self.every_seconds)

    @property
    def terms(self) -> SourceTerms:
        return SourceTerms(self.display, self.retain_hours, self.republish)


def load_feeds(path: Path, leagues: Leagues) -> dict[str, FeedConfiguration]:
    """The file's feeds by name. Raises ConfigurationError naming the file, the table and the key."""
    try:
        tables = read_toml(path)
    except InputError as error:
        raise ConfigurationError(f"FEEDS_FILE {error.message}") from error
    return {name: _feed(path, name, table, leagues) for name, table in tables.items()}


def _feed(path: Path, name: str, table: object, leagues: Leagues) -> FeedConfiguration:
    where = f"FEEDS_FILE {path}: [{name}]"
    mapped = isinstance(table, dict) and "mapping" in table
    if mapped == (name in KINDS) or not NAME.fullmatch(name):
        hint = f"A service of another name, in small letters, needs a table [{name}.mapping]."
        raise ConfigurationError(f"{where}: unknown feed; built in are {', '.join(KINDS)}.", hint=hint)
    try:
        configuration = FeedConfiguration.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError("; ".join(f"{where} {_explain(entry)}" for entry in error.errors())) from error
    names = _names(where, configuration.kind(name).competition_of, configuration.leagues, leagues)
    return configuration.model_copy(update={"leagues": names})


def _names(
    where: str, built_in: Callable[[League], str], wanted: Mapping[str, str], leagues: Leagues
) -> dict[str, str]:
    """The service's name of each league, by our key."""
    names = dict[str, str]()
    for spelling, named in wanted.items():
        try:
            league = leagues.get(spelling)
        except ResourceNotFoundError as error:
            raise ConfigurationError(f"{where} leagues: {error}") from error
        names[league.key] = named or built_in(league)
        if not names[league.key]:
            hint = f'Write leagues = {{{league.key} = "the service\'s name"}}.'
            raise ConfigurationError(f"{where} leagues: there is no built-in name of {league.key}.", hint=hint)
    return names


def _explain(entry: Any) -> str:
    """One of pydantic's errors in words."""
    key = ".".join(map(str, entry["loc"]))
    if entry["type"] == "extra_forbidden":
        names = nearest(key, FeedConfiguration.model_fields)
        suffix = f"; nearest: {', '.join(names)}" if names else ""
        return f"{key}: unknown key{suffix}"
    return f"{key}: {entry['msg'].removeprefix('Value error, ')}, got {entry['input']!r}"
