"""The data of two trainings are compared by season, and by game where the archive still gives their facts."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.errors import ConflictError, ResourceNotFoundError, ValidationError
from core.registry import deployment
from core.registry.deployment import Version
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch
from feature_store.archive.manifests.contents import DataManifest, manifest_of, store_manifest
from feature_store.archive.manifests.diff import GameChange, SeasonChange, compare, find_training_data
from tests.conftest import NOW
from tests.crowded import crowded_facts
from tests.generated import invented_facts

DAY = timedelta(days=1)


def remember(engine: Engine, leagues: Leagues, day: int) -> DataManifest:
    """What a training run does on that day."""
    moment = NOW + day * DAY
    made = manifest_of(archive.load(engine, leagues.get("EPL"), moment))
    store_manifest(engine, leagues.get("EPL"), made, known_by=moment, recorded_at=moment)
    return made


def record(engine: Engine, leagues: Leagues, facts: FactBatch, day: int) -> None:
    archive.record(engine, leagues.get("EPL"), facts, source="test", recorded_at=NOW + day * DAY)


@given(seed=st.integers(0, 1000))
def test_a_manifest_counts_every_fact_and_knows_no_order(seed: int) -> None:
    facts = crowded_facts(seed, games=20)
    made = manifest_of(facts)
    assert sum(part.facts for part in made.parts) == len(facts.games) + len(facts.results) + len(facts.quotes)
    shuffled = FactBatch(*(Random(seed).sample(kind, len(kind)) for kind in (facts.games, facts.results, facts.quotes)))
    assert manifest_of(shuffled) == made
    assert made.sha256 == facts.sha256()
    assert DataManifest.from_json(made.to_json()) == made


def test_the_games_added_corrected_and_left_as_they_were_are_named(database: Engine, leagues: Leagues) -> None:
    facts = invented_facts(5, quirks=False)
    early = FactBatch(facts.games[:-1], [r for r in facts.results if r.game_id != "g59"], facts.quotes[:-2])
    record(database, leagues, early, day=-9)
    first = remember(database, leagues, day=-8)
    corrected = facts.results[3]._replace(home_score=9)
    late = FactBatch(facts.games[-1:], [corrected, facts.results[-1]])
    record(database, leagues, late, day=-7)
    second = remember(database, leagues, day=-6)
    found = compare(*(find_training_data(database, leagues, made.sha256[:12]) for made in (first, second)))
    assert found.games is not None
    assert [(game.game_id, game.change) for game in found.games] == [("g3", "changed"), ("g59", "added")]
    assert f"home_score: {facts.results[3].home_score} -> 9" in found.games[0].values
    assert SeasonChange(2022, "results", 30, 31) in found.seasons
    assert SeasonChange(2023, "games", 29, 30) in found.seasons
    back = compare(found.after, found.before)
    assert back.games is not None
    assert GameChange("g59", "removed", found.games[1].meeting, ()) in back.games


def test_a_snapshot_is_read_again_although_older_seasons_were_filled_in_later(
    sqlite_database: Engine, leagues: Leagues
) -> None:
    """A back-fill adds facts with an early ``known_at``; by their ``recorded_at`` they were not in the run."""
    record(sqlite_database, leagues, invented_facts(5), day=-9)
    made = remember(sqlite_database, leagues, day=-8)
    older = invented_facts(6)
    renamed = FactBatch([game._replace(game_id=f"old {game.game_id}") for game in older.games])
    record(sqlite_database, leagues, renamed, day=-7)
    found = find_training_data(sqlite_database, leagues, made.sha256)
    assert found.facts is not None
    assert found.facts.sha256() == made.sha256
    today = find_training_data(sqlite_database, leagues, f"{NOW:%Y-%m-%d}", "EPL")
    assert compare(found, today).count("added") == 60


def test_without_the_facts_the_seasons_still_tell(sqlite_database: Engine, leagues: Leagues) -> None:
    elsewhere = manifest_of(invented_facts(6))
    store_manifest(sqlite_database, leagues.get("EPL"), elsewhere, known_by=NOW, recorded_at=NOW)
    record(sqlite_database, leagues, invented_facts(5), day=-1)
    found = compare(
        find_training_data(sqlite_database, leagues, elsewhere.sha256),
        find_training_data(sqlite_database, leagues, f"{NOW:%Y-%m-%d}", "epl"),
    )
    assert found.games is None
    assert {season.season for season in found.seasons} == {2022, 2023}


def test_a_models_version_stands_for_the_snapshot_it_was_made_of(sqlite_database: Engine, leagues: Leagues) -> None:
    record(sqlite_database, leagues, invented_facts(5), day=-9)
    made = manifest_of(archive.load(sqlite_database, leagues.get("EPL"), NOW))
    version = Version(
        model="EPL-results", version=3, sport="soccer", league="EPL", variant="results", recipe="r", bundle_sha256="b",
        features="f", snapshot_sha256=made.sha256, trained_until=NOW, registered_at=NOW, run_id="run", scores={},
    )  # fmt: skip
    deployment.register(sqlite_database, version, NOW)
    found = find_training_data(sqlite_database, leagues, "EPL-results:3")
    assert found.manifest == made
    with pytest.raises(ResourceNotFoundError, match="no version 4"):
        find_training_data(sqlite_database, leagues, "EPL-results:4")
    with pytest.raises(ValidationError, match="NFL-results:3"):
        find_training_data(sqlite_database, leagues, "EPL-results:newest")


def test_what_cannot_be_found_or_compared_is_a_sentence(sqlite_database: Engine, leagues: Leagues) -> None:
    for number, key in enumerate(("EPL", "NFL")):
        made = DataManifest(f"abcdef{number}{'0' * 57}", ())
        store_manifest(sqlite_database, leagues.get(key), made, known_by=NOW, recorded_at=NOW)
    with pytest.raises(ResourceNotFoundError, match="no data manifest '999999'"):
        find_training_data(sqlite_database, leagues, "999999")
    with pytest.raises(ConflictError, match="Several"):
        find_training_data(sqlite_database, leagues, "ABCDEF")
    with pytest.raises(ValidationError, match="required, because"):
        find_training_data(sqlite_database, leagues, "2024-05-01")
    with pytest.raises(ValidationError, match=r"EPL.*NFL"):
        compare(*(find_training_data(sqlite_database, leagues, f"abcdef{number}") for number in (0, 1)))
