"""What jobs do with leagues that are gone, and with moments that are past."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues, load_leagues
from core.errors import ConflictError, ResourceNotFoundError
from core.settings import Settings, load_settings
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from flows.jobs.features import build_features, refuse_older_rows
from flows.jobs.leagues import archived_leagues
from tests.conftest import NOW

GAME = GameFact("g1", NOW, 2023, NOW + timedelta(days=2), False, "Arsenal", "Chelsea", False, False, "scheduled")


def settings_of(engine: Engine, folder: Path) -> Settings:
    address = engine.url.render_as_string(hide_password=False)
    return load_settings(_env_file=None, database_url=address, bundle_dir=folder, serving_dir=folder)


def test_a_league_that_is_no_longer_configured_stops_no_other(sqlite_database: Engine, tmp_path: Path) -> None:
    (tmp_path / "leagues.toml").write_text('[KABADDI]\nsport = "kabaddi"\n')
    configured = load_leagues(tmp_path / "leagues.toml")
    for key in ("KABADDI", "EPL"):
        archive.record(sqlite_database, configured.get(key), FactBatch([GAME]), source="test", recorded_at=NOW)
    assert [league.key for league in archived_leagues(sqlite_database, configured, None)] == ["EPL", "KABADDI"]
    assert [league.key for league in archived_leagues(sqlite_database, Leagues(BUILT_IN), None)] == ["EPL"]
    with pytest.raises(ResourceNotFoundError):
        archived_leagues(sqlite_database, Leagues(BUILT_IN), ["KABADDI"])
    assert [built.league for built in build_features(settings_of(sqlite_database, tmp_path), NOW)] == ["EPL"]


def test_rows_that_are_answered_from_are_not_replaced_by_older_ones(sqlite_database: Engine, tmp_path: Path) -> None:
    settings = settings_of(sqlite_database, tmp_path)
    archive.record(sqlite_database, Leagues(BUILT_IN).get("EPL"), FactBatch([GAME]), source="test", recorded_at=NOW)
    refuse_older_rows(settings, NOW - timedelta(days=100))
    build_features(settings, NOW)
    refuse_older_rows(settings, NOW)
    with pytest.raises(ConflictError, match="rows of EPL are of a later moment than 2024-04-30 12:00"):
        refuse_older_rows(settings, NOW - timedelta(days=1))
