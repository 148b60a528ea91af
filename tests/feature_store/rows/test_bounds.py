"""A row that training would refuse is not served either, and the build says which and why."""

from datetime import timedelta
from math import inf, nan

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote
from feature_store.features.sets import EVERYTHING
from feature_store.rows import online
from feature_store.rows.bounds import reason_not_served
from feature_store.rows.build import build
from tests.generated import FIRST_DAY, invented_facts


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("rating_gap", 9_999.0, "rating_gap is 9999, outside -1500 to 1500"),
        ("rating_gap", inf, "rating_gap is inf, outside -1500 to 1500"),
        ("rating_gap", nan, "rating_gap is missing, but required"),
        ("market_total", nan, ""),
        ("form_gap", -1.0, ""),
    ],
)
def test_every_value_keeps_to_its_features_bounds(name: str, value: float, reason: str) -> None:
    values = [0.5] * len(EVERYTHING.names)
    values[EVERYTHING.names.index(name)] = value
    assert reason_not_served(values) == reason


def test_a_row_out_of_bounds_is_kept_out_of_serving_with_its_reason_until_it_is_mended(
    leagues: Leagues, database: Engine
) -> None:
    epl, facts, moment = leagues.get("EPL"), invented_facts(8, quirks=False), FIRST_DAY + timedelta(days=20)
    archive.record(database, epl, facts, source="test", recorded_at=FIRST_DAY)
    moment += timedelta(hours=1)
    whole = build(database, epl, moment)
    assert (whole.kept_out, whole.upcoming > 1) == ({}, True)
    game = online.load_rows(database)[-1].game

    def quote_total(line: float, minutes: int) -> None:
        at = moment + timedelta(minutes=minutes)
        quote = Quote(game.game_id, "book", "last", at, at, total_line=line)
        archive.record(database, epl, FactBatch(quotes=[quote]), source="test", recorded_at=at)

    quote_total(1_955.5, 1)
    damaged = build(database, epl, moment + timedelta(minutes=2))
    assert damaged.kept_out == {game.game_id: "market_total is 1955.5, outside -40 to 450"}
    assert damaged.upcoming == whole.upcoming - 1
    assert game.game_id not in {row.game.game_id for row in online.load_rows(database)}
    quote_total(2.5, 3)
    assert build(database, epl, moment + timedelta(minutes=4)).upcoming == whole.upcoming
    assert game.game_id in {row.game.game_id for row in online.load_rows(database)}
