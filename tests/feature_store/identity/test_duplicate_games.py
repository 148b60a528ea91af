"""A game that two sources list under two ids is found, refused, and one game again once a person links the ids."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.transactions import reading
from core.errors import ConflictError, ResourceNotFoundError, ServiceError, ValidationError
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.change_log import newest_revision
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.archive.game_links import SAME_TIME
from feature_store.features.sets import EVERYTHING
from feature_store.identity.duplicate_games import find_duplicates, flag_duplicates
from feature_store.identity.linking import link_games, list_links, unlink_game
from feature_store.identity.team_aliases import record_alias
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from feature_store.rows.replay import past_rows
from tests.conftest import NOW
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY
from tests.laws.time.test_incremental import END, assert_materialized, new_database, stored
from training.datasets.assembly import load_dataset
from training.runs.data_warnings import check_quality

LEAGUES = Leagues(BUILT_IN)
EPL, MLB, NBA = (LEAGUES.get(key) for key in ("EPL", "MLB", "NBA"))
KICK_OFF = datetime.fromisoformat("2024-03-10T15:00:00+00:00")
KINDS = ("games", "results", "quotes")


def game(game_id: str, start: datetime = KICK_OFF, *, date_only: bool = False, **changes: object) -> GameFact:
    usual = GameFact(
        game_id, start - timedelta(days=14), 2023, start, date_only, "Arsenal", "Brentford", False, False, "final"
    )
    return usual._replace(**changes)  # type: ignore[arg-type]


def record_games(
    engine: Engine, league: League, source: str, *games: GameFact, scores: tuple[int, int] = (2, 1)
) -> None:
    ends = [one.start_at + timedelta(hours=2) for one in games]
    results = [Result(one.game_id, end, end, *scores) for one, end in zip(games, ends, strict=True)]
    archive.record(engine, league, FactBatch(list(games), results), source=source, recorded_at=NOW)


def pairs(engine: Engine, league: League = EPL) -> list[tuple[str, str]]:
    return [(pair.game_id, pair.same_as) for pair in find_duplicates(engine, league, NOW)]


@pytest.mark.parametrize("start", [KICK_OFF, KICK_OFF + timedelta(minutes=30), KICK_OFF - timedelta(hours=5)])
@pytest.mark.parametrize("date_only", [False, True])
def test_a_game_of_the_bot_and_of_a_file_is_found_with_the_bots_id_to_keep(
    start: datetime, date_only: bool, sqlite_database: Engine
) -> None:
    listed = game("2024-03-10-A-B", KICK_OFF.replace(hour=16), date_only=True) if date_only else game("2024-03-10-A-B")
    record_games(sqlite_database, EPL, "csv:epl.csv", listed)
    record_games(sqlite_database, EPL, "bot", game("1035037", start))
    (pair,) = find_duplicates(sqlite_database, EPL, NOW)
    assert (pair.game_id, pair.same_as, pair.season) == ("2024-03-10-A-B", "1035037", 2023)
    assert pair.sources == "csv:epl.csv / bot"


@pytest.mark.parametrize(
    "other",
    [
        {"start_at": KICK_OFF + timedelta(days=1)},
        {"start_at": KICK_OFF + timedelta(days=120)},
        {"home_team": "Brentford", "away_team": "Arsenal"},
        {"away_team": "Chelsea"},
        {"status": "void"},
    ],
)
def test_games_that_differ_in_day_clubs_or_home_side_are_two(other: dict[str, object], sqlite_database: Engine) -> None:
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c"))
    record_games(sqlite_database, EPL, "bot", game("7")._replace(**other), scores=(0, 3))  # type: ignore[arg-type]
    assert pairs(sqlite_database) == []


def test_what_one_source_tells_twice_is_two_games(sqlite_database: Engine) -> None:
    """A double-header: in one file, and over the files of one archive."""
    hours = timedelta(hours=1)
    record_games(sqlite_database, MLB, "csv:a.csv", game("d1"))
    record_games(sqlite_database, MLB, "csv:b.csv", game("d2", KICK_OFF + 2 * hours))
    record_games(sqlite_database, MLB, "bot", game("e", KICK_OFF + timedelta(days=50)))
    assert pairs(sqlite_database, MLB) == []
    record_games(sqlite_database, MLB, "bot", game("1"), game("2", KICK_OFF + 2.5 * hours))
    assert pairs(sqlite_database, MLB) == [("d1", "1"), ("d2", "2")]


def test_a_bare_date_is_the_local_day_of_an_evening_in_the_west(sqlite_database: Engine) -> None:
    """22:10 in Los Angeles is the next day in UTC, and nearer to that day's date than to its own."""
    for day in (10, 11):
        date = KICK_OFF.replace(day=day, hour=16)
        record_games(sqlite_database, NBA, "csv:nba.csv", game(f"c{day}", date, date_only=True), scores=(99, 90))
        record_games(sqlite_database, NBA, "bot", game(f"{day}", date + timedelta(hours=13)), scores=(99, 90))
    assert pairs(sqlite_database, NBA) == [("c10", "10"), ("c11", "11")]


