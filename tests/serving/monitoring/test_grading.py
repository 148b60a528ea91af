"""Twelve games graded by hand: draws, a void game, a correction, shadows, no market, several spans before the start."""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.odds import devig
from core.database.transactions import reading
from core.scoring import calibration_error, calibration_floor
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import feature_set
from feature_store.history.ratings import rules_of
from feature_store.rows.replay import past_rows
from serving.monitoring import tables
from serving.monitoring.live_quality import Quality, live_quality
from serving.predictions.tables import predictions
from tests.conftest import NOW
from tests.serving.monitoring.logged import EPL, Said, dump, record, rows, run, write_log

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST = datetime(2024, 2, 25, 15, tzinfo=NOW.tzinfo)
SCORES = {1: (2, 0), 2: (1, 1), 3: (0, 3), 4: (2, 1), 5: (0, 0), 6: (1, 2), 7: (3, 1), 8: (1, 0), 9: (2, 2), 10: (0, 1)}
"""Final scores; game 11 is called off after its result, game 12 is not over."""
VOID, NO_MARKET, CORRECTED, NO_CLOSE, CORRECTED_AT_ONCE = 11, 10, 6, 9, 4
EARLY, CLOSE = (2.1, 3.4, 3.6), (1.9, 3.5, 4.2)
BASE, SECOND, SHADOW = (0.55, 0.25, 0.2), (0.45, 0.25, 0.3), (0.2, 0.3, 0.5)
TEAMS = ("Ash", "Elm", "Fir", "Oak")
MILLION = 1_000_000


def start(number: int) -> datetime:
    return FIRST + number * DAY


def season() -> FactBatch:
    facts = FactBatch()
    for number in range(1, 13):
        at = start(number)
        home, away = TEAMS[number % 4], TEAMS[(number + 1 + number % 3) % 4]
        game = GameFact(f"g{number}", at - 14 * DAY, 2023, at, False, home, away, False, False, "scheduled")
        facts.games.append(game)
        score = (1, 0) if number == VOID else SCORES.get(number)
        if score is not None:
            facts.results.append(Result(game.game_id, at + 2 * HOUR, at + 2 * HOUR, *score))
        if number == CORRECTED_AT_ONCE:
            wrong = facts.results.pop()._replace(home_score=0)
            facts.results += [wrong, Result(game.game_id, at + 3 * HOUR, at + 2 * HOUR, *SCORES[number])]
        if number == VOID:
            facts.games.append(game._replace(known_at=at + DAY, status="void"))
        if number != NO_MARKET:
            moment = "open" if number == NO_CLOSE else "last"
            facts.quotes.append(Quote(game.game_id, "book", moment, at - 5 * DAY, at - 5 * DAY, *EARLY))
        if number not in (NO_MARKET, NO_CLOSE):
            close = {"spread_line": 0.5, "total_line": 2.5}
            facts.quotes.append(Quote(game.game_id, "book", "close", at - HOUR, at - HOUR, *CLOSE, **close))
    return facts


def what_was_said() -> list[Said]:
    said = [Said(f"g{number}", start(number) - 2 * DAY, BASE) for number in range(1, 13)]
    said += [said[0]._replace(served_at=start(1) - 30 * HOUR)] * 3
    said.append(Said("g1", start(1) - 40 * HOUR, SECOND, 0.1, 2.0))
    said.append(Said("g1", start(1) - 2 * HOUR, (0.7, 0.2, 0.1), 1.5, 3.0))
    said.append(Said("g2", start(2) + HOUR, (0.1, 0.8, 0.1)))
    said += [Said(f"g{number}", start(number) - 2 * DAY, SHADOW, -1.0, 3.0, 2, shadow=True) for number in range(1, 4)]
    return said


def whole(value: float) -> int:
    return round(value * MILLION)


def losses(chances: Any, outcome: int) -> tuple[int, int]:
    squares = sum((chance - (place == outcome)) ** 2 for place, chance in enumerate(chances))
    return whole(-math.log(chances[outcome])), whole(squares)


