"""The features of a tiny league, written down: a changed body without a raised version fails by the feature's name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive.facts import GameFact, Quote, Result
from feature_store.features.catalogue import CATALOGUE
from feature_store.features.sets import EVERYTHING, FeatureSet
from feature_store.features.situation import Situation
from feature_store.history.ratings import rules_of
from feature_store.rows.replay import coming_rows
from feature_store.rows.row import Row
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


THE_FINAL: dict[str, float] = {
    "rating_gap@1": 27.44016300863609,
    "price_rating_gap@1": -7.741648428020426,
    "margin_slow@1": 0.24875127502415034,
    "margin_fast@1": 0.4084372254206156,
    "total_slow@1": 3.8982996295815915,
    "total_fast@1": 3.8228092043589053,
    "price_margin@1": -0.045846007392092325,
    "price_total@1": 2.563907420754631,
    "shots_gap@1": 0.7025616001791852,
    "target_gap@1": 0.399923782728418,
    "form_gap@1": 0.18910687643015572,
    "surprise_gap@1": 0.0873557316812042,
    "home_rest@1": 1.0,
    "away_rest@1": 1.0,
    "rest_gap@1": 0.0,
    "home_back_to_back@1": 1.0,
    "away_back_to_back@1": 1.0,
    "load_gap@1": 0.8983979990774917,
    "road_gap@1": 2.0,
    "season_day@1": 27.916666666666668,
    "season_games@1": 2.0,
    "experience@1": 9.0,
    "neutral@1": 1.0,
    "playoff@1": 1.0,
    "market_log_odds@1": 0.4480247225269601,
    "market_draw@2": -0.13700098427385032,
    "market_margin@1": 0.25,
    "market_total@2": 2.8281682416727185,
    "market_move@2": -0.09097177820572683,
}
"""A play-off on a neutral venue between two teams that played the day before."""


def by_label(row: Row) -> dict[str, float]:
    return {str(CATALOGUE[name]): value for name, value in zip(EVERYTHING.names, row.values, strict=True)}


def reference_row() -> dict[str, float]:
    rows, _ = coming_rows(EPL, invented_facts(11), EVERYTHING, FIRST_DAY + timedelta(days=393))
    return by_label(next(row for row in rows if row.prices is not None and row.prices.total_line is not None))


def row_of_the_final() -> dict[str, float]:
    facts, start = invented_facts(11), FIRST_DAY + timedelta(days=393, hours=1)
    known, day = start - timedelta(days=14), timedelta(days=1)
    shown = (start - day, start - timedelta(hours=2))
    facts.games += [
        GameFact("semi-final 1", known, 2023, start - day, False, "Alder", "Cedar", False, True, "scheduled"),
        GameFact("semi-final 2", known, 2023, start - day, False, "Douglas", "Birch", False, True, "scheduled"),
        GameFact("final", known, 2023, start, False, "Alder", "Birch", True, True, "scheduled"),
    ]
    for number, score in ((1, (3, 1)), (2, (0, 2))):
        ended = start - day + timedelta(hours=2)
        facts.results.append(Result(f"semi-final {number}", ended, ended, *score))
    facts.quotes += [
        Quote("final", "book", "last", at, at, 2.1 + number / 5, 3.3, 3.6, 0.25, 2.75, 1.85, 2.0)
        for number, at in enumerate(shown)
    ]
    rows, _ = coming_rows(EPL, facts, EVERYTHING, start)
    return by_label(next(row for row in rows if row.game.game_id == "final"))


@pytest.mark.parametrize("label", sorted(REFERENCE))
def test_value(label: str) -> None:
    row = reference_row()
    assert label in row, f"{label} is gone; if its version was raised, write the new value down"
    assert row[label] == pytest.approx(REFERENCE[label], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("label", sorted(THE_FINAL))
def test_value_in_the_final(label: str) -> None:
    row = row_of_the_final()
    assert label in row, f"{label} is gone; if its version was raised, write the new value down"
    assert row[label] == pytest.approx(THE_FINAL[label], rel=1e-12, nan_ok=True)


def test_every_feature_has_reference_values_and_a_meaning() -> None:
    for values, row in ((REFERENCE, reference_row()), (THE_FINAL, row_of_the_final())):
        missing = {label: value for label, value in row.items() if label not in values}
        assert not missing, f"write down what is new: {missing}"
        assert sorted(values) == sorted(map(str, EVERYTHING.features))
    assert all(len(item.meaning) > 20 for item in EVERYTHING.features)


def test_every_reference_value_can_tell_another_body_from_the_right_one() -> None:
    """A value of zero is what most wrong bodies give, too: each feature is something else in one of both rows."""
    for label, value in REFERENCE.items():
        assert {value, THE_FINAL[label]} != {0.0}, label


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
