"""Every setting, read once from the environment, ``.env`` or secret files.

The environment says where things are; what they do is code. ``.env.example`` is the same list for people.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from pydantic import ValidationError as PydanticValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigurationError

SECRETS_FOLDER: Final = Path("/run/secrets")
SECRETS_VARIABLE: Final = "DBSBM_SECRETS_DIR"
"""Names another folder of secret files, one file per setting, called like its variable in any case."""

DRIVERS: Final = ("sqlite", "mysql+pymysql", "mariadb+pymysql")


class Settings(BaseSettings):
    """Where this process finds its neighbours. Frozen: a changed environment needs a new process."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    dbsbm_env: Literal["development", "staging", "production"] = "development"
    """Production and staging log JSON and demand API keys; development logs to the console and demands none."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    database_url: SecretStr | None = None
    """Our own database, as an SQLAlchemy address. Without it MYSQL_HOST counts, and without that SQLite in mlruns/."""

    mysql_host: str | None = None
    mysql_port: int = Field(default=3306, ge=1, le=65535)
    mysql_user: str = "dbsbm"
    mysql_password: SecretStr = SecretStr("")
    mysql_db: str = "dbsbm_predictions"

    bot_database_url: SecretStr | None = None
    """The bot's MySQL. Only ever read."""

    bot_timezone: str = "UTC"
    """Time zone of ``api_games.start_time`` in rows with upstream's record in ``raw_json``: the live fetcher's."""

    bot_bare_timezone: str = "America/New_York"
    """The same of rows without one: the comprehensive fetcher's."""

    redis_url: SecretStr | None = None
    """Shared cache. Without it REDIS_HOST counts, and without that each process caches for itself."""

    redis_host: str | None = None
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_password: SecretStr = SecretStr("")
    redis_db: int = Field(default=0, ge=0)

    mlflow_tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    """MLflow's store or server. Models and pictures lie beside an SQLite store."""

    bundle_dir: Path = Path("mlruns/bundles")
    """Verified copies of model bundles, one folder per SHA-256; lets the server start with MLflow away."""

    features_dir: Path = Path("mlruns/features")
    """Feature rows of past games as Parquet, one folder per league; kept up by `dbsbm features build`."""

    serving_dir: Path = Path("mlruns/serving")
    """What serving keeps on disk for the time when the database is away: the last good games, models and keys, and the
    served predictions that wait to be logged. Every worker of a machine shares it."""

    spool_megabytes: int = Field(default=200, ge=1)
    """How large the served predictions that wait for the database may grow on disk; what comes on top is lost."""

    data_limit_hours: float = Field(default=24.0, gt=0)
    """While the database is away, games last checked longer ago than this are answered 503, `data_too_old`."""

    shadow: bool = False
    """Whether challengers forecast what is served, too: logged, never returned, first to be dropped under load."""

    signing_key: SecretStr | None = None
    """Signs bundles and cached answers; at least 16 characters, the same on every machine of one installation.
    Development makes its own beside BUNDLE_DIR; staging and production demand it."""

    fast_path: bool = True
    """Whether cache hits are answered below the framework. Responses are the same without it, only slower."""

    leagues_file: Path | None = None
    """TOML file with further leagues, one table per league."""

    api_key: SecretStr | None = None
    """The bot's key to this service: used by clients only."""

    service_url: str = "http://127.0.0.1:8000"
    """Where clients (``dbsbm predict``, the bot) find the service."""

    discord_token: SecretStr | None = None
    """Used by the example cog only."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web origins that may call the API from a browser: separated by commas, or a JSON list."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names that requests may be addressed to, separated by commas; none listed means any."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks of our own proxies, by comma; only what they say of a client's address counts."""

    key_rate_limit: int = Field(default=12_000, ge=1)
    """Requests per minute that one key may make."""

    guild_rate_limit: int = Field(default=100, ge=1)
    """Requests per minute for a guild whose own ``api_rate_limit`` is not known."""

    rate_limit_sharers: int = Field(default=1, ge=1)
    """How many processes serve the same callers (workers of all instances); without Redis each allows that part."""

    snapshot_seconds: int = Field(default=60, ge=5)
    """How often `dbsbm flows serve` reads the bot's database and refreshes features and forecasts [seconds]."""

    train_cron: str = "0 6 * * *"
    """When `dbsbm flows serve` trains challengers (cron, UTC)."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    @field_validator("database_url", "bot_database_url")
    @classmethod
    def _address_must_parse(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        msg = (
            "expected an SQLAlchemy address such as mysql+pymysql://user:password@host/database; "
            f"drivers are {', '.join(DRIVERS)}; special characters in a password are written as %40"
        )
        try:
            address = make_url(value.get_secret_value())
        except (ArgumentError, ValueError):
            # Not chained: the library's own words quote what may be a piece of the password.
            raise ValueError(msg) from None
        if address.drivername not in DRIVERS:
            raise ValueError(msg)
        return value

    @field_validator("cors_origins", "allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _listed_by_comma(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.strip().startswith("["):
            return json.loads(value)
        return tuple(item.strip() for item in value.split(",") if item.strip())

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

    @cached_property
    def bot_database(self) -> URL:
        """Address of the bot's database. Raises ConfigurationError when it is not set."""
        if self.bot_database_url is None:
            msg = "BOT_DATABASE_URL is not set."
            hint = "Set it to the bot's MySQL, for example mysql+pymysql://reader:password@host/dbsbm."
            raise ConfigurationError(msg, hint=hint, variable="BOT_DATABASE_URL")
        return make_url(self.bot_database_url.get_secret_value())

    @cached_property
    def redis(self) -> SecretStr | None:
        """Address of the shared cache, or None when every process caches for itself."""
        if self.redis_url is not None:
            return self.redis_url
        if self.redis_host is None:
            return None
        password = self.redis_password.get_secret_value()
        credentials = f":{quote(password, safe='')}@" if password else ""
        return SecretStr(f"redis://{credentials}{self.redis_host}:{self.redis_port}/{self.redis_db}")

    @property
    def demands_keys(self) -> bool:
        """Whether the API refuses requests that carry no key."""
        return self.dbsbm_env != "development"


def load_settings(**overrides: object) -> Settings:
    """The settings of this process: keyword arguments, then the environment, ``.env``, secret files.

    Raises ConfigurationError with one line per wrong variable: its name, what was read, what is allowed.
    """
    try:
        return Settings(_secrets_dir=_secrets_folder(), **overrides)  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise ConfigurationError(".env or a secret file is not UTF-8 text.") from error
    except PydanticValidationError as error:
        lines = [_explain(entry["loc"], entry["msg"], entry["input"]) for entry in error.errors()]
        raise ConfigurationError("\n".join(lines), hint="See .env.example.") from error


def _secrets_folder() -> Path | None:
    named = os.environ.get(SECRETS_VARIABLE)
    if not named:
        return SECRETS_FOLDER if SECRETS_FOLDER.is_dir() else None
    if not Path(named).is_dir():
        raise ConfigurationError(f"{SECRETS_VARIABLE}: expected a folder of secret files (read: {named!r}).")
    return Path(named)


def _explain(location: tuple[int | str, ...], message: str, value: object) -> str:
    name = str(location[0]).upper()
    secret = isinstance(value, SecretStr) or any(word in name for word in ("URL", "URI", "PASSWORD", "KEY", "TOKEN"))
    shown = "a value that is not shown" if secret else repr(value)
    return f"{name}: {message} (read: {shown})."
