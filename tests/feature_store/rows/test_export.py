"""Rows written to a file: what they hold is settled by the moment they speak for and the moment of knowledge."""

from datetime import timedelta
from pathlib import Path

from pyarrow import csv
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact
from feature_store.archive.sources.terms import SourceTerms, set_terms
from feature_store.rows.offline import export_rows
from tests.conftest import NOW
from tests.generated import FIRST_DAY, invented_facts


def test_a_file_is_made_again_to_the_byte_after_a_correction_by_naming_when_its_facts_were_known(
    leagues: Leagues, sqlite_database: Engine, tmp_path: Path
) -> None:
    epl, facts = leagues.get("EPL"), invented_facts(4, quirks=False)
    archive.record(sqlite_database, epl, facts, source="test", recorded_at=FIRST_DAY)
    before, moment = tmp_path / "before.csv", FIRST_DAY + timedelta(days=50)
    count = export_rows(sqlite_database, epl, before, moment, None)
    assert 0 < count < len(facts.games)
    first = facts.results[0]
    corrected = FactBatch(results=[first._replace(known_at=moment + timedelta(days=1), home_score=19)])
    archive.record(sqlite_database, epl, corrected, source="test", recorded_at=moment + timedelta(days=1))
    again, later = tmp_path / "again.csv", tmp_path / "later.csv"
    assert export_rows(sqlite_database, epl, again, moment, None) == count
    assert again.read_bytes() == before.read_bytes()
    export_rows(sqlite_database, epl, later, moment + timedelta(days=2), None)
    assert csv.read_csv(later)["home_score"][0].as_py() == 19


def test_games_without_a_known_score_have_none_beside_their_rows(
    leagues: Leagues, sqlite_database: Engine, tmp_path: Path
) -> None:
    epl = leagues.get("EPL")
    archive.record(sqlite_database, epl, invented_facts(4, quirks=False), source="test", recorded_at=FIRST_DAY)
    moment, file = FIRST_DAY + timedelta(days=40), tmp_path / "then.csv"
    counts = {}
    for days in (0, 8):
        export_rows(sqlite_database, epl, file, moment + timedelta(days=days), moment)
        scores = csv.read_csv(file)["home_score"]
        counts[days] = sum(score.as_py() is not None for score in scores)
    assert counts[0] == 0 < counts[8]


def test_rows_for_others_hold_nothing_that_its_source_keeps_in_the_house(
    leagues: Leagues, sqlite_database: Engine, tmp_path: Path
) -> None:
    nfl = leagues.get("NFL")
    start = NOW + timedelta(days=2)
    for source, game_id in (("feed:closed", "a"), ("feed:open", "b")):
        game = GameFact(game_id, NOW, 2023, start, False, f"Home {game_id}", "Away", False, False, "scheduled")
        archive.record(sqlite_database, nfl, FactBatch([game]), source=source, recorded_at=NOW, live=True)
    set_terms(sqlite_database, "feed:closed", SourceTerms(), NOW)
    set_terms(sqlite_database, "feed:open", SourceTerms(republish=True), NOW)
    path = tmp_path / "rows.csv"
    assert export_rows(sqlite_database, nfl, path, NOW, NOW) == 2
    assert export_rows(sqlite_database, nfl, path, NOW, NOW, for_others=True) == 1
    assert "Home a" not in path.read_text()
