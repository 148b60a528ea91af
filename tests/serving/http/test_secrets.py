"""No answer and no log line holds a secret while every dependency fails with its own words."""

import logging
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url

from core.logs import configure_logs, get_logger
from tests.services import free_port
from tests.serving.conftest import World
from tests.serving.service import eventually, settings_for, started

PASSWORD = "canary#1/2?3@4%5"
QUOTED = quote(PASSWORD, safe="")
SPELT = re.compile(r"canary|1(?:/|%2f)2(?:\?|%3f)3", re.IGNORECASE)
PAGES = (
    *("/readyz", "/metrics", "/v1/system/health", "/v1/models", "/v1/games", "/v2/health/ready"),
    *("/v1/predictions/soccer/EPL/EPL-102", "/v1/matchups/soccer/EPL?home=Arsenal&away=Chelsea"),
    *("/v1/predictions/soccer/EPL/none", "/v1/prices/soccer/EPL/EPL-102?market=x&selection=home"),
)


@pytest.mark.usefixtures("own_logs")
def test_the_words_of_mlflow_and_redis_are_answered_without_passwords(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The champion's bundle is on no disk, so that MLflow is asked for it, and its error is the cause shown."""
    settings = settings_for(
        world.engine,
        tmp_path / "no-bundles",
        mlflow_tracking_uri=f"http://someone:{QUOTED}@127.0.0.1:{free_port()}",
        redis_url=f"redis://:{QUOTED}@127.0.0.1:{free_port()}/0",
        signing_key="canary-signing-key",
    )
    configure_logs(settings)
    with started(settings) as running:
        eventually(lambda: "MLflow at" in running.get("/v1/system/health").text)
        health = running.get("/v1/system/health").text
        pages = "\n".join(running.get(page).text for page in PAGES)
    assert "MLflow at http://someone:***@127.0.0.1" in health
    assert not SPELT.search(health + pages)
    assert not SPELT.search(capsys.readouterr().err)


@pytest.mark.usefixtures("own_logs")
def test_a_database_that_is_down_is_described_without_its_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = make_url(f"mysql+pymysql://someone@127.0.0.1:{free_port()}/ours?password={QUOTED}")
    settings = settings_for(address, tmp_path / "bundles")
    configure_logs(settings)
    with started(settings) as running:
        pages = "\n".join(running.get(page).text for page in PAGES)
    written = capsys.readouterr().err
    assert "DB_ERROR" in pages
    assert "someone@127.0.0.1" in written or "Can't connect" in written
    assert not SPELT.search(pages + written)


@pytest.mark.usefixtures("own_logs")
def test_a_caller_who_guesses_a_secret_is_not_told_so(world: World) -> None:
    """What a caller sent comes back as it was: a mask in its place would confirm the guess."""
    with started(settings_for(world.engine, world.store, signing_key="guessed-signing-key")) as running:
        answers = [
            running.get(f"/v1/predictions/soccer/EPL/{guess}").json()["detail"].replace(guess, "GUESS")
            for guess in ("guessed-signing-key", "another-signing-key")
        ]
    assert answers[0] == answers[1]
    assert "GUESS" in answers[0]


@pytest.mark.usefixtures("own_logs")
def test_a_librarys_own_handler_writes_no_secret_either(world: World) -> None:
    configure_logs(settings_for(world.engine, world.store, signing_key="canary-signing-key"))
    written: list[str] = []

    class OwnHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    library, handler = logging.getLogger("some.library"), OwnHandler()
    library.addHandler(handler)
    try:
        library.warning("cannot use %s", "canary-signing-key")
        try:
            raise ValueError(f"mysql://u:{PASSWORD}@h and canary-signing-key")
        except ValueError:
            library.exception("broke")
        get_logger("some.library").warning("ours", key="canary-signing-key")
    finally:
        library.removeHandler(handler)
    assert len(written) == 3
    assert "Traceback" in written[1]
    assert not SPELT.search("\n".join(written))
