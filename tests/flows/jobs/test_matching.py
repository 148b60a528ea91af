"""After a look the job links what is one game, so that the build that follows serves it once."""

from pathlib import Path

import pytest

from core.betting.leagues import Leagues
from core.database.engines import open_database
from core.errors import ResourceNotFoundError
from core.settings import Settings
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch
from feature_store.identity.linking import list_links
from feature_store.rows.online import load_rows
from flows.jobs.features import build_features
from flows.jobs.matching import match_games
from tests.conftest import NOW
from tests.databases import migrated_file
from tests.feature_store.identity.test_matched_games import DAY, MINUTE, START, game


def test_each_look_is_matched_and_the_build_after_it_serves_each_game_once(tmp_path: Path, leagues: Leagues) -> None:
    engine = open_database(Settings(database_url=f"sqlite:///{migrated_file(tmp_path / 'ours.db')}").database)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/ours.db")
    looks = [
        ("feed:a", "EPL", game("a:1", "Manchester Utd", "Wolves")),
        ("feed:b", "EPL", game("b:1", "Man United", "Wolverhampton Wanderers", START + 10 * MINUTE)),
        ("feed:b", "EPL", game("b:2", "Arsenal", "The Bees", START + DAY)),
        ("feed:a", "EPL", game("a:2", "Arsenal", "Brentford", START + DAY)),
        ("bot", "NFL", game("9", "Giants", "Jets")),
    ]
    for number, (source, key, listed) in enumerate(looks):
        now = NOW + number * MINUTE
        archive.record(engine, leagues.get(key), FactBatch([listed]), source=source, recorded_at=now, live=True)
        match_games(settings, now, [key])
        build_features(settings, now, [key])
        clubs = [frozenset((row.game.home_team, row.game.away_team)) for row in load_rows(engine)]
        assert len(clubs) == len(set(clubs)) == (1, 1, 2, 2, 3)[number]
    assert [(one.game_id, one.same_as, one.source) for one in list_links(engine, leagues.get("EPL"))] == [
        ("b:1", "a:1", "matcher")
    ]
    assert [(one.league, len(one.links), one.doubtful) for one in match_games(settings, NOW + DAY)] == [
        ("EPL", 0, 1),
        ("NFL", 0, 0),
    ]
    with pytest.raises(ResourceNotFoundError, match="no league 'XFL'"):
        match_games(settings, NOW, ["XFL"])
    engine.dispose()