def test_a_decided_spelling_counts(sqlite_database: Engine) -> None:
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c", home_team="The Arsenal"))
    record_games(sqlite_database, EPL, "bot", game("7"))
    assert pairs(sqlite_database) == []
    record_alias(sqlite_database, EPL, "The Arsenal", "Arsenal", source="test", now=NOW)
    assert pairs(sqlite_database) == [("c", "7")]


def test_results_that_count_twice_refuse_the_training_until_the_ids_are_linked(sqlite_database: Engine) -> None:
    weeks = [KICK_OFF - timedelta(days=number) for number in range(30)]
    opponents = [f"Club {number % 7}" for number in range(30)]
    for source, prefix in (("csv:epl.csv", "c"), ("bot", "1")):
        for number, (start, away) in enumerate(zip(weeks, opponents, strict=True)):
            one = game(f"{prefix}{number}", start, away_team=away)
            record_games(sqlite_database, EPL, source, one, scores=(number // 7, 1))
    single = game("alone", KICK_OFF - timedelta(days=200), away_team="Club 1")
    record_games(sqlite_database, EPL, "bot", single)
    dataset = load_dataset(sqlite_database, EPL, NOW)
    assert len(dataset) == 61
    with pytest.raises(ServiceError, match=r"EPL 2023: games under two ids .*: c29 and 129, and 29 more") as refused:
        check_quality(sqlite_database, dataset, NOW)
    assert "--accept EPL-2023-told_twice" in refused.value.hint
    assert flag_duplicates(EPL, find_duplicates(sqlite_database, EPL, NOW), {"c1", "alone"}) == []
    for pair in find_duplicates(sqlite_database, EPL, NOW):
        assert link_games(sqlite_database, EPL, pair.game_id, pair.same_as, source="test", now=NOW)
    assert pairs(sqlite_database) == []
    assert len(load_dataset(sqlite_database, EPL, NOW)) == 31


def split(seed: int, facts: FactBatch) -> tuple[FactBatch, list[str]]:
    """The facts with those of some games torn between two ids; games that moved or changed sides stay whole.

    Of these one half might be listed as it was before only, and count as a listing that was corrected.
    """
    random, torn = Random(seed), FactBatch()
    first = {one.game_id: one for one in facts.games}
    corrected = {
        one.game_id
        for one in facts.games
        if (one.home_team, one.away_team) != (first[one.game_id].home_team, first[one.game_id].away_team)
        or abs(one.start_at - first[one.game_id].start_at) > SAME_TIME / 2
    }
    doubled = {one.game_id for one in facts.games if random.random() < 0.4} - corrected
    for kind in KINDS:
        for fact in getattr(facts, kind):
            other = fact.game_id in doubled and random.random() < 0.5
            getattr(torn, kind).append(fact._replace(game_id=f"{fact.game_id}-other") if other else fact)
    return torn, sorted(doubled)


def link_all(engine: Engine, game_ids: list[str]) -> list[str]:
    """Links what was torn, as far as both halves have a game with the same clubs; the others stay halves."""
    linked = []
    for game_id in game_ids:
        try:
            link_games(engine, EPL, f"{game_id}-other", game_id, source="test", now=NOW)
            linked.append(game_id)
        except (ResourceNotFoundError, ConflictError):
            continue
    return linked


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
@pytest.mark.slow
def test_linked_halves_are_the_whole_game_and_what_was_built_before_the_link_is_built_anew(seed: int) -> None:
    with TemporaryDirectory() as folder:
        whole, torn, fresh = (new_database(folder, name) for name in ("whole", "torn", "fresh"))
        archive.record(whole, EPL, crowded_facts(seed, games=60), source="test", recorded_at=FIRST_DAY)
        halves, game_ids = split(seed, archive.load(whole, EPL))
        for engine in (torn, fresh):
            archive.record(engine, EPL, halves, source="test", recorded_at=FIRST_DAY)
        in_halves = archive.load(torn, EPL).sha256()
        build(torn, EPL, END)
        materialize(torn, EPL, Path(folder), END)

        linked = link_all(torn, game_ids)
        assert link_all(fresh, game_ids) == linked
        for game_id in linked:
            of_game = {game_id}
            whole_again = archive.load(torn, EPL, game_ids=of_game).sha256()
            assert whole_again == archive.load(whole, EPL, game_ids=of_game).sha256()
        for engine in (torn, fresh):
            build(engine, EPL, END)
        materialize(torn, EPL, Path(folder), END)
        assert stored(torn, END) == stored(fresh, END)
        assert_materialized(Path(folder), archive.load(torn, EPL, END))

        for number, game_id in enumerate(linked):
            unlink_game(torn, EPL, f"{game_id}-other", source="test", now=NOW + timedelta(seconds=1 + number))
        assert archive.load(torn, EPL).sha256() == in_halves
        materialize(torn, EPL, Path(folder), END)
        assert_materialized(Path(folder), archive.load(torn, EPL, END))
        for engine in (whole, torn, fresh):
            engine.dispose()


def test_a_link_has_past_rows_made_anew_once_and_not_at_each_change_after_it(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    archive.record(sqlite_database, EPL, crowded_facts(5, games=60), source="test", recorded_at=FIRST_DAY)
    halves, game_ids = split(5, archive.load(sqlite_database, EPL))
    archive.record(sqlite_database, EPL, halves, source="test", recorded_at=FIRST_DAY)
    materialize(sqlite_database, EPL, tmp_path, END)
    assert materialize(sqlite_database, EPL, tmp_path, END).computed == 0
    assert link_all(sqlite_database, game_ids)
    linked = materialize(sqlite_database, EPL, tmp_path, END)
    assert linked.computed == linked.rows
    assert materialize(sqlite_database, EPL, tmp_path, END).computed == 0


def test_a_result_told_under_both_ids_counts_once(sqlite_database: Engine) -> None:
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c"), scores=(3, 0))
    record_games(sqlite_database, EPL, "bot", game("7", known_at=KICK_OFF - timedelta(days=1)), scores=(3, 0))
    later = game("8", KICK_OFF + timedelta(days=7), away_team="Chelsea")
    record_games(sqlite_database, EPL, "bot", later)
    names = EVERYTHING.names

    def rating_gap() -> float:
        rows = list(past_rows(EPL, archive.load(sqlite_database, EPL), EVERYTHING))
        return rows[-1].values[names.index("rating_gap")]

    twice = rating_gap()
    link_games(sqlite_database, EPL, "c", "7", source="test", now=NOW)
    assert 0 < rating_gap() < twice


def test_what_comes_later_under_a_linked_id_changes_both(sqlite_database: Engine) -> None:
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c"))
    archive.record(sqlite_database, EPL, FactBatch([game("7")]), source="bot", recorded_at=NOW)
    link_games(sqlite_database, EPL, "7", "c", source="test", now=NOW)
    with reading(sqlite_database) as connection:
        before = newest_revision(connection, "soccer", "EPL")
    moved = game("7", KICK_OFF + timedelta(hours=1), known_at=NOW)
    archive.record(sqlite_database, EPL, FactBatch([moved]), source="bot", recorded_at=NOW)
    changes = tables.changes.c
    with reading(sqlite_database) as connection:
        noted = set(connection.scalars(sa.select(changes.game_id).where(changes.revision > before)))
    assert noted == {"c", "7"}
    assert archive.load(sqlite_database, EPL, game_ids={"c"}).games[-1] == moved._replace(game_id="c")
    assert archive.load(sqlite_database, EPL, game_ids={"7"}) == archive.load(sqlite_database, EPL)


def test_an_earlier_snapshot_is_told_as_it_was_linked_then(sqlite_database: Engine) -> None:
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c"))
    record_games(sqlite_database, EPL, "bot", game("7"))
    before = archive.load(sqlite_database, EPL).sha256()
    later = NOW + timedelta(days=1)
    link_games(sqlite_database, EPL, "c", "7", source="test", now=later)
    linked = archive.load(sqlite_database, EPL).sha256()
    unlink_game(sqlite_database, EPL, "c", source="test", now=later)
    assert archive.load(sqlite_database, EPL, recorded_by=NOW).sha256() == before
    assert archive.load(sqlite_database, EPL, recorded_by=later).sha256() == linked != before
    assert archive.load(sqlite_database, EPL).sha256() == before


def test_links_are_listed_and_told_again_they_are_nothing_new(database: Engine) -> None:
    record_games(database, EPL, "csv:epl.csv", game("c"))
    record_games(database, EPL, "bot", game("7"))
    assert [link_games(database, EPL, "c", "7", source="test", now=NOW) for _ in range(2)] == [True, False]
    assert [link[:3] for link in list_links(database, EPL)] == [("EPL", "c", "7")]
    unlink_game(database, EPL, "c", source="test", now=NOW)
    assert list_links(database, EPL) == []
    assert link_games(database, EPL, "c", "7", source="test", now=NOW)
    with pytest.raises(ResourceNotFoundError, match="no link of game 'd'") as refused:
        unlink_game(database, EPL, "d", source="test", now=NOW)
    assert refused.value.nearest == ()


def test_what_is_no_game_or_another_one_is_not_linked(sqlite_database: Engine) -> None:
    far = KICK_OFF + timedelta(days=100)
    record_games(sqlite_database, EPL, "csv:epl.csv", game("c"), game("x", away_team="Chelsea"), game("y", far))
    record_games(sqlite_database, EPL, "bot", game("7"))
    record_games(sqlite_database, EPL, "bot", game("8", KICK_OFF + timedelta(hours=20)), scores=(0, 3))

    def link(one: str, other: str) -> bool:
        return link_games(sqlite_database, EPL, one, other, source="test", now=NOW)

    with pytest.raises(ValidationError, match="SAME_AS"):
        link("c", "c")
    with pytest.raises(ResourceNotFoundError, match="EPL has no game '9'"):
        link("c", "9")
    for other in ("x", "y"):
        with pytest.raises(ConflictError, match="Different games: Arsenal v Brentford on 2024-03-10 15:00 and"):
            link("c", other)
    assert link("c", "7")
    with pytest.raises(ConflictError, match="c is already linked to 7"):
        link("c", "8")
    with pytest.raises(ConflictError, match="c is itself linked to 7"):
        link("8", "c")
    with pytest.raises(ConflictError, match="c is linked to 7"):
        link("7", "8")
    assert pairs(sqlite_database) == []
