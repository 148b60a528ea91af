"""The features of a tiny league, written down: a changed body without a raised version fails by the feature's name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.features import CATALOGUE, EVERYTHING, FeatureSet, Situation
from feature_store.replay import coming_rows
from feature_store.state import rules_of
from tests.generated import FIRST_DAY, invented_facts

EPL = Leagues(BUILT_IN).get("EPL")
REFERENCE: dict[str, float] = {
    "rating_gap@1": 53.10831115635193,
    "price_rating_gap@1": 36.89437956707761,
    "margin_slow@1": 1.4680602103130058,
    "margin_fast@1": 1.4659182152429893,
    "total_slow@1": 4.248389868531104,
    "total_fast@1": 4.47096607850052,
    "price_margin@1": -0.276359900524026,
    "price_total@1": 2.5143791683884555,
    "shots_gap@1": 2.5336424662338017,
    "target_gap@1": 1.1156311759920627,
    "form_gap@1": -0.1837865864767838,
    "surprise_gap@1": -0.0448678356233419,
    "home_rest@1": 2.0,
    "away_rest@1": 14.0,
    "rest_gap@1": -12.0,
    "home_back_to_back@1": 0.0,
    "away_back_to_back@1": 0.0,
    "load_gap@1": 1.7033169786656865,
    "road_gap@1": -2.0,
    "season_day@1": 27.875,
    "season_games@1": 5.0,
    "experience@1": 16.0,
    "neutral@1": 0.0,
    "playoff@1": 0.0,
    "market_log_odds@1": -0.7343911092094236,
    "market_draw@2": -0.2442312679583246,
    "market_margin@1": 0.5,
    "market_total@2": 2.450335997669151,
    "market_move@2": -0.08513660338710805,
}


def reference_row() -> dict[str, float]:
    rows, _ = coming_rows(EPL, invented_facts(11), EVERYTHING, FIRST_DAY + timedelta(days=393))
    row = next(row for row in rows if row.prices is not None and row.prices.total_line is not None)
    return {str(CATALOGUE[name]): value for name, value in zip(EVERYTHING.names, row.values, strict=True)}


@pytest.mark.parametrize("label", sorted(REFERENCE))
def test_value(label: str) -> None:
    row = reference_row()
    assert label in row, f"{label} is gone; if its version was raised, write the new value down"
    assert row[label] == pytest.approx(REFERENCE[label], rel=1e-12, nan_ok=True)


def test_every_feature_has_a_reference_value_and_a_meaning() -> None:
    assert sorted(REFERENCE) == sorted(map(str, EVERYTHING.features))
    assert all(len(item.meaning) > 20 for item in EVERYTHING.features)


def test_a_raised_version_or_another_order_changes_the_fingerprint() -> None:
    def other(now: Situation) -> float:
        return 0.0

    first = EVERYTHING.features[0]
    raised = FeatureSet("raised", (replace(first, version=2, function=other), *EVERYTHING.features[1:]))
    turned = FeatureSet("turned", tuple(reversed(EVERYTHING.features)))
    assert len({item.fingerprint("soccer") for item in (EVERYTHING, raised, turned)}) == 3


def test_another_sports_rules_change_the_fingerprint() -> None:
    assert rules_of("soccer") != rules_of("basketball")
    assert EVERYTHING.fingerprint("soccer") != EVERYTHING.fingerprint("basketball")
