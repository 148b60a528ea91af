"""Settings say where things are; a wrong one is one line that names it, and a secret is never shown."""

import pickle
import traceback
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.settings import Settings, load_settings

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this project, no .env and no folder of secrets but the test's own."""
    for name in (*Settings.model_fields, "dbsbm_secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets").mkdir()
    monkeypatch.setenv("DBSBM_SECRETS_DIR", str(tmp_path / "secrets"))


def test_without_any_setting_everything_is_local() -> None:
    settings = load_settings()
    assert str(settings.database) == "sqlite:///mlruns/dbsbm.db"
    assert settings.redis is None
    assert settings.mlflow_tracking_uri == "sqlite:///mlruns/mlflow.db"
    assert not settings.requires_keys


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DBSBM_ENV", "prod", "'development', 'staging' or 'production'"),
        ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("MYSQL_PORT", "abc", "valid integer"),
        ("MYSQL_PORT", "0", "greater than or equal to 1"),
        ("REDIS_PORT", "70000", "less than or equal to 65535"),
        ("REDIS_DB", "-1", "greater than or equal to 0"),
        ("PORT", "8000.5", "valid integer"),
    ],
)
def test_a_wrong_variable_is_one_line_with_its_name_what_was_read_and_what_is_allowed(
    name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    (line,) = refused.value.message.splitlines()
    assert line.startswith(f"{name}: ")
    assert allowed in line
    assert line.endswith(f"(read: {value!r}).")
    assert ".env.example" in refused.value.hint


@pytest.mark.parametrize("name", ["DATABASE_URL", "BOT_DATABASE_URL"])
@pytest.mark.parametrize(
    "address",
    [
        SECRET,
        f"mysql+pymysql://ours:{SECRET}@host:port/db",
        f"mysql+pymysql://ours:a@b:{SECRET}@host/db",
        f"postgresql://ours:{SECRET}@host/db",
        f"mysql://ours:{SECRET}@host/db",
        f"mysqlx://ours:{SECRET}@host/db",
    ],
)
def test_an_address_that_cannot_work_is_refused_by_name_and_never_shown(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    (line,) = refused.value.message.splitlines()
    assert line.startswith(f"{name}: ")
    assert "mysql+pymysql://user:password@host/database" in line
    assert "not shown" in line
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_every_wrong_variable_gets_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.setenv("PORT", "x")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert sorted(line.split(":")[0] for line in refused.value.message.splitlines()) == ["LOG_LEVEL", "PORT"]


@pytest.mark.parametrize(
    "name",
    ["DATABASE_URL", "BOT_DATABASE_URL", "REDIS_URL", "API_KEY", "SIGNING_KEY", "MYSQL_PASSWORD", "REDIS_PASSWORD"],
)
def test_no_secret_stands_in_the_settings_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = {"DATABASE_URL": "mysql+pymysql://u:", "BOT_DATABASE_URL": "mysql+pymysql://u:", "REDIS_URL": "redis://:"}
    monkeypatch.setenv(name, f"{scheme[name]}{SECRET}@host/1" if name in scheme else SECRET)
    monkeypatch.setenv("MYSQL_HOST", "db")
    settings = load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.database)):
        assert SECRET not in shown


def test_the_seeds_mysql_variables_compose_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "db", "PORT": "3307", "USER": "ml", "PASSWORD": "p@ss/w:rd", "DB": "ours"}.items():
        monkeypatch.setenv(f"MYSQL_{name}", value)
    address = load_settings().database
    assert (address.drivername, address.host, address.port) == ("mysql+pymysql", "db", 3307)
    assert (address.username, address.password, address.database) == ("ml", "p@ss/w:rd", "ours")
    assert address.query == {"charset": "utf8mb4"}


def test_a_database_url_wins_over_the_seeds_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///own.db")
    assert str(load_settings().database) == "sqlite:///own.db"


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({"REDIS_HOST": "cache"}, "redis://cache:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_DB": "2"}, "redis://cache:6380/2"),
        ({"REDIS_HOST": "cache", "REDIS_PASSWORD": "a/b@c:d"}, "redis://:a%2Fb%40c%3Ad@cache:6379/0"),
        ({"REDIS_HOST": "cache", "REDIS_URL": "rediss://other"}, "rediss://other"),
    ],
)
def test_redis_is_found_by_address_or_by_the_seeds_variables(
    environment: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = load_settings().redis
    assert found is not None
    assert found.get_secret_value() == address


def test_a_password_survives_the_way_through_rediss_own_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.connection import parse_url

    monkeypatch.setenv("REDIS_HOST", "cache")
    monkeypatch.setenv("REDIS_PASSWORD", "a/b@c:d%20 e")
    found = load_settings().redis
    assert found is not None
    assert parse_url(found.get_secret_value())["password"] == "a/b@c:d%20 e"


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "")
    monkeypatch.setenv("PORT", "")
    assert load_settings().redis is None
    assert load_settings().port == 8000


def test_the_bots_database_is_demanded_by_name() -> None:
    with pytest.raises(ConfigurationError, match="BOT_DATABASE_URL is not set"):
        _ = load_settings().bot_database


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://a.example, https://b.example,", ("https://a.example", "https://b.example")),
        ('["https://a.example", "https://b.example"]', ("https://a.example", "https://b.example")),
        ("[]", ()),
        ("", ()),
    ],
)
def test_origins_are_separated_by_commas_or_a_json_list(
    text: str, origins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert load_settings().cors_origins == origins


def test_origins_that_are_no_list_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "[https://a.example]")
    with pytest.raises(ConfigurationError, match=r"^CORS_ORIGINS: .*read: '\[https://a.example\]'"):
        load_settings()


def test_secrets_come_from_files_in_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "API_KEY").write_text(f"{SECRET}\n")
    (tmp_path / "vault" / "mysql_password").write_text("from a file")
    monkeypatch.setenv("DBSBM_SECRETS_DIR", str(tmp_path / "vault"))
    settings = load_settings()
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == SECRET
    assert settings.mysql_password.get_secret_value() == "from a file"


def test_the_environment_wins_over_env_file_and_that_over_secret_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("api_key", "signing_key", "mysql_db"):
        (tmp_path / "secrets" / name).write_text("file-file-file-file")
    (tmp_path / ".env").write_text("SIGNING_KEY=dotenv-dotenv-dotenv\nMYSQL_DB=dotenv\n")
    monkeypatch.setenv("MYSQL_DB", "environment")
    settings = load_settings(mysql_user="argument")
    assert settings.api_key is not None
    assert settings.signing_key is not None
    assert settings.api_key.get_secret_value() == "file-file-file-file"
    assert settings.signing_key.get_secret_value() == "dotenv-dotenv-dotenv"
    assert (settings.mysql_db, settings.mysql_user) == ("environment", "argument")


def test_a_folder_of_secrets_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBSBM_SECRETS_DIR", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"DBSBM_SECRETS_DIR: expected a folder .*'/nowhere'"):
        load_settings()


def test_an_env_file_that_is_not_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MYSQL_USER=\xff\n")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings()


@pytest.mark.parametrize(("environment", "demanded"), [("development", False), ("staging", True), ("production", True)])
def test_keys_are_demanded_everywhere_but_in_development(
    environment: str, demanded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBSBM_ENV", environment)
    assert load_settings().requires_keys is demanded


def test_settings_do_not_change_and_travel_between_processes() -> None:
    settings = load_settings(port=1)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(settings)).port == 1
