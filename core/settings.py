"""Every setting, read once from the environment, ``.env`` or secret files.

The environment says where things are; what they do is code. Each room has a model of its own settings, and ``Settings``
is all of them. ``.env.example`` lists them for operators.
"""

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from dotenv.parser import parse_stream
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic import ValidationError as PydanticValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

from core.errors import ConfigurationError
from core.setting_types import (
    CronExpression,
    DatabaseAddress,
    File,
    Folder,
    HeaderKey,
    HostName,
    HostPatterns,
    Networks,
    Origins,
    RedisAddress,
    ServiceAddress,
    SigningKey,
    TimeZoneName,
    TrackingAddress,
    without_control_characters,
)
from core.text.identifiers import has_unprintable
from core.text.redaction import conceal_environment

SECRETS_FOLDER: Final = Path("/run/secrets")
SECRETS_VARIABLE: Final = "DBSBM_SECRETS_DIR"
"""Names another folder of secret files, one file per setting, called like its variable in any case."""

ENV_FILE: Final = ".env"
ENCODING: Final = "utf-8-sig"
"""Windows editors begin the file with a byte-order mark."""
MOST_LINES_NAMED: Final = 5
LONGEST_SHOWN: Final = 80
"""Characters of a wrong value that a message quotes."""


class CoreSettings(BaseModel):
    """What every room needs: the environment, the logs, our own database, signatures and leagues."""

    model_config = ConfigDict(frozen=True)

    dbsbm_env: Literal["development", "staging", "production"] = "development"
    """Staging and production log JSON and require API keys; development logs to the console and requires none."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""

    database_url: DatabaseAddress | None = None
    """Our own database, as an SQLAlchemy address. Default: MYSQL_HOST, or without it an SQLite file in mlruns/."""

    mysql_host: HostName | None = None
    """Host of our own database, used without DATABASE_URL. The names MYSQL_* are those of the bot's environment."""

    mysql_port: int = Field(default=3306, ge=1, le=65535)
    """TCP port at MYSQL_HOST."""

    mysql_user: str = Field(default="dbsbm", max_length=128)
    """Account at MYSQL_HOST."""

    mysql_password: SecretStr = SecretStr("")
    """Password of MYSQL_USER, as it is: an address would need its special characters escaped."""

    mysql_db: str = Field(default="dbsbm_predictions", max_length=64, pattern=r"^[^/\\.]*$")
    """Name of our own database at MYSQL_HOST."""

    signing_key: SigningKey | None = None
    """Signs bundles and cached answers: at least 16 characters, the same on every machine of one installation.
    Development writes one beside BUNDLE_DIR; staging and production require it."""

    backup_dir: Folder = Path("mlruns/backups")
    """Where `dbsbm db upgrade` writes a backup of the rows before it changes the schema."""

    leagues_file: File | None = None
    """TOML file with further leagues, one table per league."""

    @cached_property
    def database(self) -> URL:
        """Address of our own database."""
        if self.database_url is not None:
            return make_url(self.database_url.get_secret_value())
        if self.mysql_host is not None:
            password = self.mysql_password.get_secret_value() or None
            return URL.create(
                "mysql+pymysql",
                self.mysql_user,
                password,
                self.mysql_host,
                self.mysql_port,
                self.mysql_db,
                {"charset": "utf8mb4"},
            )
        return make_url("sqlite:///mlruns/dbsbm.db")

    @property
    def requires_keys(self) -> bool:
        """Whether the API refuses requests without a key."""
        return self.dbsbm_env != "development"


class RegistrySettings(BaseModel):
    """Where ``core.registry`` keeps models."""

    model_config = ConfigDict(frozen=True)

    mlflow_tracking_uri: TrackingAddress = "sqlite:///mlruns/mlflow.db"
    """MLflow's server, or an SQLite store, beside which models and pictures are stored."""

    bundle_dir: Folder = Path("mlruns/bundles")
    """Verified copies of model bundles, a folder per SHA-256, so that the server starts while MLflow is unavailable."""


