"""A model, its yardsticks and the price it is bet at stand on the same quotes, however many books there are."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from core.betting.odds import devig, overround
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import EVERYTHING
from feature_store.history.consensus_prices import Moment
from feature_store.history.ratings import POINTS_PER_LOGIT, rules_of
from tests.conftest import NOW
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.betting_prices import prices_of

EPL = Leagues(BUILT_IN).get("EPL")
HOUR = timedelta(hours=1)
START = NOW - timedelta(days=30)
ONE, TWO = (2.0, 3.4, 4.0), (1.8, 3.6, 4.4)
FAIR = [devig(odds, "multiplicative")[0] for odds in (ONE, TWO)]
BOTH = (1 / (np.mean(FAIR, axis=0) * (1 + np.mean([overround(ONE), overround(TWO)])))).tolist()


def quote(
    book: str, moment: str, at: datetime, *odds: float | None, spread: float | None = None, total: float | None = None
) -> Quote:
    return Quote("z-first", book, moment, at, at, *(odds or (None, None, None)), spread, total)  # type: ignore[arg-type]


def played(*quotes: Quote) -> Dataset:
    """Two games, whose ids are not in the order of their starts; quotes are on the first one."""
    batch = FactBatch(quotes=list(quotes))
    for game_id, start in (("z-first", START), ("a-second", START + HOUR)):
        batch.games.append(GameFact(game_id, START - 99 * HOUR, 2023, start, False, "a", "b", False, False, "final"))
        batch.results.append(Result(game_id, start + 3 * HOUR, start + 3 * HOUR, 2, 1))
    return dataset_of(EPL, batch)


def price_of(dataset: Dataset, moment: Moment) -> tuple[list[float], float]:
    prices = prices_of(dataset, moment)
    assert not prices.available[1]
    return prices.odds[0].tolist(), prices.known_at[0]


def test_a_last_quote_of_a_total_alone_does_not_hide_the_moneyline() -> None:
    dataset = played(quote("one", "last", START - 5 * HOUR, *ONE), quote("one", "close", START - HOUR, total=2.5))
    assert price_of(dataset, "close") == (pytest.approx(ONE), (START - 5 * HOUR).timestamp())
    assert dataset.closing[0] == pytest.approx(devig(ONE)[0])


def test_several_books_are_one_consensus_with_the_mean_margin() -> None:
    dataset = played(quote("one", "close", START - 5 * HOUR, *ONE), quote("two", "close", START - HOUR, *TWO))
    assert price_of(dataset, "close") == (pytest.approx(BOTH), (START - HOUR).timestamp())
    assert dataset.closing[0] == pytest.approx(devig(BOTH)[0])
    seen = dataset.values[0, EVERYTHING.names.index("market_log_odds")]
    assert seen == pytest.approx(np.log(np.divide(*devig(BOTH, "multiplicative")[0, ::2]))), "what the features see"


def test_the_opening_is_what_each_book_showed_first_as_of_the_first_of_them() -> None:
    dataset = played(
        quote("one", "open", START - 50 * HOUR, *ONE),
        quote("two", "open", START - 30 * HOUR, *TWO),
        quote("one", "open", START - 20 * HOUR, 1.5, 4.0, 6.0),
        quote("one", "close", START - HOUR, 1.4, 4.2, 7.0),
    )
    assert price_of(dataset, "open") == (pytest.approx(BOTH), (START - 50 * HOUR).timestamp())
    assert dataset.opening[0] == pytest.approx(devig(BOTH)[0])


@pytest.mark.parametrize("moment", ["close", "last"])
@pytest.mark.parametrize("hours", [-5, 0, 1])
def test_a_yardstick_knows_the_very_games_whose_price_is_a_feature(moment: str, hours: int) -> None:
    dataset = played(quote("one", moment, START + hours * HOUR, *ONE))
    priced = ~np.isnan(dataset.values[:, EVERYTHING.names.index("market_log_odds")])
    assert (~np.isnan(dataset.closing).any(axis=1)).tolist() == priced.tolist() == [hours <= 0, False]


def test_an_opening_price_alone_is_no_closing_price_neither_to_bet_at_nor_to_be_compared_with() -> None:
    dataset = played(quote("one", "open", START - 50 * HOUR, *ONE, spread=0.5, total=2.5))
    assert not np.isnan(dataset.values[0, EVERYTHING.names.index("market_log_odds")]), "the features have it"
    for closing in (dataset.closing, dataset.closing_margin, dataset.closing_total):
        assert np.isnan(closing).all()
    assert dataset.opening[0] == pytest.approx(devig(ONE)[0])
    prices = prices_of(dataset, "close")
    assert not prices.available.any()
    assert np.isnan(prices.known_at).all()
    assert prices_of(dataset, "open").available[0]


def test_each_market_closes_by_itself() -> None:
    dataset = played(
        quote("one", "open", START - 50 * HOUR, *ONE, spread=0.5, total=2.5),
        quote("one", "close", START - HOUR, total=3.0),
    )
    assert np.isnan(dataset.closing[0]).all()
    assert np.isnan(dataset.closing_margin[0])
    assert dataset.closing_total[0] == 3.0


def test_opening_lines_are_made_of_first_quotes_as_the_features_make_theirs_of_the_last() -> None:
    first = quote("one", "open", START - 50 * HOUR, spread=0.5, total=2.5)._replace(odds_over=1.8, odds_under=2.1)
    dataset = played(
        first,
        quote("two", "open", START - 40 * HOUR, spread=1.5, total=3.5),
        quote("one", "open", START - 30 * HOUR, spread=9.0, total=9.0),
        quote("one", "close", START - HOUR, spread=2.0, total=4.0)._replace(odds_over=1.9, odds_under=1.9),
    )
    assert dataset.opening_margin[0] == 1.0
    moved = POINTS_PER_LOGIT * rules_of("soccer").total_deviation * np.log(2.1 / 1.8)
    assert dataset.opening_total[0] == pytest.approx(3.0 + moved)
    assert (dataset.closing_margin[0], dataset.closing_total[0]) == (1.75, 3.75), "the features' books and means"
    seen = [dataset.values[0, EVERYTHING.names.index(name)] for name in ("market_margin", "market_total")]
    assert seen == [dataset.closing_margin[0], dataset.closing_total[0]]
    assert np.isnan([dataset.opening_margin[1], dataset.opening_total[1]]).all()
