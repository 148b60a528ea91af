"""Every setting, read once from the environment, ``.env`` or secret files.

The environment says where things are; what they do is code. Each room has a model of its own settings, and ``Settings``
is all of them. ``.env.example`` lists them for operators.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic import ValidationError as PydanticValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigurationError

SECRETS_FOLDER: Final = Path("/run/secrets")
SECRETS_VARIABLE: Final = "DBSBM_SECRETS_DIR"
"""Names another folder of secret files, one file per setting, called like its variable in any case."""

DRIVERS: Final = ("sqlite", "mysql+pymysql", "mariadb+pymysql")


def _check_address(value: SecretStr | None) -> SecretStr | None:
    """A field's validator: an address of a database, with one of the drivers."""
    if value is None:
        return None
    msg = (
        "expected an SQLAlchemy address such as mysql+pymysql://user:password@host/database; "
        f"drivers are {', '.join(DRIVERS)}; special characters in a password are written as %40"
    )
    try:
        address = make_url(value.get_secret_value())
    except (ArgumentError, ValueError):
        # Not chained: the library's own message quotes what may be a piece of the password.
        raise ValueError(msg) from None
    if address.drivername not in DRIVERS:
        raise ValueError(msg)
    return value


DatabaseAddress = Annotated[SecretStr | None, AfterValidator(_check_address)]


class CoreSettings(BaseModel):
    """What every room needs: the environment, the logs, our own database, signatures and leagues."""

    model_config = ConfigDict(frozen=True)

    dbsbm_env: Literal["development", "staging", "production"] = "development"
    """Staging and production log JSON and require API keys; development logs to the console and requires none."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""

    database_url: DatabaseAddress = None
    """Our own database, as an SQLAlchemy address. Default: MYSQL_HOST, or without it an SQLite file in mlruns/."""

    mysql_host: str | None = None
    """Host of our own database, used without DATABASE_URL. The names MYSQL_* are those of the bot's environment."""

    mysql_port: int = Field(default=3306, ge=1, le=65535)
    """TCP port at MYSQL_HOST."""

    mysql_user: str = "dbsbm"
    """Account at MYSQL_HOST."""

    mysql_password: SecretStr = SecretStr("")
    """Password of MYSQL_USER, as it is: an address would need its special characters escaped."""

    mysql_db: str = "dbsbm_predictions"
    """Name of our own database at MYSQL_HOST."""

    signing_key: SecretStr | None = None
    """Signs bundles and cached answers: at least 16 characters, the same on every machine of one installation.
    Development writes one beside BUNDLE_DIR; staging and production require it."""

    leagues_file: Path | None = None
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

    mlflow_tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    """MLflow's server, or an SQLite store, beside which models and pictures are stored."""

    bundle_dir: Path = Path("mlruns/bundles")
    """Verified copies of model bundles, a folder per SHA-256, so that the server starts while MLflow is unavailable."""


class FeatureStoreSettings(BaseModel):
    """What ``feature_store`` reads, and where it writes feature rows."""

    model_config = ConfigDict(frozen=True)

    bot_database_url: DatabaseAddress = None
    """The bot's MySQL, as an SQLAlchemy address. Only ever read."""

    bot_timezone: str = "UTC"
    """Time zone of ``api_games.start_time`` in rows with upstream's record in ``raw_json``, by the live fetcher."""

    bot_bare_timezone: str = "America/New_York"
    """The same of rows without that record, by the comprehensive fetcher."""

    features_dir: Path = Path("mlruns/features")
    """Feature rows of past games as Parquet, a folder per league; `dbsbm features build` updates it."""

    feeds_file: Path | None = None
    """TOML file with the services that are asked for games and prices, one table per feed."""

    feeds_dir: Path = Path("mlruns/feeds")
    """What feeds remember between looks: calls of the day, versions of answers, and the answers themselves."""

    odds_api_key: SecretStr | None = None
    """Key of The Odds API; the name is that of the bot's environment."""

    json_feed_key: SecretStr | None = None
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

    host: str = "127.0.0.1"
    """Address to listen on; other machines need 0.0.0.0 or a reverse proxy."""

    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port to listen on; 0 selects a free one."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web origins that may call the API from a browser, separated by commas or as a JSON list."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names that requests may be addressed to, separated by commas; empty allows any."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks of our own proxies, separated by commas: only their X-Forwarded-For is used."""

    redis_url: SecretStr | None = None
    """Shared cache. Default: REDIS_HOST; without either, each process has its own cache."""

    redis_host: str | None = None
    """Host of the shared cache, used without REDIS_URL. The names REDIS_* are those of the bot's environment."""

    redis_port: int = Field(default=6379, ge=1, le=65535)
    """TCP port at REDIS_HOST."""

    redis_password: SecretStr = SecretStr("")
    """Password at REDIS_HOST, as it is: an address would need its special characters escaped."""

    redis_db: int = Field(default=0, ge=0)
    """Number of the database at REDIS_HOST."""

    serving_dir: Path = Path("mlruns/serving")
    """What serving keeps on disk for the time when the database is unavailable: the last known good games, models and
    keys, and the served predictions that are not logged yet. All workers of a machine share it."""

    spool_megabytes: int = Field(default=200, ge=1)
    """Limit of the served predictions on disk that are not logged yet; later ones are lost [MB]."""

    data_limit_hours: float = Field(default=24.0, gt=0)
    """While the database is unavailable, games last checked longer ago are answered 503, `data_too_old` [hours]."""

    shadow: bool = False
    """Whether challengers forecast served games, too: logged, never returned, and the first work dropped under load."""

    fast_path: bool = True
    """Whether plain requests for predictions are answered below the framework; responses without it are only slower."""

    key_rate_limit: int = Field(default=12_000, ge=1)
    """Limit of one API key [requests per minute]."""

    guild_rate_limit: int = Field(default=100, ge=1)
    """Limit of a guild that has no ``api_rate_limit`` of its own [requests per minute]."""

    rate_limit_sharers: int = Field(default=1, ge=1)
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

    service_url: str = "http://127.0.0.1:8000"
    """Address of the service."""

    api_key: SecretStr | None = None
    """The client's API key; the service itself does not read it."""


class FlowsSettings(BaseModel):
    """When ``dbsbm flows serve`` works."""

    model_config = ConfigDict(frozen=True)

    snapshot_seconds: int = Field(default=60, ge=5)
    """Interval at which the bot's database is read and features and forecasts are updated [seconds]."""

    train_cron: str = "0 6 * * *"
    """When challengers are trained [cron expression, UTC]."""


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
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )


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
