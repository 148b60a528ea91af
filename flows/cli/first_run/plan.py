"""What the first run is to do: options first, then settings that exist, then answers."""

import os
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.betting.leagues import Leagues, load_leagues
from core.errors import ConfigurationError, ResourceNotFoundError
from core.files.atomic import write_new_file
from core.settings import Settings
from core.signing import KEY_BYTES, KEY_FILE
from core.text.nearest import nearest
from core.text.redaction import conceal
from feature_store.sources.feeds.catalogue import KINDS
from feature_store.sources.feeds.configuration import load_feeds
from feature_store.sources.library.sample import COUNTRIES
from flows.cli.first_run.answers import NONE, PUBLISHED, SAMPLE, SQLITE, Answers
from flows.jobs.first_run import History, leagues_in_use, leagues_without_results

SQLITE_ADDRESS: Final = "sqlite:///mlruns/dbsbm.db"
FEEDS_FILE: Final = Path("feeds.toml")
FEEDS_HEADING: Final = "# Written by `dbsbm init`. docs/feeds.md describes every key. Keys of services are settings.\n"

DATABASE: Final = ("DATABASE_URL", "MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DB")
REDIS: Final = ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB")
BOT: Final = ("BOT_DATABASE_URL",)
OTHERS: Final = ("FEEDS_FILE", "SIGNING_KEY")
"""Settings that are written to `.env` where the environment has them; the first of a group, or its host, answers it."""


@dataclass(frozen=True)
class FirstRunOptions:
    """What the command line says; None and empty lists leave the question open."""

    database: str | None = None
    redis: str | None = None
    bot_database: str | None = None
    feeds: Sequence[str] = ()
    calls_per_day: int | None = None
    leagues: Sequence[str] = ()
    history: str | None = None
    seasons: int = 3
    address: str | None = None


@dataclass(frozen=True)
class FirstRunPlan:
    """What to write, and what to load and train."""

    settings: Mapping[str, str]
    """Settings for `.env`, secrets among them."""
    feeds_page: str | None
    """Content of a new feeds.toml; None for no new file."""
    leagues: Sequence[str]
    history: History

    @property
    def command(self) -> str:
        """The command that continues this run; the rest of its options is in `.env` by then."""
        words = ["dbsbm", "init", *(word for key in self.leagues for word in ("--league", key))]
        words += ["--history", self.history.source]
        if self.history.source == PUBLISHED:
            words += ["--seasons", str(self.history.seasons)]
        if self.history.address:
            words += ["--address", self.history.address]
        return shlex.join(words)


