"""Value bets at the closing price, and what the look-ahead trap would "earn" at opening prices, league by league."""

from dataclasses import dataclass

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import DataIntegrityError
from feature_store.csv_archive import read_csv
from tests.conftest import DEVELOPMENT_DATA
from training.dataset import Dataset, dataset_of
from training.money import Betting, Money, bet_on
from training.offers import as_of_offers, offers_of, refuse_look_ahead
from training.recipe import RECIPES

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


@dataclass(frozen=True)
class _Row:
    title: str
    way: Betting

    def __str__(self) -> str:
        way = self.way
        if not way.bets:
            return f"  {self.title:<46} no bet in {way.games:,} games"
        return (
            f"  {self.title:<46} {way.bets:>5} bets, {100 * way.share:4.1f} of 100 games, counted on {100 * way.expected:+5.1f} %, "
            f"earned {100 * way.roi:+5.1f} ± {100 * way.roi_error:.1f} %, CLV {100 * way.clv:+5.1f} ± {100 * way.clv_error:.1f} %"
        )


def run() -> None:
    if not DEVELOPMENT_DATA.is_dir():
        print(f"no development data at {DEVELOPMENT_DATA}")
        return
    at_close = {name: _league(name, seasons) for name, seasons in SEASONS.items()}
    for place in range(3):
        ways = [money.ways[place] for money in at_close.values()]
        bets, games = sum(way.bets for way in ways), sum(way.games for way in ways)
        print(
            f"all leagues at the close, {ways[0].name}: {bets:,} bets in {games:,} games, {100 * bets / games:.1f} of 100"
        )


def _league(name: str, seasons: list[int]) -> Money:
    league = LEAGUES.get(name)
    dataset = dataset_of(league, read_csv(DEVELOPMENT_DATA / f"{name}.csv.gz", LEAGUES).batches[league])
    money = bet_on(RECIPES["results"], dataset, seasons, offers_of(dataset, "close"))
    learned = ", ".join(
        f"{s.name}: {s.devig}, {s.shrinkage.weight:.2f} ± {s.shrinkage.error:.2f}" for s in money.seasons
    )
    print(f"{name} (de-vig and belief in the model: {learned})")
    for way in money.ways:
        print(_Row(f"at the close, {way.name}", way))
    if offers_of(dataset, "open").there.any():
        _trap(dataset, seasons)
    return money


def _trap(dataset: Dataset, seasons: list[int]) -> None:
    """The same recipe at the same opening prices, with features that saw the close and with those that could not."""
    offers = offers_of(dataset, "open")
    try:
        refuse_look_ahead(dataset, RECIPES["prices"].features, offers)
    except DataIntegrityError as refusal:
        print(f"  refused: {refusal.facts['feature']} at the opening price, {refusal.facts['games']:,} games")
    priced = [season for season in seasons if offers.there[dataset.seasons == season].any()]
    for title, rows in (
        ("saw the close (refused)", dataset),
        ("as of the opening price", as_of_offers(dataset, offers)),
    ):
        money = bet_on(RECIPES["prices"], rows, priced, offers)
        print(_Row(f"at the open, {title}, edge > 5 %", money.ways[0]))
        print(_Row(f"at the open, {title}, surely > 0", money.ways[2]))
