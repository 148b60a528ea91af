"""Every value of .env.example given wrongly is refused in one line that names it, and so is text no terminal can show."""

import os
from pathlib import Path

import pytest

from core.errors import EXIT_USAGE, ConfigurationError, exit_code
from core.settings import Settings, load_settings

LONG = "9" * 5_000
CANARY = "canary-word"

WRONG: dict[str, tuple[str, ...]] = {
    "DBSBM_ENV": ("prod", "DEVELOPMENT", "1", LONG),
    "LOG_LEVEL": ("loud", "info", "10", LONG),
    "DATABASE_URL": (
        "ours.db", "postgresql://u@h/d", f"mysql+pymysql://u:{CANARY}#1@h/d", f"mysql+pymysql://u:{CANARY}@h:x/d",
        f"mysql+pymysql://u@h/d?{CANARY}=1", f"mysql+pymysql://u@h/d?connect_timeout={CANARY}", LONG,
        "mysql+pymysql://u@h", "mysql+pymysql://u@h/", "sqlite://", "sqlite:///:memory:", "sqlite:///d.db?timeout=soon",
    ),
    "MYSQL_HOST": ("two words", "host/db", "user@host", "a" * 300, "-"),
    "MYSQL_PORT": ("0", "-1", "70000", "3306.5", "inf", "nan", LONG),
    "MYSQL_USER": ("a" * 200,),
    "MYSQL_PASSWORD": (f"{CANARY}\r",),
    "MYSQL_DB": ("a" * 65, "ours/theirs", "a.b"),
    "SIGNING_KEY": ("canary-short",),
    "BACKUP_DIR": ("a" * 300, "/dev/null", "/dev/null/backups"),
    "LEAGUES_FILE": ("no-such-file.toml", ".", "a" * 300, "/dev/null", LONG),
    "MLFLOW_TRACKING_URI": ("mlruns", "ftp://h", f"http://u:{CANARY}/1@h:5000", "http://", "http://h:99999", LONG),
    "BUNDLE_DIR": ("a" * 300, "/dev/null", "/dev/null/bundles", "a/" * 1_000),
    "BOT_DATABASE_URL": ("bot", f"mysql+pymysql://u:{CANARY}?@h/d", f"mysql+pymysql://u:{CANARY}%zz@h/d", LONG),
    "BOT_TIMEZONE": ("Mars/Olympus", "EST5", "../UTC", "a" * 300, "/etc/localtime", "America"),
    "BOT_BARE_TIMEZONE": ("-5", "Mars/Olympus"),
    "FEATURES_DIR": ("a" * 300, "/dev/null"),
    "FEEDS_FILE": ("no-such-file.toml", ".", "/dev/null", LONG),
    "FEEDS_DIR": ("a" * 300, "/dev/null"),
    "ODDS_API_KEY": (f"{CANARY} two", f"{CANARY}é"),
    "JSON_FEED_KEY": (f"{CANARY} two", f"{CANARY}\r"),
    "API_SPORTS_KEY": (f"{CANARY} two", f"{CANARY}é"),
    "HOST": ("two words", "http://127.0.0.1", "127.0.0.1:8000", "a" * 300, "*"),
    "PORT": ("-1", "70000", "8000.5", "http", "inf", LONG),
    "CORS_ORIGINS": ("odds.example", "https://odds.example/path", '["https://a.example"', "[1]", "https://u:p@h"),
    "ALLOWED_HOSTS": ("*", "https://h", "a b", "h:8000", "a" * 300),
    "TRUSTED_PROXIES": ("nginx", "10.0.0.0/33", "300.1.1.1", "127.0.0.1:80"),
    "REDIS_URL": (
        "cache:6379", "http://cache", f"redis://:{CANARY}#2@h", f"redis://:{CANARY}@h:x", "redis://h/cache", "redis://h/-1",
        "rediss://h/0/1", LONG,
    ),
    "REDIS_HOST": ("redis://cache", "a b", "a" * 300),
    "REDIS_PORT": ("0", "70000", "inf", "x"),
    "REDIS_PASSWORD": (f"{CANARY}\x1b[2J",),
    "REDIS_DB": ("-1", "0.5", "inf", "1e9", LONG),
    "SERVING_DIR": ("a" * 300, "/dev/null"),
    "SPOOL_MEGABYTES": ("0", "-1", "inf", "1e400", LONG),
    "DATA_LIMIT_HOURS": ("0", "-1", "inf", "nan", "1e400", "a day"),
    "SHADOW": ("maybe", "2", LONG),
    "FAST_PATH": ("maybe", "-1"),
    "PRICE_AGE_MINUTES": ("0", "-1", "inf", "nan", "1e400", "1441", "an hour", LONG),
    "PRICE_AGE_NEAR_START_MINUTES": ("0", "-1", "inf", "nan", "1441", "soon"),
    "PRICE_LEAST_BOOKS": ("0", "-1", "51", "1.5", "inf", "two", LONG),
    "KEY_RATE_LIMIT": ("0", "-1", "inf", "1.5", LONG),
    "GUILD_RATE_LIMIT": ("0", "-1", "inf", LONG),
    "RATE_LIMIT_SHARERS": ("0", "-1", "inf", LONG),
    "SERVICE_URL": ("127.0.0.1:8000", "ftp://h", f"http://u:{CANARY}@x@h", "http://h:99999", "http:///docs", LONG),
    "API_KEY": (f"{CANARY} two", f"{CANARY}é"),
    "SNAPSHOT_SECONDS": ("4", "-1", "inf", "1e9", LONG),
    "FLOWS_SECONDS": ("4", "-1", "inf", "1e9", LONG),
    "LOG_DAYS": ("6", "-1", "inf", "1e9", LONG),
    "TRAIN_CRON": (
        "daily", "0 6 * *", "0 6 * * * * *", "0 6 * * $(x)", "61 6 * * *", "*/0 * * * *", "a b c d e", "0 6 0 0 *",
        "50-10 * * * *", "0 6 31 2 *", "1,,2 * * * *", "0 6 * FOO *", "0 6 L * *", "-1 * * * *", "*-5 * * * *", LONG,
    ),
}  # fmt: skip
"""Values that are not allowed, for every setting."""


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Settings.model_fields, "dbsbm_secrets_dir"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_tried() -> None:
    assert set(WRONG) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in (*values, "x\r", "x\x1b[2J", "\udcff")],
    ids=lambda text: ascii(text[:40]),
)
def test_a_wrong_value_is_one_line_that_names_it(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert exit_code(refused.value) == EXIT_USAGE
    (line,) = refused.value.message.splitlines()
    assert line.startswith(f"{name}: ")
    assert "(read: " in line
    assert line.isprintable()
    assert len(line) < 400
    assert "canary" not in str(refused.value)
    assert refused.value.hint == "See .env.example."


def test_a_file_with_a_byte_order_mark_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfPORT=8123\r\nHOST=::1\r\n")
    settings = load_settings()
    assert (settings.port, settings.host) == (8123, "::1")


@pytest.mark.parametrize(
    "damaged",
    ['MYSQL_PASSWORD="canary\nHOST=h\n', "HOST=h\nMYSQL_PASSWORD='canary\nPORT=1\n", "PORT=1\n\0\0\n", "= 1\n"],
)
def test_a_file_of_which_a_line_would_be_skipped_is_refused(damaged: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PORT=8123\n{damaged}")
    with pytest.raises(ConfigurationError, match=r"^\.env: cannot read line \d") as refused:
        load_settings()
    assert "canary" not in str(refused.value)


def test_secrets_of_the_file_are_masked_also_those_of_libraries(tmp_path: Path) -> None:
    from core.text.redaction import redact

    (tmp_path / ".env").write_text("MYSQL_PASSWORD='canary#file'\nMLFLOW_TRACKING_TOKEN=canary-token\n")
    assert load_settings().mysql_password.get_secret_value() == "canary#file"
    assert redact("canary#file canary%23file canary-token") == "*** *** ***"


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "leagues.toml")
    monkeypatch.setenv("LEAGUES_FILE", "leagues.toml")
    with pytest.raises(ConfigurationError, match="LEAGUES_FILE: expected the path of a regular file"):
        load_settings()
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(ConfigurationError, match=r"\.env: expected a regular file"):
        load_settings()


def test_a_pipe_among_the_secret_files_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets").mkdir()
    os.mkfifo(tmp_path / "secrets" / "port")
    monkeypatch.setenv("DBSBM_SECRETS_DIR", str(tmp_path / "secrets"))
    with pytest.warns(UserWarning, match="port"):
        assert load_settings().port == 8000