class FeatureStoreSettings(BaseModel):
    """What ``feature_store`` reads, and where it writes feature rows."""

    model_config = ConfigDict(frozen=True)

    bot_database_url: DatabaseAddress | None = None
    """The bot's MySQL, as an SQLAlchemy address. Only ever read."""

    bot_timezone: TimeZoneName = "UTC"
    """Time zone of ``api_games.start_time`` in rows with upstream's record in ``raw_json``, by the live fetcher."""

    bot_bare_timezone: TimeZoneName = "America/New_York"
    """The same of rows without that record, by the comprehensive fetcher."""

    features_dir: Folder = Path("mlruns/features")
    """Feature rows of past games as Parquet, a folder per league; `dbsbm features build` updates it."""

    feeds_file: File | None = None
    """TOML file with the services that are asked for games and prices, one table per feed."""

    feeds_dir: Folder = Path("mlruns/feeds")
    """What feeds remember between looks: calls of the day, versions of answers, and the answers themselves."""

    odds_api_key: HeaderKey | None = None
    """Key of The Odds API; the name is that of the bot's environment."""

    api_sports_key: HeaderKey | None = None
    """Key of API-Sports, for its APIs of all sports."""

    json_feed_key: HeaderKey | None = None
    """Key of the services that FEEDS_FILE describes by a mapping."""

    @cached_property
    def bot_database(self) -> URL:
        """Address of the bot's database. Raises ConfigurationError if it is not set."""
        if self.bot_database_url is None:
            msg = "BOT_DATABASE_URL is not set."
            hint = "Set it to the bot's MySQL, for example mysql+pymysql://reader:password@host/dbsbm."
            raise ConfigurationError(msg, hint=hint, variable="BOT_DATABASE_URL")
        return make_url(self.bot_database_url.get_secret_value())


