"""Value bets by lead time, at the opening and at the closing price, and what the look-ahead trap would "earn".

All as tables to be pasted; the share of value bets at the close, last column of the second, is to stay below 5 %.
"""

from collections.abc import Sequence
from typing import Final

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import DataIntegrityError
from feature_store.sources.csv.reader import read_csv
from tests.conftest import DEVELOPMENT_DATA
from tests.serving.bets.test_price_age import stake, valuation
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.betting_prices import as_of_prices, prices_of, refuse_look_ahead
from training.evaluation.betting_backtest import BettingBacktest, StrategyResult, bet_on
from training.fitting.recipe import RECIPES

LEAGUES = Leagues(BUILT_IN)
SEASONS = {
    "NFL": [2018, 2019, 2020],
    "NBA": [2017, 2018],
    "MLB": [2016, 2017],
    "NHL": [2016, 2017],
    "EPL": [2020, 2021],
    "LALIGA": [2020, 2021],
    "BUNDESLIGA": [2020, 2021],
}
"""The test seasons of the anchors."""


AGES: Final = (0.0, 10.0, 59.0, 61.0, 22 * 60.0)
WAYS: Final = "| league | bets at | bets | of 100 games | counted on | earned | CLV |\n|" + " --- |" * 7
SHARES: Final = (
    "| league | games | de-vig | weight of the model | model alone | shrunk | value bets |\n|" + " --- |" * 7
)


def run() -> None:
    _print_stakes_by_age()
    if not DEVELOPMENT_DATA.is_dir():
        print(f"no development data at {DEVELOPMENT_DATA}")
        return
    print(WAYS)
    at_close: dict[str, BettingBacktest] = {}
    at_open: dict[str, BettingBacktest] = {}
    for name, seasons in SEASONS.items():
        at_close[name], opening = _league(name, seasons)
        if opening is not None:
            at_open[name] = opening
    for lead, found in (("close, at the start", at_close), ("opening price, a day or days before", at_open)):
        print(f"\nBets at the {lead}, in 100 games, by way to bet:\n\n{SHARES}")
        for name, money in found.items():
            last = money.seasons[-1]
            _print_shares(name, last.devig, f"{last.shrinkage.weight:.2f} ± {last.shrinkage.error:.2f}", [money])
        _print_shares("all", "", "", list(found.values()))


def _print_stakes_by_age() -> None:
    """The stake on one offer while the same quotes of two and of three books grow older, the third by an hour more."""
    opening, short = (2.15, 3.4, 3.6), (1.9, 3.5, 4.3)
    shown = {
        "one book, 2.15": [(0.0, opening)],
        "two books, 1.90": [(0.0, short)] * 2,
        "two books, 1.90, and 2.15 an hour older": [(0.0, short), (0.0, short), (60.0, opening)],
    }
    print("Stake in units on 2.10 by the age of the prices, half weight on a model of 1.95, a day before the start\n")
    print(f"| prices | {' | '.join(f'{age:,.0f} min' for age in AGES)} |\n|{' --- |' * (len(AGES) + 1)}")
    for title, quotes in shown.items():
        stakes = [stake(valuation(quotes, age), 2.1) for age in AGES]
        print(f"| {title} | {' | '.join(f'{one:.2f}' for one in stakes)} |", flush=True)
    print()


def _print_shares(name: str, method: str, weight: str, found: Sequence[BettingBacktest]) -> None:
    games = sum(money.strategies[0].games for money in found)
    shares = [100 * sum(money.strategies[way].bets for money in found) / games for way in range(3)]
    print(
        f"| {name} | {games:,} | {method} | {weight} | {' | '.join(f'{share:.1f}' for share in shares)} |", flush=True
    )


def _print_way(league: str, title: str, way: StrategyResult) -> None:
    earned = (
        f"{100 * way.expected:+.1f} % | {100 * way.roi:+.1f} ± {100 * way.roi_error:.1f} % |"
        f" {100 * way.clv:+.1f} ± {100 * way.clv_error:.1f} %"
    )
    shown = earned if way.bets else "- | - | -"
    print(f"| {league} | {title} | {way.bets:,} | {100 * way.share:.1f} | {shown} |", flush=True)


def _league(name: str, seasons: list[int]) -> tuple[BettingBacktest, BettingBacktest | None]:
    """The bets at the closing price and, where the data have one, at the opening price."""
    league = LEAGUES.get(name)
    dataset = dataset_of(league, read_csv(DEVELOPMENT_DATA / f"{name}.csv.gz", LEAGUES).batches[league])
    money = bet_on(RECIPES["results"], dataset, seasons, prices_of(dataset, "close"))
    for way in money.strategies:
        _print_way(name, f"the close, {way.name}", way)
    return money, _trap(dataset, seasons) if prices_of(dataset, "open").available.any() else None


def _trap(dataset: Dataset, seasons: list[int]) -> BettingBacktest:
    """The same recipe at the same opening prices, with features that saw the close and with those that could not."""
    prices = prices_of(dataset, "open")
    try:
        refuse_look_ahead(dataset, RECIPES["prices"].features, prices)
    except DataIntegrityError as refusal:
        refused = f"refused: {refusal.facts['feature']} knows more in {refusal.facts['games']:,} games"
        print(f"| {dataset.league.key} | the open, saw the close | {refused} | - | - | - | - |", flush=True)
    priced = [season for season in seasons if prices.available[dataset.seasons == season].any()]
    for title, rows in (
        ("saw the close (refused)", dataset),
        ("as of the opening price", as_of_prices(dataset, prices)),
    ):
        money = bet_on(RECIPES["prices"], rows, priced, prices)
        for way in (money.strategies[0], money.strategies[2]):
            _print_way(dataset.league.key, f"the open, {title}, {way.name}", way)
    return money
