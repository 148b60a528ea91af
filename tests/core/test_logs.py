"""Log lines are JSON where machines read them, carry their context, and hold no secret anywhere."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from core.logs import bind, bound, clear, configure_logs, get_logger, redact_event
from core.settings import load_settings

SECRET = "hunter2"
ADDRESS = f"mysql+pymysql://ours:{SECRET}@host:3306/db"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    clear()


Lines = Callable[[], list[dict[str, Any]]]


def strictly(text: str) -> dict[str, Any]:
    """JSON by the book: no NaN."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    content: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return content


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: [strictly(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture
def production() -> Callable[[], None]:
    """To be called in the test itself: pytest puts another standard error in place after the fixtures."""
    return lambda: configure_logs(load_settings(dbsbm_env="production"))


def fail(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as raised:
        return raised


def test_our_lines_are_json_with_level_logger_and_time(lines: Lines, production: Callable[[], None]) -> None:
    production()
    get_logger("core.test").info("trained", league="EPL", games=380, loss=0.97)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "trained",
        "level": "info",
        "logger": "core.test",
        "league": "EPL",
        "games": 380,
        "loss": 0.97,
    }


def test_the_standard_librarys_lines_are_json_too(lines: Lines, production: Callable[[], None]) -> None:
    production()
    logging.getLogger("some.library").warning('%s "%s"', "GET", 'a "quoted"\npath')
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ('GET "a "quoted"\npath"', "warning", "some.library")


@pytest.mark.parametrize("log", [logging.getLogger("library"), get_logger("ours")], ids=["library", "ours"])
def test_an_exception_is_one_line_without_the_password_in_it(
    log: Any, lines: Lines, production: Callable[[], None]
) -> None:
    production()
    try:
        raise ConnectionError(f"cannot reach {ADDRESS}\nnor redis://:{SECRET}@cache/0")
    except ConnectionError:
        log.exception("it broke")
    (line,) = lines()
    assert "ConnectionError: cannot reach mysql+pymysql://ours:***@host" in line["exception"]
    assert "Traceback" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_a_logger_that_another_library_disabled_is_heard(lines: Lines, production: Callable[[], None]) -> None:
    logging.getLogger("library").disabled = True
    production()
    logging.getLogger("library").info("one")
    assert [line["event"] for line in lines()] == ["one"]


def test_context_rides_on_every_line_of_ours_and_of_libraries(lines: Lines, production: Callable[[], None]) -> None:
    production()
    bind(request_id="r-1")
    with bound(league="EPL"):
        get_logger("ours").info("one")
        logging.getLogger("library").info("two")
    get_logger("ours").info("three")
    clear()
    get_logger("ours").info("four")
    assert [(line.get("request_id"), line.get("league")) for line in lines()] == [
        ("r-1", "EPL"),
        ("r-1", "EPL"),
        ("r-1", None),
        (None, None),
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"password": SECRET},
        {"MYSQL_PASSWORD": SECRET},
        {"x-api-key": SECRET},
        {"apiKey": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"set-cookie": SECRET},
        {"discord_token": SECRET},
        {"headers": {"X-API-Key": SECRET}},
        {"deep": [{"list": ({"client_secret": SECRET},)}]},
        {"address": ADDRESS},
        {"text": f"tried {ADDRESS} twice"},
        {"text": f"redis://:{SECRET}@cache"},
        {"text": f"mysql://u:a/{SECRET}@h/d"},
        {"text": f"mysql://u:a@{SECRET}@h/d"},
        {"error": fail(ValueError(ADDRESS))},
        {"errors": [fail(ValueError(ADDRESS))]},
        {"raw": ADDRESS.encode()},
        {"several": {ADDRESS}},
        {"url": make_url(ADDRESS)},
        {"setting": SecretStr(SECRET)},
        {1: {2: ADDRESS}},
    ],
    ids=str,
)
@pytest.mark.parametrize("environment", ["production", "development"])
def test_no_secret_reaches_a_line(event: dict[Any, Any], environment: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(load_settings(dbsbm_env=environment))
    get_logger("ours").info("event", **{str(key): value for key, value in event.items()})
    written = capsys.readouterr().err
    assert "event" in written
    assert SECRET not in written


def test_the_console_masks_exceptions_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(load_settings(dbsbm_env="development"))
    try:
        raise ValueError(ADDRESS)
    except ValueError:
        get_logger("ours").exception("it broke")
    written = capsys.readouterr().err
    assert "Traceback" in written
    assert "ours:***@host" in written
    assert SECRET not in written


def test_masking_leaves_the_rest_readable() -> None:
    event = {"url": "http://127.0.0.1:8000/v1", "ids": [1, 2.5, None, True], "text": "see https://a.example:1/ and b@c"}
    assert redact_event(None, "info", dict(event)) == event


def test_numbers_that_json_has_no_word_for_become_text(lines: Lines, production: Callable[[], None]) -> None:
    production()
    get_logger("ours").info("scored", loss=float("nan"), best=[float("inf")])
    (line,) = lines()
    assert (line["loss"], line["best"]) == ("nan", ["inf"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(event=st.dictionaries(st.text(), json_values))
def test_whatever_is_logged_is_one_valid_line(event: dict[str, Any]) -> None:
    rendered = structlog.processors.JSONRenderer()(None, "info", redact_event(None, "info", event))
    assert "\n" not in str(rendered)
    strictly(str(rendered))


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(load_settings(dbsbm_env="production", log_level="WARNING"))
    get_logger("ours").info("quiet")
    logging.getLogger("library").info("quiet")
    get_logger("ours").warning("loud")
    assert [strictly(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
