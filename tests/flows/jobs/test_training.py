"""One league's error does not stop the training of the others, and is not lost either."""

from types import SimpleNamespace

import pytest
from sqlalchemy.engine import Engine
from structlog.testing import capture_logs

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import DatabaseError, DbsbmError, ExternalServiceError, ServiceError
from core.settings import Settings, load_settings
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch
from flows.jobs import training
from tests.conftest import NOW
from tests.flows.jobs.test_jobs import GAME

LEAGUES = ("EPL", "LALIGA", "SERIEA")


@pytest.fixture
def settings(sqlite_database: Engine) -> Settings:
    """Settings of a database that holds a game of each of three leagues."""
    for key in LEAGUES:
        league = Leagues(BUILT_IN).get(key)
        archive.record(sqlite_database, league, FactBatch([GAME]), source="test", recorded_at=NOW)
    return load_settings(_env_file=None, database_url=sqlite_database.url.render_as_string(hide_password=False))


def train_with(errors: dict[str, Exception], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The job, with each training replaced: the error of the league and recipe where there is one, else version 1."""

    def train_model(_settings: Settings, _now: object, league: str, recipe: str) -> SimpleNamespace:
        name = f"{league}-{recipe}"
        attempts.append(name)
        if name in errors:
            raise errors[name]
        return SimpleNamespace(model=name, version=1)

    attempts: list[str] = []
    monkeypatch.setattr(training, "train_model", train_model)
    try:
        return training.train_leagues(settings, NOW)
    finally:
        assert attempts == [f"{league}-{recipe}" for league in LEAGUES for recipe in ("results", "prices")]


def test_an_unforeseen_error_in_one_league_fails_the_job_only_after_the_last_league(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {"EPL-prices": RuntimeError("mysql://u:hunter2@h"), "LALIGA-results": KeyError("odds")}
    with capture_logs() as lines, pytest.raises(ServiceError) as failure:
        train_with(errors, settings, monkeypatch)
    assert failure.value.message == "2 of 6 trainings failed: EPL-prices: RuntimeError; LALIGA-results: KeyError."
    assert "See the log" in failure.value.hint
    assert [(line["model"], line["exc_info"]) for line in lines] == [(name, True) for name in errors]


def test_a_refused_training_is_reported_and_fails_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = train_with({"EPL-prices": ServiceError("Too few games.")}, settings, monkeypatch)
    assert outcome["EPL-prices"] == "Too few games."
    assert set(outcome.values()) == {"Too few games.", "version 1"}
    assert len(outcome) == 6


@pytest.mark.parametrize(
    ("error", "kind"), [(ServiceError("Too few games."), ServiceError), (DatabaseError("Down."), ExternalServiceError)]
)
def test_when_nothing_was_trained_every_training_is_named(
    error: DbsbmError, kind: type[DbsbmError], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{league}-{recipe}" for league in LEAGUES for recipe in ("results", "prices")]
    with pytest.raises(kind, match="6 of 6 trainings failed") as failure:
        train_with(dict.fromkeys(names, error), settings, monkeypatch)
    assert all(name in failure.value.message for name in names)
