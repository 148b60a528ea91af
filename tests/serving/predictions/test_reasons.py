"""Reasons are the strongest contributions as texts, each with the side that it favours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from sqlalchemy.engine import Engine

from core.registry.deployment import deployment
from core.registry.forecaster import Interval
from core.settings import load_settings
from feature_store.features.catalogue import CATALOGUE, Feature
from feature_store.features.sets import EVERYTHING
from feature_store.rows.online import OnlineRow, load_rows
from serving.api.schemas import ChanceInterval, Reason
from serving.champions.champion import Champion
from serving.champions.loader import load_champion
from serving.predictions.body import BodyEncoder
from serving.predictions.reasons import MOST_REASONS, SMALLEST_EFFECT, reasons
from tests.serving.models import EPL, NFL, deploy, fill


def loaded(engine: Engine, store: Path, league=EPL, *, with_trees: bool = False) -> tuple[Champion, OnlineRow]:  # type: ignore[no-untyped-def]
    fill(engine, league)
    version = deploy(engine, store, league, with_trees=with_trees)
    champion = load_champion(engine, load_settings(_env_file=None, bundle_dir=store), deployment(engine, version.model))
    assert champion is not None
    row = next(row for row in load_rows(engine, [league.key]) if row.game.game_id == f"{league.key}-102")
    return champion, row


def with_value(row: OnlineRow, name: str, value: float) -> OnlineRow:
    place = EVERYTHING.names.index(name)
    return replace(row, values=(*row.values[:place], value, *row.values[place + 1 :]))


@pytest.mark.parametrize(("gap", "side"), [(84.0, "home"), (-84.0, "away")])
def test_a_reason_is_a_text_with_the_side_it_favours(
    gap: float, side: str, sqlite_database: Engine, tmp_path: Path
) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    (reason,) = reasons(champion, with_value(row, "rating_gap", gap))
    assert reason == {
        "text": f"rating gap 84 for the {side} side",
        "favours": side,
        "effect": pytest.approx(0.8 * gap / 100, abs=1e-4),
    }


def test_missing_values_and_small_effects_are_no_reasons(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    for value in (np.nan, 0.0, 100 * SMALLEST_EFFECT / 0.8 * 0.99):
        assert reasons(champion, with_value(row, "rating_gap", value)) == []


def test_a_flag_that_is_not_set_is_no_reason(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store", with_trees=True)
    texts = {reason["text"] for reason in reasons(champion, with_value(row, "neutral", 0.0))}
    assert "neutral venue" not in texts
    texts = {reason["text"] for reason in reasons(champion, with_value(row, "neutral", 1.0))}
    assert not {text for text in texts if "season" in text}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rest_gap", 2.0, "home side rested two days more"),
        ("rest_gap", -1.1, "away side rested one day more"),
        ("rest_gap", 0.3, None),
        ("road_gap", 3.0, "away side three games longer on the road"),
        ("road_gap", -12.0, "home side 12 games longer on the road"),
        ("market_log_odds", 0.447, "the price has the home side ahead, 61 to 39"),
        ("market_log_odds", -0.447, "the price has the away side ahead, 61 to 39"),
        ("market_log_odds", 0.001, None),
        ("market_move", -0.12, "the price has moved toward the away side"),
        ("market_margin", 3.5, "the spread: home side by 3.5"),
        ("surprise_gap", 0.12, "home side better lately than its rating says"),
        ("form_gap", -0.2, "away side in better form: 20 % more of the points lately"),
        ("shots_gap", -3.14, "away side by 3.1 shots a game"),
        ("home_back_to_back", 1.0, "home side played yesterday"),
        ("home_back_to_back", 0.0, None),
        ("home_rest", 6.2, "home side rested 6 days"),
        ("margin_slow", 0.01, None),
        ("season_games", 45.0, None),
        ("season_day", 45.0, None),
        ("experience", 45.0, None),
        ("market_draw", -0.4, None),
        ("total_fast", 221.0, None),
        ("rating_gap", np.nan, None),
    ],
)
def test_reasons_are_plain_texts(name: str, value: float, text: str | None) -> None:
    assert CATALOGUE[name].in_words(value) == text


@pytest.mark.parametrize("item", EVERYTHING.features, ids=lambda item: item.name)
def test_no_reason_needs_a_sign_or_a_logarithm(item: Feature) -> None:
    for value in (-7.3, -1.0, -0.31, 0.31, 1.0, 7.3):
        text = item.in_words(value) or ""
        assert not {"+", "{", "log"} & set(text.split())
        assert "-" not in text.replace("play-off", "")


@pytest.mark.parametrize("league", [EPL, NFL])
def test_every_answer_gives_its_strongest_reasons_first(league, sqlite_database: Engine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    champion, row = loaded(sqlite_database, tmp_path / "store", league, with_trees=True)
    body = orjson.loads(BodyEncoder(champion).encode(row, champion.forecast(row), begun=False))
    reasons = [Reason.model_validate(reason) for reason in body["reasons"]]
    assert 0 < len(reasons) <= MOST_REASONS
    assert [abs(reason.effect) for reason in reasons] == sorted(
        (abs(reason.effect) for reason in reasons), reverse=True
    )


def test_the_answer_gives_the_interval_of_a_model_that_has_one(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    forecast = champion.forecast(row)
    assert forecast.interval is None
    encoder = BodyEncoder(champion)
    assert orjson.loads(encoder.encode(row, forecast, begun=False))["interval"] is None
    with_interval = replace(forecast, interval=Interval("home", 0.4, 0.6, "test"))
    shown = orjson.loads(encoder.encode(row, with_interval, begun=False))["interval"]
    assert ChanceInterval.model_validate(shown) == ChanceInterval(selection="home", low=0.4, high=0.6, method="test")
