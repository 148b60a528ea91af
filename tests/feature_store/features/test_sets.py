"""The two feature sets are written out: what is in them is a decision, not a spelling."""

import inspect

from feature_store.features.catalogue import CATALOGUE
from feature_store.features.sets import PRICES, RESULTS


def test_no_feature_of_the_catalogue_is_left_out_of_both_sets() -> None:
    assert set(RESULTS.names) | set(PRICES.names) == set(CATALOGUE)


def test_the_set_without_prices_has_no_feature_that_reads_the_prices_of_its_own_game() -> None:
    of_the_market = {name for name in CATALOGUE if "now.prices" in _source(name) or "now.opening" in _source(name)}
    assert of_the_market == set(PRICES.names) - set(RESULTS.names)


def test_no_feature_stands_twice_in_a_set() -> None:
    for features in (RESULTS, PRICES):
        assert len(set(features.names)) == len(features.names)


def _source(name: str) -> str:
    return inspect.getsource(CATALOGUE[name].function)
