"""Reasons are the strongest contributions, in words, each on the side that it favours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.registry.deployment import deployment
from core.registry.forecaster import Interval
from core.settings import load_settings
from feature_store.features import CATALOGUE, EVERYTHING
from feature_store.online import OnlineRow, load_rows
from serving.answers import document
from serving.champions import Champion, load_champion
from serving.reasons import MOST_REASONS, SMALLEST_EFFECT, reasons
from serving.shapes import ChanceInterval, Reason
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
def test_a_reason_is_in_words_and_on_the_side_it_favours(
    gap: float, side: str, sqlite_database: Engine, tmp_path: Path
) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    (reason,) = reasons(champion, with_value(row, "rating_gap", gap))
    assert reason == {
        "text": CATALOGUE["rating_gap"].in_words(gap),
        "favours": side,
        "effect": pytest.approx(0.8 * gap / 100, abs=1e-4),
    }
    assert f"{gap:+.0f}" in reason["text"]


def test_what_is_not_known_or_hardly_matters_is_no_reason(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    for value in (np.nan, 0.0, 100 * SMALLEST_EFFECT / 0.8 * 0.99):
        assert reasons(champion, with_value(row, "rating_gap", value)) == []


def test_a_flag_that_is_not_set_is_no_reason(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store", with_trees=True)
    texts = {reason["text"] for reason in reasons(champion, with_value(row, "neutral", 0.0))}
    assert CATALOGUE["neutral"].says not in texts


@pytest.mark.parametrize("league", [EPL, NFL])
def test_every_answer_gives_its_strongest_reasons_first(league, sqlite_database: Engine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    champion, row = loaded(sqlite_database, tmp_path / "store", league, with_trees=True)
    body = document(champion, row, champion.forecast(row), begun=False)
    told = [Reason.model_validate(reason) for reason in body["reasons"]]
    assert 0 < len(told) <= MOST_REASONS
    assert [abs(reason.effect) for reason in told] == sorted((abs(reason.effect) for reason in told), reverse=True)


def test_the_answer_gives_the_interval_of_a_model_that_has_one(sqlite_database: Engine, tmp_path: Path) -> None:
    champion, row = loaded(sqlite_database, tmp_path / "store")
    forecast = champion.forecast(row)
    assert forecast.interval is None
    assert document(champion, row, forecast, begun=False)["interval"] is None
    known = replace(forecast, interval=Interval("home", 0.4, 0.6, "test"))
    shown = document(champion, row, known, begun=False)["interval"]
    assert ChanceInterval.model_validate(shown) == ChanceInterval(selection="home", low=0.4, high=0.6, method="test")
