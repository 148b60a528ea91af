"""However runs are split, killed or doubled, the same grades are left."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.engines import open_database
from core.database.transactions import writing
from core.errors import ValidationError
from feature_store.archive.change_log import note_all_facts
from feature_store.archive.facts import FactBatch
from feature_store.archive.game_links import LinkDecision, record_decisions
from feature_store.archive.tables import changes, game_links, games, quotes, results
from feature_store.rows.build import build
from feature_store.rows.tables import checkpoints
from serving.monitoring import due_games, grading, tables, tallying
from serving.monitoring.live_quality import live_quality
from serving.predictions.tables import answers, predictions
from tests.conftest import NOW
from tests.generated import invented_facts
from tests.serving.monitoring.logged import EPL, GRADES, LEAGUES, Said, dump, record, rows, run, write_log

NBA = LEAGUES.get("NBA")
CHANCES = ((0.5, 0.3, 0.2), (0.4, 0.25, 0.35), (0.62, 0.2, 0.18), (0.2, 0.2, 0.6))


def invented_log(facts: FactBatch, random: Random) -> list[Said]:
    said = []
    for game in facts.games:
        for _ in range(random.randrange(6)):
            lead = timedelta(minutes=random.choice((-30, 20, 90, 600, 2_000, 8_000, 12_000)) + random.randrange(10))
            version = random.choice((1, 2))
            said.append(Said(game.game_id, game.start_at - lead, random.choice(CHANCES), 0.5, 2.5, version))
            if random.random() < 0.3:
                said.append(said[-1]._replace(version=3, shadow=True))
    return said


def in_time(facts: FactBatch, parts: int) -> Iterator[FactBatch]:
    """The facts in parts, in the order in which they became known."""
    moments = sorted({fact.known_at for kind in (facts.games, facts.results, facts.quotes) for fact in kind})
    size = -(-len(moments) // parts)
    for first in range(0, len(moments), size):
        chosen = set(moments[first : first + size])
        yield FactBatch(
            *([fact for fact in kind if fact.known_at in chosen] for kind in (facts.games, facts.results, facts.quotes))
        )


def empty(engine: Engine) -> None:
    with writing(engine) as connection:
        for table in (*GRADES, tables.marks, tables.due, predictions, answers, games, results, quotes, changes):
            connection.execute(table.delete())
        connection.execute(game_links.delete())


@pytest.mark.slow
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), parts=st.integers(2, 9), rows_at_once=st.sampled_from([1, 7, 1_000]))
def test_order_and_splitting_of_runs_change_nothing(
    sqlite_database: Engine, seed: int, parts: int, rows_at_once: int
) -> None:
    engine, random = sqlite_database, Random(seed)
    facts = invented_facts(seed, games=24)
    said = invented_log(facts, random)
    empty(engine)
    record(engine, facts)
    write_log(engine, said)
    run(engine)
    whole = dump(engine)
    assert len(whole["graded_games"]) > 5
    empty(engine)
    shuffled = random.sample(said, len(said))
    for number, part in enumerate(in_time(facts, parts)):
        record(engine, part)
        size = -(-len(shuffled) // parts)
        write_log(engine, shuffled[number * size : (number + 1) * size], first=number * size)
        tallying.tally_log(engine, rows_at_once=rows_at_once)
        run(engine, now=NOW, days=random.choice((7, 400)))
    write_log(engine, shuffled[parts * size :], first=parts * size)
    run(engine)
    assert dump(engine) == whole


def test_elo_is_the_same_from_a_checkpoint_as_from_the_first_game(sqlite_database: Engine) -> None:
    facts = invented_facts(4)
    said = invented_log(facts, Random(4))
    record(sqlite_database, facts)
    write_log(sqlite_database, said)
    run(sqlite_database)
    whole = dump(sqlite_database)
    empty(sqlite_database)
    record(sqlite_database, facts)
    build(sqlite_database, EPL, NOW)
    assert rows(sqlite_database, checkpoints)
    write_log(sqlite_database, said)
    run(sqlite_database)
    assert dump(sqlite_database) == whole


class KilledError(Exception):
    pass


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (tallying, "set_position", 1),
        (due_games, "set_position", 1),
        (due_games, "make_due", 1),
        (grading, "_take_back", 2),
        (grading.RollupChange, "apply", 1),
        (grading.RollupChange, "apply", 3),
        (due_games, "dismiss", 2),
    ],
)
def test_a_run_that_dies_is_completed_by_the_next(
    sqlite_database: Engine, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int
) -> None:
    facts = invented_facts(5, games=40)
    said = invented_log(facts, Random(5))
    record(sqlite_database, facts)
    write_log(sqlite_database, said)
    run(sqlite_database)
    whole = dump(sqlite_database)
    empty(sqlite_database)
    record(sqlite_database, facts)
    write_log(sqlite_database, said)
    monkeypatch.setattr(due_games, "GAMES_AT_ONCE", 8)
    calls, real = [0], getattr(owner, name)

    def dies(*arguments: object) -> object:
        calls[0] += 1
        if calls[0] == call:
            raise KilledError
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dies)
        with pytest.raises(KilledError):
            run(sqlite_database)
    assert dump(sqlite_database) != whole
    run(sqlite_database)
    assert dump(sqlite_database) == whole


def test_two_runs_at_once_grade_everything_once(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = invented_facts(7, games=40)
    said = invented_log(facts, Random(7))
    record(database, facts)
    write_log(database, said)
    run(database)
    whole = dump(database)
    empty(database)
    record(database, facts)
    write_log(database, said)
    monkeypatch.setattr(due_games, "GAMES_AT_ONCE", 3)
    errors: list[BaseException] = []

    def other() -> None:
        engine = open_database(database.url)
        try:
            run(engine)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=other) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert dump(database) == whole


def test_a_row_that_is_committed_after_one_with_a_higher_id_is_counted(mariadb_database: Engine) -> None:
    """The run waits for a transaction that is still writing a row with a lower id."""
    facts = invented_facts(1, games=6, quirks=False)
    record(mariadb_database, facts)
    first, second = (Said(game.game_id, game.start_at - timedelta(hours=2), CHANCES[0]) for game in facts.games[:2])
    write_log(mariadb_database, [first, second])
    run(mariadb_database)
    writer = open_database(mariadb_database.url)
    serving = {"answer_id": first.answer_id, "request_id": "r", "cache": "local", "served_at": first.served_at}
    with writer.begin() as slow:
        slow.execute(predictions.insert(), [{**serving, "served_id": "slow", "shadow": False}])
        write_log(mariadb_database, [second], first=10)
        grading_run = threading.Thread(target=run, args=(mariadb_database,))
        grading_run.start()
        grading_run.join(timeout=1)
        assert grading_run.is_alive()
    grading_run.join(timeout=30)
    writer.dispose()
    counted = {row["answer_id"]: row["servings"] for row in rows(mariadb_database, tables.tallies)}
    assert counted == {first.answer_id: 2, second.answer_id: 2}


def test_answers_of_a_linked_id_are_graded_by_the_game_it_is_linked_to(database: Engine) -> None:
    facts = invented_facts(3, games=8, quirks=False)
    game = facts.games[0]
    other = game._replace(game_id="other-id")
    record(database, facts)
    record(database, FactBatch(games=[other]))
    write_log(
        database,
        [Said(one, game.start_at - timedelta(hours=2), CHANCES[0]) for one in (game.game_id, other.game_id)],
    )
    run(database)
    graded = rows(database, tables.graded_forecasts, lead_time="all")
    assert [(row["game_id"], row["answers"]) for row in graded] == [(game.game_id, 1)]
    with writing(database) as connection:
        record_decisions(connection, EPL, [LinkDecision(other.game_id, game.game_id, "test")], now=NOW)
        note_all_facts(connection, EPL, (game.game_id, other.game_id))
    run(database)
    graded = rows(database, tables.graded_forecasts, lead_time="all")
    assert [(row["game_id"], row["answers"]) for row in graded] == [(game.game_id, 2)]


def test_a_level_game_where_that_is_no_outcome_counts_for_margin_and_total(database: Engine) -> None:
    facts = invented_facts(2, games=6, quirks=False)
    level = facts.results[0]._replace(home_score=88, away_score=88)
    won = facts.results[1]._replace(home_score=90, away_score=80)
    record(database, FactBatch(facts.games, [level, won], facts.quotes), NBA)
    starts = {game.game_id: game.start_at for game in facts.games}
    said = [
        Said(one.game_id, starts[one.game_id] - timedelta(hours=3), (0.5, 0.1, 0.3), 4.0, 170.0) for one in (level, won)
    ]
    write_log(database, said, league=NBA)
    run(database)
    [row] = rows(database, tables.graded_forecasts, game_id=level.game_id, lead_time="all")
    assert (row["log_loss"], row["margin_error"], row["total_error"], row["p_home"]) == (None, 4e6, 6e6, 625_000)
    summed = rows(database, tables.rollups, lead_time="all", yardstick="base_rate")
    assert [(sum(row[name] for row in summed)) for name in ("games", "decided")] == [2, 1]


def test_games_of_a_league_that_is_not_configured_wait(database: Engine) -> None:
    facts = invented_facts(2, games=6, quirks=False)
    record(database, facts)
    write_log(database, [Said("g0", facts.games[0].start_at - timedelta(hours=3), CHANCES[0])])
    report = grading.grade(database, Leagues([NBA]), NOW, 90)
    assert (report.skipped, report.graded) == (("EPL",), 0)
    assert run(database).graded == 1


def test_an_unknown_dimension_is_refused(sqlite_database: Engine) -> None:
    with pytest.raises(ValidationError, match="by: expected one of league, month"):
        live_quality(sqlite_database, ["team"])