@dataclass(frozen=True)
class FirstRunPlanner:
    """Makes the plan. Raises ConfigurationError and ResourceNotFoundError before anything is written."""

    options: FirstRunOptions
    settings: Settings
    """As they are before the run."""
    env_file: Mapping[str, str]
    answers: Answers
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def plan(self) -> FirstRunPlan:
        options, answers = self.options, self.answers
        written = {
            **self._from_environment(),
            **self._address(DATABASE, options.database, SQLITE, SQLITE_ADDRESS, answers.database),
            **self._address(REDIS, options.redis, NONE, "", answers.redis),
            **self._address(BOT, options.bot_database, NONE, "", answers.bot_database),
        }
        leagues = self._leagues()
        feeds, page = self._feeds(leagues)
        written |= feeds
        if self.settings.signing_key is None:
            written["SIGNING_KEY"] = self._signing_key()
        conceal(*(value for name, value in written.items() if value and name != "FEEDS_FILE"))
        return FirstRunPlan(written, page, leagues, self._history(leagues))

    def _from_environment(self) -> dict[str, str]:
        keys = [setting.upper() for kind in KINDS.values() if (setting := kind.key_setting)]
        names = (*DATABASE, *REDIS, *BOT, *OTHERS, *keys)
        return {name: self.environment[name] for name in names if self.environment.get(name)}

    def _address(
        self, group: Sequence[str], given: str | None, word: str, meaning: str, ask: Callable[[], str]
    ) -> dict[str, str]:
        """The setting to write for one address; none where it, or a host, is set already."""
        name = group[0]
        if given is not None:
            address = meaning if given == word else given
            self._must_agree(group, address)
            return {name: address}
        is_set = name in self.env_file or any(getattr(self.settings, item.lower()) for item in self._naming(group))
        answer = word if is_set else ask()
        return {} if is_set else {name: meaning if answer == word else answer}

    def _must_agree(self, group: Sequence[str], address: str) -> None:
        for name in self._naming(group):
            for where, values in (("the environment", self.environment), (".env", self.env_file)):
                if values.get(name) and (name, values[name]) != (group[0], address):
                    msg = f"{name} has another value in {where} already, and no value is overwritten."
                    raise ConfigurationError(msg, hint=f"Change {group[0]} there.", variable=name)

    @staticmethod
    def _naming(group: Sequence[str]) -> Sequence[str]:
        return [name for name in group if name.endswith(("_URL", "_HOST"))]

    @property
    def _is_new(self) -> bool:
        """Whether no setting says yet which database there is."""
        settings = self.settings
        return not (settings.database_url or settings.mysql_host or DATABASE[0] in self.env_file)

    def _leagues(self) -> list[str]:
        known = load_leagues(self.settings.leagues_file)
        if self.options.leagues:
            return list(dict.fromkeys(known.get(name).key for name in self.options.leagues))
        feeds_file = self.settings.feeds_file
        feeds = load_feeds(feeds_file, known).values() if feeds_file else ()
        present = [key for feed in feeds for key in feed.leagues]
        present += [] if self._is_new else [key for key in leagues_in_use(self.settings) if key in known]
        chosen = present or self.answers.leagues(_keys(known), list(COUNTRIES.values()))
        return list(dict.fromkeys(known.get(name).key for name in chosen))

    def _feeds(self, leagues: Sequence[str]) -> tuple[dict[str, str], str | None]:
        """The settings of the feeds, and the content of a file that names them."""
        path = self.settings.feeds_file
        if path is not None:
            names = list(load_feeds(path, load_leagues(self.settings.leagues_file)))
            _must_name(path, names, self.options.feeds)
            return self._feed_keys(names), None
        names = list(self.options.feeds)
        if not names and "FEEDS_FILE" not in self.env_file:
            names = self.answers.feeds({name: kind.title for name, kind in KINDS.items()})
        if not names:
            return {} if "FEEDS_FILE" in self.env_file else {"FEEDS_FILE": ""}, None
        page = FEEDS_HEADING + "".join(self._feed_table(name, leagues) for name in names)
        if FEEDS_FILE.exists() and FEEDS_FILE.read_text(encoding="utf-8") != page:
            msg = f"{FEEDS_FILE} exists, and nothing is overwritten."
            raise ConfigurationError(msg, hint=f"Set FEEDS_FILE={FEEDS_FILE} in .env to use it, or move it elsewhere.")
        return {"FEEDS_FILE": str(FEEDS_FILE), **self._feed_keys(names)}, page

    def _feed_table(self, name: str, leagues: Sequence[str]) -> str:
        if name not in KINDS:
            hint = "A service of another name is described by a mapping in FEEDS_FILE: docs/feeds.md."
            close = nearest(name, KINDS) or tuple(KINDS)
            raise ResourceNotFoundError(f"There is no feed {name!r}; nearest: {', '.join(close)}.", hint=hint)
        kind, known = KINDS[name], load_leagues(self.settings.leagues_file)
        served = [key for key in leagues if kind.competition_of(known.get(key))]
        if not served:
            msg = f"{name} has none of the leagues {', '.join(leagues)}."
            raise ConfigurationError(
                msg, hint=f"It has {', '.join(league.key for league in known if kind.competition_of(league))}."
            )
        calls = self.options.calls_per_day or self.answers.calls_per_day(name)
        listed = ", ".join(f'"{key}"' for key in served)
        return f"\n[{name}]\nleagues = [{listed}]\ncalls_per_day = {calls}\n"

    def _feed_keys(self, names: Sequence[str]) -> dict[str, str]:
        """The keys that the feeds need and no setting has."""
        keys = {}
        for name in names:
            setting = KINDS[name].key_setting if name in KINDS else ""
            if setting and getattr(self.settings, setting) is None and setting.upper() not in keys:
                keys[setting.upper()] = self.answers.feed_key(name, setting.upper())
        return keys

    def _signing_key(self) -> str:
        """The key that has signed bundles here already, or a fresh one."""
        path = self.settings.bundle_dir.parent / KEY_FILE
        return path.read_text(encoding="ascii") if path.exists() else secrets.token_hex(KEY_BYTES)

    def _history(self, leagues: Sequence[str]) -> History:
        options = self.options
        missing = leagues if self._is_new else leagues_without_results(self.settings, leagues)
        sampled = [key for key in missing if key in COUNTRIES.values()]
        source = options.history
        if source is None:
            source = self.answers.history(SAMPLE if sampled else NONE) if missing else NONE
        if source not in (SAMPLE, PUBLISHED, NONE) and not Path(source).exists():
            hint = f"Expected {SAMPLE}, {PUBLISHED}, {NONE}, or a folder or file of CSV."
            raise ConfigurationError(f"--history: there is no file or folder {source}.", hint=hint)
        if source == SAMPLE and not set(leagues) & set(COUNTRIES.values()):
            msg = f"--history {SAMPLE}: it has games of {' and '.join(COUNTRIES.values())} only."
            raise ConfigurationError(msg, hint=f"Use --history {PUBLISHED}, or a folder of CSV files.")
        return History(source, options.seasons, options.address)


def _keys(leagues: Leagues) -> list[str]:
    return [league.key for league in leagues]


def _must_name(path: Path, present: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in present:
            msg = f"FEEDS_FILE {path} has no table [{name}], and is not changed."
            raise ConfigurationError(msg, hint="Add the table: docs/feeds.md.", variable="FEEDS_FILE")


def write_feeds(page: str) -> bool:
    """Create feeds.toml; false where an earlier run wrote the same."""
    try:
        write_new_file(FEEDS_FILE, page.encode())
    except FileExistsError:
        return False
    return True