def expected(scores: dict[int, tuple[int, int]]) -> dict[tuple[Any, ...], list[int]]:
    """The roll-ups of all forecasts before the start, by version and yardstick, from the definitions alone."""
    gaps = {row.game.game_id: row.values[0] for row in past_rows(EPL, season(), feature_set("x", ("rating_gap",)))}
    fair = devig(CLOSE)[0]
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 16)
    for number, (home, away) in scores.items():
        outcome = 0 if home > away else 1 if home == away else 2
        # Known at the start: the first versions of all results so far.
        before = [SCORES[other] for other in range(1, number)]
        counts = [1 + sum((h > a, h == a, h < a)[place] for h, a in before) for place in range(3)]
        base = [count / sum(counts) for count in counts]
        even = 1 / (1 + 10 ** (-gaps[f"g{number}"] / 400))
        elo_home, elo_away = even * (1 - 2 * base[1] * (1 - even)), (1 - even) * (1 - 2 * base[1] * even)
        elo = (elo_home, 1 - elo_home - elo_away, elo_away)
        elo_margin = math.sqrt(2 * math.pi) / 4 * rules_of("soccer").margin_deviation * math.log(even / (1 - even))
        margin, total = (sum(h - a for h, a in before), sum(h + a for h, a in before)) if before else (None, None)
        yardsticks = {
            "base_rate": (
                base,
                None if margin is None else margin / len(before),
                None if total is None else total / len(before),
            ),
            "elo": (elo, elo_margin, None),
        }
        if number not in (NO_MARKET, NO_CLOSE):
            yardsticks["market"] = (fair, 0.5, 2.5)
        for version in (1, 2):
            answers = {one.answer_id: one for one in what_was_said() if one.game_id == f"g{number}"}
            said = [one for one in answers.values() if one.version == version and one.served_at < start(number)]
            if not said:
                continue
            model = [losses(one.chances, outcome) for one in said]
            means = [mean([each[place] for each in model]) for place in range(2)]
            errors = (
                mean([whole(abs(one.margin - (home - away))) for one in said]),
                mean([whole(abs(one.total - (home + away))) for one in said]),
            )
            servings = sum(one.answer_id in {each.answer_id for each in said} for one in what_was_said())
            for name, (chances, own_margin, own_total) in yardsticks.items():
                held = sums[version, name]
                loss, brier = losses(chances, outcome)
                values = [1, len(said), servings, 1, means[0], loss, means[1], brier]
                values += [0, 0, 0] if own_margin is None else [1, errors[0], whole(abs(own_margin - (home - away)))]
                values += [0, 0, 0] if own_total is None else [1, errors[1], whole(abs(own_total - (home + away)))]
                clv = [value for one in said if name == "market" for value in closing_value(number, one, fair)]
                values += [1, mean(clv)] if clv else [0, 0]
                sums[version, name] = [a + b for a, b in zip(held, values, strict=True)]
    return dict(sums)


def closing_value(number: int, said: Said, fair: Any) -> list[int]:
    odds = CLOSE if said.served_at >= start(number) - HOUR else EARLY
    edges = [chance * price - 1 for chance, price in zip(said.chances, odds, strict=True)]
    side = edges.index(max(edges))
    return [whole(odds[side] * fair[side] - 1)] if edges[side] > 0 else []


def mean(values: list[int]) -> int:
    return (2 * sum(values) + len(values)) // (2 * len(values))