class ServingSettings(BaseModel):
    """How ``serving`` listens, caches, limits and survives failures."""

    model_config = ConfigDict(frozen=True)

    host: HostName = "127.0.0.1"
    """Address to listen on; other machines need 0.0.0.0 or a reverse proxy."""

    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port to listen on; 0 selects a free one."""

    cors_origins: Origins = ()
    """Web origins that may call the API from a browser, separated by commas or as a JSON list."""

    allowed_hosts: HostPatterns = ()
    """Host names that requests may be addressed to, separated by commas; empty allows any."""

    trusted_proxies: Networks = ()
    """Addresses or networks of our own proxies, separated by commas: only their X-Forwarded-For is used."""

    redis_url: RedisAddress | None = None
    """Shared cache. Default: REDIS_HOST; without either, each process has its own cache."""

    redis_host: HostName | None = None
    """Host of the shared cache, used without REDIS_URL. The names REDIS_* are those of the bot's environment."""

    redis_port: int = Field(default=6379, ge=1, le=65535)
    """TCP port at REDIS_HOST."""

    redis_password: SecretStr = SecretStr("")
    """Password at REDIS_HOST, as it is: an address would need its special characters escaped."""

    redis_db: int = Field(default=0, ge=0, le=1_000_000)
    """Number of the database at REDIS_HOST."""

    serving_dir: Folder = Path("mlruns/serving")
    """What serving keeps on disk for the time when the database is unavailable: the last known good games, models and
    keys, and the served predictions that are not logged yet. All workers of a machine share it."""

    spool_megabytes: int = Field(default=200, ge=1, le=1_000_000)
    """Limit of the served predictions on disk that are not logged yet; later ones are lost [MB]."""

    data_limit_hours: float = Field(default=24.0, gt=0, le=24 * 366)
    """While the database is unavailable, games last checked longer ago are answered 503, `data_too_old` [hours]."""

    price_age_minutes: float = Field(default=60.0, gt=0, le=24 * 60)
    """Oldest price of a bookmaker that judges an offer, until an hour before the start [minutes]."""

    price_age_near_start_minutes: float = Field(default=10.0, gt=0, le=24 * 60)
    """The same in the last hour before the start [minutes]."""

    price_least_books: int = Field(default=2, ge=1, le=50)
    """Number of bookmakers with such a price that a value needs; without them there is no value and no stake."""

    shadow: bool = False
    """Whether challengers forecast served games, too: logged, never returned, and the first work dropped under load."""

    fast_path: bool = True
    """Whether plain requests for predictions are answered below the framework; responses without it are only slower."""

    key_rate_limit: int = Field(default=12_000, ge=1, le=1_000_000_000)
    """Limit of one API key [requests per minute]."""

    guild_rate_limit: int = Field(default=100, ge=1, le=1_000_000_000)
    """Limit of a guild that has no ``api_rate_limit`` of its own [requests per minute]."""

    rate_limit_sharers: int = Field(default=1, ge=1, le=10_000)
    """Number of processes that serve the same callers; without Redis each allows this share of the limits."""

    @field_validator("cors_origins", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.strip().startswith("["):
            return json.loads(value)
        return tuple(item.strip() for item in value.split(",") if item.strip())

    @cached_property
    def redis(self) -> SecretStr | None:
        """Address of the shared cache, or None if every process has its own cache."""
        if self.redis_url is not None:
            return self.redis_url
        if self.redis_host is None:
            return None
        password = self.redis_password.get_secret_value()
        credentials = f":{quote(password, safe='')}@" if password else ""
        return SecretStr(f"redis://{credentials}{self.redis_host}:{self.redis_port}/{self.redis_db}")


class ClientSettings(BaseModel):
    """How clients of the API, such as the bot or ``dbsbm predict``, reach it."""

    model_config = ConfigDict(frozen=True)

    service_url: ServiceAddress = "http://127.0.0.1:8000"
    """Address of the service."""

    api_key: HeaderKey | None = None
    """The client's API key; the service itself does not read it."""


class FlowsSettings(BaseModel):
    """When ``dbsbm collect`` and ``dbsbm flows serve`` work."""

    model_config = ConfigDict(frozen=True)

    snapshot_seconds: int = Field(default=60, ge=5, le=86_400)
    """Interval at which `dbsbm collect` reads the bot's database [seconds]."""

    flows_seconds: int = Field(default=900, ge=5, le=86_400)
    """Interval at which `dbsbm flows serve` reads it and updates features and forecasts [seconds]."""

    train_cron: CronExpression = "0 6 * * *"
    """When challengers are trained [cron expression, UTC]."""

    log_days: int = Field(default=90, ge=7, le=36_500)
    """How long rows of the prediction log are kept after they are counted; answers and grades stay [days]."""


class Settings(
    CoreSettings,
    RegistrySettings,
    FeatureStoreSettings,
    ServingSettings,
    ClientSettings,
    FlowsSettings,
    BaseSettings,
):
    """Every setting of this process. Frozen: a changed environment needs a new process."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    _without_control_characters = field_validator("*", mode="before")(without_control_characters)

    def texts(self) -> dict[str, str]:
        """Every setting that is a text, secrets among them, by its variable."""
        values = {name.upper(): getattr(self, name) for name in type(self).model_fields}
        plain = {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}
        return plain | {name: value for name, value in values.items() if isinstance(value, str)}


def load_settings(**overrides: object) -> Settings:
    """The settings of this process: keyword arguments, then the environment, ``.env``, secret files.

    Their secrets are masked from then on wherever this process prints, logs or answers. Raises ConfigurationError with
    one line per wrong variable: its name, what was read, what is allowed.
    """
    try:
        conceal_environment({**_env_file(overrides.get("_env_file", ENV_FILE)), **os.environ})  # before any message
        settings = Settings(_secrets_dir=_secrets_folder(), **overrides)  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise ConfigurationError(".env or a secret file is not UTF-8 text.") from error
    except PydanticValidationError as error:
        lines = [_explain(entry["loc"], entry["msg"], entry["input"]) for entry in error.errors()]
        raise ConfigurationError("\n".join(lines), hint="See .env.example.") from error
    conceal_secrets(settings)
    return settings


def conceal_secrets(settings: Settings) -> None:
    """Mask the secrets of these settings and of the environment wherever this process prints, logs or answers."""
    conceal_environment({**os.environ, **settings.texts()})


def _env_file(path: Any) -> Mapping[str, str | None]:
    if path is None or not Path(path).exists():
        return {}
    if not Path(path).is_file():
        raise ConfigurationError(f"{path}: expected a regular file.")  # of a pipe, reading would wait for a writer
    with Path(path).open(encoding=ENCODING) as file:
        damaged = [
            str(entry.original.line) for entry in parse_stream(file) if entry.error or has_unprintable(entry.key or "")
        ]
    if damaged:  # the library skips such lines, and with an open quote all those below
        msg = f"{path}: cannot read line {', '.join(damaged[:MOST_LINES_NAMED])}; is a quote never closed?"
        raise ConfigurationError(msg, hint="See .env.example.")
    return DotEnvSettingsSource(Settings, path, ENCODING).env_vars


def _secrets_folder() -> Path | None:
    named = os.environ.get(SECRETS_VARIABLE)
    if not named:
        return SECRETS_FOLDER if SECRETS_FOLDER.is_dir() else None
    if not Path(named).is_dir():
        raise ConfigurationError(f"{SECRETS_VARIABLE}: expected a folder of secret files (read: {named!r}).")
    return Path(named)


def _explain(location: tuple[int | str, ...], message: str, value: object) -> str:
    name = str(location[0])
    text, message = repr(value), message.removeprefix("Value error, ")
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..., {len(str(value)):,} characters"
    return f"{name.upper()}: {message} (read: {'a value that is not shown' if _is_secret(name) else shown})."


def _is_secret(name: str) -> bool:
    field = Settings.model_fields[name]
    return "SecretStr" in str(field.annotation) or not field.repr
