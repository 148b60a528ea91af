"""Betting on past games: nothing looks ahead, the weight comes from earlier seasons, and sums are sums."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from core.betting.markets import Pricing
from core.betting.odds import choose_devig, devig
from core.betting.portfolio import simultaneous_kelly
from core.betting.staking import StakingRules
from core.errors import DataIntegrityError
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import EVERYTHING, PRICES, RESULTS
from feature_store.history.consensus_prices import BettingPrices
from feature_store.rows.replay import coming_rows
from feature_store.sources.csv.reader import read_csv
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.betting_prices import as_of_opening, as_of_prices, prices_of, refuse_look_ahead
from training.datasets.splits import season_blocks
from training.evaluation.betting_backtest import BettingBacktest, SimulatedBet, bankroll_after, bet_on
from training.evaluation.walk_forward import walk_forward
from training.fitting.recipe import RECIPES

LEAGUES = Leagues(BUILT_IN)
NBA, NFL = LEAGUES.get("NBA"), LEAGUES.get("NFL")
SEASONS, GAMES = 5, 260
MARGIN = 1.045
LAST = 2019
HOUR = 3_600.0


def traded_league() -> FactBatch:
    """A league whose opening price misses the day's news, which the closing price has: what the trap lives on."""
    random = np.random.default_rng(11)
    teams = [f"team {number:02d}" for number in range(16)]
    strength = dict(zip(teams, random.normal(0, 0.7, len(teams)), strict=True))
    batch = FactBatch()
    for number in range(SEASONS * GAMES):
        season = LAST - SEASONS + 1 + number // GAMES
        start = datetime(season, 10, 1, 18, tzinfo=UTC) + timedelta(days=(number % GAMES) // 2, hours=number % 2)
        home, away = random.choice(teams, 2, replace=False).tolist()
        known = strength[home] - strength[away] + 0.2
        news = random.normal(0, 0.5)
        chance = 1 / (1 + np.exp(-(known + news)))
        margin = int(1 + random.poisson(6)) * (1 if random.random() < chance else -1)
        game = GameFact(
            f"g{number}", start - timedelta(days=14), season, start, False, home, away, False, False, "scheduled"
        )
        batch.games.append(game)
        for moment, at, odds in (("open", start - timedelta(days=1), known), ("close", start, known + news)):
            fair = 1 / (1 + np.exp(-odds))
            prices = [float(1 / (fair * MARGIN)), None, float(1 / ((1 - fair) * MARGIN))]
            batch.quotes.append(Quote(game.game_id, "book", moment, at, at, *prices))
        ended = start + timedelta(hours=3)
        batch.results.append(Result(game.game_id, ended, ended, 100 + max(margin, 0), 100 + max(-margin, 0)))
    return batch


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(NBA, traded_league())


@pytest.fixture(scope="module")
def opening(dataset: Dataset) -> BettingPrices:
    return prices_of(dataset, "open")


@pytest.fixture(scope="module")
def closing(dataset: Dataset) -> BettingPrices:
    return prices_of(dataset, "close")


@pytest.fixture(scope="module")
def at_the_close(dataset: Dataset, closing: BettingPrices) -> BettingBacktest:
    return bet_on(RECIPES["results"], dataset, [LAST - 1, LAST], closing)


def test_a_price_is_known_at_the_moment_it_was_shown(
    dataset: Dataset, opening: BettingPrices, closing: BettingPrices
) -> None:
    assert (opening.known_at == dataset.starts - 86_400).all()
    assert (closing.known_at == dataset.starts).all()
    assert opening.available.all()
    quotes = {(quote.game_id, quote.moment): quote for quote in dataset.facts.quotes}
    for moment, prices in (("open", opening), ("close", closing)):
        quote = quotes[dataset.game_ids[7], moment]
        assert prices.odds[7].tolist() == [quote.odds_home, quote.odds_away]


def test_a_game_without_that_price_cannot_be_bet_on(dataset: Dataset) -> None:
    first = dataset.game_ids[0]
    fewer = FactBatch(
        dataset.facts.games,
        dataset.facts.results,
        [quote for quote in dataset.facts.quotes if (quote.game_id, quote.moment) != (first, "open")],
    )
    prices = prices_of(replace(dataset, facts=fewer), "open")
    assert np.isnan(prices.odds[0]).all()
    assert np.isnan(prices.known_at[0])
    assert prices.available.sum() == len(dataset) - 1


def test_features_as_of_a_price_are_those_of_a_history_cut_there(dataset: Dataset, opening: BettingPrices) -> None:
    then = as_of_prices(dataset, opening)
    for place in (300, 700, 1100):
        moment = datetime.fromtimestamp(opening.known_at[place], UTC)
        rows, _ = coming_rows(NBA, dataset.facts.known_by(moment), EVERYTHING, moment)
        row = next(row for row in rows if row.game.game_id == dataset.game_ids[place])
        assert np.array_equal(then.values[place], row.values, equal_nan=True)


def test_a_model_that_saw_the_closing_price_is_refused_at_the_opening_one(
    dataset: Dataset, opening: BettingPrices
) -> None:
    with pytest.raises(DataIntegrityError, match="knows what came after the opening price") as refused:
        refuse_look_ahead(dataset, PRICES, opening)
    facts = refused.value.facts
    assert facts["price"] == "open"
    assert str(facts["feature"]).startswith("market_")
    assert facts["games"] > 0.9 * len(dataset)
    assert str(facts["feature"]) in refused.value.message
    assert str(facts["game"]) in refused.value.message


def test_even_last_nights_results_are_refused_at_a_price_of_the_day_before(
    dataset: Dataset, opening: BettingPrices
) -> None:
    with pytest.raises(DataIntegrityError) as refused:
        refuse_look_ahead(dataset, RESULTS, opening)
    assert not str(refused.value.facts["feature"]).startswith("market_")


def test_what_was_known_at_the_price_may_bet_at_it(
    dataset: Dataset, opening: BettingPrices, closing: BettingPrices
) -> None:
    refuse_look_ahead(dataset, PRICES, closing)
    refuse_look_ahead(as_of_prices(dataset, opening), PRICES, opening)


@pytest.mark.slow
def test_the_refused_bet_would_have_looked_like_a_fortune_and_the_honest_one_does_not(
    dataset: Dataset, opening: BettingPrices
) -> None:
    """Why the backtest refuses: with the check left out the same recipe, the same prices and the same games 'earn'."""
    seasons = [LAST - 2, LAST - 1, LAST]
    trap = bet_on(RECIPES["prices"], dataset, seasons, opening)
    honest = bet_on(RECIPES["prices"], as_of_prices(dataset, opening), seasons, opening)
    assert trap.strategies[0].roi > max(0.05, 2 * trap.strategies[0].roi_error)
    for way in trap.strategies:
        assert way.bets > 40
        assert way.roi > 0
        assert way.clv > 5 * way.clv_error
    trapped, honestly = trap.seasons[-1].shrinkage, honest.seasons[-1].shrinkage
    assert trapped.weight > 2 * trapped.error, "and the past 'proves' the model right"
    assert honestly.weight < trapped.weight / 2
    assert honest.strategies[2].bets <= 0.05 * honest.strategies[2].games


def test_a_model_beside_a_sharp_closing_price_has_hardly_a_value_bet(at_the_close: BettingBacktest) -> None:
    naive, shrunk, surely = at_the_close.strategies
    assert naive.bets > 0.2 * naive.games
    assert naive.roi < naive.expected - 2 * naive.roi_error, "what it counted on was its own noise"
    assert surely.bets <= shrunk.bets <= 0.05 * shrunk.games


def test_at_the_close_the_closing_line_value_is_the_margin_lost(at_the_close: BettingBacktest) -> None:
    naive = at_the_close.strategies[0]
    assert naive.clv == pytest.approx(1 / MARGIN - 1, abs=0.01)


def test_weight_and_method_of_a_season_rest_on_earlier_ones_only(
    dataset: Dataset, closing: BettingPrices, at_the_close: BettingBacktest
) -> None:
    proof, asked = season_blocks(dataset, [LAST - 1, LAST], 4)
    last = dataset.seasons == LAST
    turned = replace(
        dataset,
        home_scores=np.where(last, dataset.away_scores, dataset.home_scores),
        away_scores=np.where(last, dataset.home_scores, dataset.away_scores),
    )
    again = bet_on(RECIPES["results"], turned, [LAST - 1, LAST], closing)
    assert [season.shrinkage for season in again.seasons] == [season.shrinkage for season in at_the_close.seasons]
    assert [season.devig for season in again.seasons] == [season.devig for season in at_the_close.seasons]
    assert again.strategies[0].roi != at_the_close.strategies[0].roi
    assert len(proof) + len(asked) == SEASONS - 1


@pytest.mark.slow
def test_where_seasons_overlap_no_weight_rests_on_games_still_to_come(dataset: Dataset, closing: BettingPrices) -> None:
    """The season before continues for a while, every other game, after the last one has begun."""
    straggler = (dataset.seasons == LAST) & (np.arange(len(dataset)) % 2 == 0)
    overlapping = replace(dataset, seasons=np.where(straggler, LAST - 1, dataset.seasons))
    turned = replace(
        overlapping,
        home_scores=np.where(straggler, dataset.away_scores, dataset.home_scores),
        away_scores=np.where(straggler, dataset.home_scores, dataset.away_scores),
    )
    found = [bet_on(RECIPES["results"], games, [LAST], closing).seasons[0] for games in (overlapping, turned)]
    assert (found[0].devig, found[0].shrinkage) == (found[1].devig, found[1].shrinkage)


def bet(staked: float, settled: float, profit: float = -1.0) -> SimulatedBet:
    """One that Kelly alone would give a fifth of the bankroll; hours since 1970."""
    return SimulatedBet(int(settled // 24), staked * HOUR, settled * HOUR, 0.6, 2.0, 0.2, profit, 0.0)


def test_a_days_bets_are_staked_together() -> None:
    """Twelve bets on one evening, each worth a fifth of the bankroll alone, would be two bankrolls and more."""
    alone = StakingRules(kelly_share=1.0, most_per_bet=np.inf, most_per_day=np.inf)
    losers = [bet(24, 27)] * 12
    left, drawdown = bankroll_after(losers, alone)
    fractions = simultaneous_kelly([(Pricing(0.6, 0.0, 0.4), 2.0)] * 12)
    assert left == pytest.approx(100 * (1 - sum(fractions)))
    assert left > 0
    assert drawdown == pytest.approx(sum(fractions))


def test_two_bets_of_one_evening_share_a_days_cap_though_utc_midnight_lies_between_them() -> None:
    """18:00 and 19:30 in New York are 23:00 and 0:30 UTC."""
    rules = StakingRules(kelly_share=1.0, most_per_bet=np.inf, most_per_day=10.0)
    assert bankroll_after([bet(23, 26), bet(24.5, 27.5)], rules)[0] == pytest.approx(90)
    assert bankroll_after([bet(23, 26), bet(26.5, 29.5)], rules)[0] == pytest.approx(90), "nor once the first is lost"
    assert bankroll_after([bet(23, 26), bet(47, 50)], rules)[0] == pytest.approx(80), "the next evening is another day"


def test_bets_open_at_once_share_a_days_cap_however_long() -> None:
    rules = StakingRules(kelly_share=1.0, most_per_bet=np.inf, most_per_day=10.0)
    assert bankroll_after([bet(0, 170), bet(48, 171)], rules)[0] == pytest.approx(90)


def test_a_bet_is_staked_by_the_results_known_then_and_by_no_later_one() -> None:
    alone = StakingRules(kelly_share=1.0, most_per_bet=np.inf, most_per_day=np.inf, drawdown_from=1, drawdown_to=2)

    def left(*bets: SimulatedBet) -> float:
        return bankroll_after(bets, alone)[0]

    assert left(bet(0, 3, 1.0), bet(3, 6)) == pytest.approx(120 - 0.2 * 120), "won by then"
    assert left(bet(0, 3), bet(3, 6)) == pytest.approx(80 - 0.2 * 80), "lost by then"
    for profit in (1.0, -1.0):
        first, second = 20.0, 0.2 * (100 - 20.0)
        assert left(bet(0, 3, profit), bet(2, 6)) == pytest.approx(100 + profit * first - second), "still open"
    assert left(bet(2, 6), bet(0, 3)) == left(bet(0, 3), bet(2, 6)), "in whatever order they are listed"


@pytest.mark.slow
def test_a_bet_at_the_opening_price_is_staked_when_that_was_shown(
    dataset: Dataset, opening: BettingPrices, closing: BettingPrices
) -> None:
    for prices, ahead in ((opening, 24 * HOUR), (closing, 0.0)):
        result = bet_on(RECIPES["results"], dataset, [LAST], prices)
        seen = [bet for strategy in result.strategies for bet in strategy.placed]
        starts = set(dataset.starts[dataset.seasons == LAST].tolist())
        assert seen
        assert {one.staked_at + ahead for one in seen} <= starts
        assert all(one.settled_at == one.staked_at + ahead + 3 * HOUR for one in seen)


def test_features_as_of_the_opening_price_are_so_in_the_lenders_too() -> None:
    small = replace(dataset_of(NBA, traded_league()), lenders=())
    lender = replace(small, league=NFL)
    (lent,) = as_of_opening(replace(small, lenders=(lender,))).lenders
    column = EVERYTHING.names.index("market_log_odds")
    opening = devig(prices_of(lender, "open").odds, "multiplicative")
    assert lent.values[:, column] == pytest.approx(np.log(opening[:, 0] / opening[:, 1]))


def test_the_naive_way_is_one_unit_on_the_best_side_of_each_game(
    dataset: Dataset, closing: BettingPrices, at_the_close: BettingBacktest
) -> None:
    proof, asked = season_blocks(dataset, [LAST - 1, LAST], 4)
    blocks, _ = walk_forward(RECIPES["results"], dataset, [*proof, *asked])
    profits = []
    for block in blocks[-2:]:
        odds = closing.odds[[dataset.game_ids.index(game_id) for game_id in block.games.game_ids]]
        for edges, prices, outcome in zip(block.probabilities * odds - 1, odds, block.games.outcomes, strict=True):
            if edges.max() > 0.05:
                profits.append(prices[edges.argmax()] - 1 if outcome == edges.argmax() else -1)
    naive = at_the_close.strategies[0]
    assert (naive.games, naive.bets) == (2 * GAMES, len(profits))
    assert naive.roi == pytest.approx(np.mean(profits))
    assert naive.share == len(profits) / (2 * GAMES)


def test_a_level_game_returns_the_stake(dataset: Dataset, closing: BettingPrices) -> None:
    last = dataset.seasons == LAST
    level = replace(
        dataset,
        home_scores=np.where(last, 100, dataset.home_scores),
        away_scores=np.where(last, 100, dataset.away_scores),
    )
    naive = bet_on(RECIPES["results"], level, [LAST], closing).strategies[0]
    assert naive.bets > 0
    assert (naive.roi, naive.bankroll, naive.drawdown) == (0, 100, 0)


def test_the_first_season_that_can_be_forecast_uses_the_market_alone(dataset: Dataset, closing: BettingPrices) -> None:
    found = bet_on(RECIPES["results"], dataset, [LAST - SEASONS + 2], closing)
    assert found.seasons[0].shrinkage.weight == 0
    assert found.strategies[1].bets == found.strategies[2].bets == 0
    assert np.isnan(found.strategies[1].roi)


@pytest.mark.slow
def test_the_trap_on_real_nfl_prices(development_data: Path) -> None:
    """A look-ahead is refused; left in, it 'earns' what no bookmaker would pay."""
    real = dataset_of(NFL, read_csv(development_data / "NFL.csv.gz", LEAGUES).batches[NFL])
    prices = prices_of(real, "open")
    with pytest.raises(DataIntegrityError) as refused:
        refuse_look_ahead(real, PRICES, prices)
    assert str(refused.value.facts["feature"]).startswith("market_")
    trap = bet_on(RECIPES["prices"], real, [2018, 2019, 2020], prices)
    honest = bet_on(RECIPES["prices"], as_of_prices(real, prices), [2018, 2019, 2020], prices)
    assert trap.strategies[0].clv > 0.03 > 0
    assert trap.strategies[0].clv > 5 * trap.strategies[0].clv_error
    assert honest.strategies[2].bets <= 0.05 * honest.strategies[2].games


def test_real_prices_choose_their_method_on_past_games(development_data: Path) -> None:
    epl = LEAGUES.get("EPL")
    real = dataset_of(epl, read_csv(development_data / "EPL.csv.gz", LEAGUES).batches[epl])
    prices = prices_of(real, "close")
    method = choose_devig(prices.odds, real.outcomes)
    games = np.flatnonzero(prices.available)

    def loss(name) -> float:
        return float(-np.log(devig(prices.odds[games], name)[np.arange(len(games)), real.outcomes[games]]).mean())

    assert loss(method) <= loss("multiplicative")