def rolled_up(engine: Engine) -> dict[tuple[Any, ...], list[int]]:
    """The same of the table."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(tables.SUMS))
    for row in rows(engine, tables.rollups, lead_time="all"):
        held = sums[row["version"], row["yardstick"]]
        sums[row["version"], row["yardstick"]] = [a + row[name] for a, (name, _) in zip(held, tables.SUMS, strict=True)]
    return dict(sums)


@pytest.fixture
def graded(database: Engine) -> Engine:
    record(database, season())
    write_log(database, what_was_said())
    report = run(database)
    assert (report.tallied, report.games, report.graded) == (len(what_was_said()), 12, 10)
    return database


def test_the_roll_ups_are_those_computed_by_hand(graded: Engine) -> None:
    assert rolled_up(graded) == expected(SCORES)
    market = rolled_up(graded)[1, "market"]
    # Games 1 to 8: eight of them have a close. g1's answers: .55 at home (twice), .45, .7.
    assert market[:4] == [8, 10, 13, 8]
    assert market[4] == mean([whole(-math.log(p)) for p in (0.55, 0.45, 0.7)]) + sum(
        whole(-math.log(BASE[outcome])) for outcome in (1, 2, 0, 1, 2, 0, 0)
    )


def test_spans_months_bands_and_roles_are_apart(graded: Engine) -> None:
    def games(**chosen: Any) -> int:
        return sum(row["games"] for row in rows(graded, tables.rollups, yardstick="base_rate", **chosen))

    assert {row["lead_time"] for row in rows(graded, tables.rollups)} == {"all", "1d_to_3d", "1h_to_6h", "after_start"}
    assert games(lead_time="all", shadow=False) == games(lead_time="1d_to_3d", shadow=False) == 10
    assert games(lead_time="1h_to_6h") == games(lead_time="after_start") == 1
    assert games(lead_time="all", shadow=True) == 3
    assert games(lead_time="all", month="2024-02", shadow=False) == 4
    assert games(lead_time="all", month="2024-03", shadow=False) == 6
    favourite = 1 / devig(CLOSE)[0].max()
    assert 1.5 < favourite < 2
    assert games(lead_time="all", odds_band="1.5_to_2", shadow=False) == 8
    assert games(lead_time="all", odds_band="none", shadow=False) == 2
    assert [row["clv"] for row in rows(graded, tables.graded_forecasts, lead_time="after_start")] == [None]
    first = rows(graded, tables.graded_forecasts, game_id="g1", lead_time="1d_to_3d", shadow=False)
    assert [(row["answers"], row["servings"], row["p_home"]) for row in first] == [(2, 5, 500_000)]


def test_scores_are_shown_per_game_with_the_calibration_error_of_the_same_games(graded: Engine) -> None:
    quality = {(one.version, one.shadow, one.yardstick): one for one in live_quality(graded)}
    assert set(quality) == {
        *((1, False, name) for name in tables.YARDSTICKS),
        *((2, True, name) for name in tables.YARDSTICKS),
    }
    shadow = quality[2, True, "market"]
    outcomes = np.array([0, 1, 2])
    chances = np.array([SHADOW] * 3)
    assert shadow.model_log_loss == pytest.approx(-(math.log(0.2) + math.log(0.3) + math.log(0.5)) / 3, abs=1e-6)
    assert shadow.model_ece == pytest.approx(calibration_error(chances, outcomes), abs=1e-6)
    assert shadow.ece == pytest.approx(calibration_error(np.tile(devig(CLOSE), (3, 1)), outcomes), abs=1e-6)
    assert shadow.ece_floor == pytest.approx(calibration_floor(chances), rel=0.25)
    assert shadow.model_margin_error == pytest.approx((3 + 1 + 2) / 3)
    assert shadow.margin_error == pytest.approx((1.5 + 0.5 + 3.5) / 3)
    assert shadow.clv == pytest.approx(3.6 * devig(CLOSE)[0][2] - 1, abs=1e-6)
    served: Quality = quality[1, False, "elo"]
    assert (served.games, served.total_error, served.clv) == (10, None, None)
    parts = {one.part for one in live_quality(graded, ["lead_time", "month"])}
    assert ("after_start", "2024-02") in parts


def test_a_corrected_result_grades_again_and_one_taken_back_or_void_has_no_grade(graded: Engine) -> None:
    at = start(CORRECTED) + 2 * HOUR
    record(graded, FactBatch(results=[Result("g6", NOW - 2 * DAY, at, 2, 1)]))
    assert run(graded).graded == 1
    assert rolled_up(graded) == expected(SCORES | {6: (2, 1)})
    record(graded, FactBatch(results=[Result("g6", NOW - DAY, at, 2, 2)]))
    run(graded)
    assert rolled_up(graded) == expected(SCORES | {6: (2, 2)})
    record(graded, FactBatch(results=[Result("g6", NOW - HOUR, at, None, None)]))
    off = season().games[0]._replace(known_at=NOW - HOUR, status="void")
    record(graded, FactBatch(games=[off]))
    report = run(graded)
    assert (report.games, report.graded) == (2, 0)
    assert rolled_up(graded) == expected({number: SCORES[number] for number in SCORES if number not in (1, 6)})
    assert not rows(graded, tables.rollups, lead_time="1h_to_6h")
    assert not rows(graded, tables.graded_forecasts, game_id="g6")


def test_a_run_with_nothing_new_changes_nothing(graded: Engine) -> None:
    before = dump(graded)
    report = run(graded)
    assert (report.tallied, report.games, report.answers) == (0, 0, 0)
    assert dump(graded) == before


def test_pruned_rows_still_count(graded: Engine) -> None:
    before = dump(graded)
    with reading(graded) as connection:
        logged = connection.scalar(sa.select(sa.func.count()).select_from(predictions))
    report = run(graded, days=60)
    with reading(graded) as connection:
        left = connection.scalar(sa.select(sa.func.count()).select_from(predictions))
    old = sum(one.served_at < NOW - 60 * DAY for one in what_was_said()[:-1])
    assert 0 < report.pruned == old == logged - left < logged
    assert dump(graded) == before
    assert sum(row["servings"] for row in rows(graded, tables.tallies)) == logged
    assert rows(graded, tables.marks, name="pruned") == [{"name": "pruned", "position": old}]
    write_log(graded, [what_was_said()[0]._replace(served_at=NOW)], first=1000)
    record(graded, FactBatch(results=[Result("g6", NOW, start(6) + 2 * HOUR, 2, 1)]))
    run(graded, days=7)
    assert sum(row["servings"] for row in rows(graded, tables.tallies)) == logged + 1
    sums = expected(SCORES | {6: (2, 1)})
    for name in tables.YARDSTICKS:
        sums[1, name][2] += 1
    assert rolled_up(graded) == sums
    # The newest row that was counted is kept, or the next one could get its id.
    run(graded, now=NOW + 100 * DAY, days=7)
    assert len(rows(graded, predictions)) == 1
