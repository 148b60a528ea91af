"""Betting on past games by a model's forecasts, walking forward, with error bars and without look-ahead.

The de-vig method and the weight of the model beside the market are both learned per league, for each season on earlier
ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Engine

from core.arrays import FloatArray, sum_in_order
from core.betting.leagues import League
from core.betting.markets import Pricing
from core.betting.odds import DevigMethod, choose_devig, devig
from core.betting.portfolio import simultaneous_kelly
from core.betting.staking import StakingRules, stakes
from core.betting.value import Shrinkage, learn_shrinkage, value
from core.scoring import standard_error
from feature_store.history.consensus_prices import BettingPrices, Moment
from training.datasets.assembly import Dataset, load_dataset
from training.datasets.betting_prices import as_of_opening, prices_of, refuse_look_ahead
from training.datasets.splits import GAP, season_blocks
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.fitting.recipe import Recipe

DAY: Final = 86_400.0
NAIVE_EDGE: Final = 0.05
"""Edge by the model alone from which a naive bettor bets."""
BANKROLL: Final = 100.0
"""Units at the start."""


class SimulatedBet(NamedTuple):
    """One bet that would have been placed, of one unit."""

    day: int
    """Day of the game's start, since 1970."""
    staked_at: float
    """When its price was known [seconds since 1970]."""
    settled_at: float
    """When its game has usually ended [seconds since 1970]."""
    probability: float
    odds: float
    expected_value: float
    profit: float
    """[units]; 0 where a level game returned the stake."""
    closing_value: float
    """Closing line value: the bet's expected value by the closing price without its overround; NaN without a close."""


@dataclass(frozen=True)
class StrategyResult:
    """One way to choose bets, and its result with a unit on each."""

    name: str
    games: int
    """Games that had a price."""
    bets: int
    expected: float
    """Mean expected profit per unit by the bettor's own probabilities; NaN without bets, as are the others."""
    roi: float
    """Mean profit per unit staked."""
    roi_error: float
    """Standard error of the mean over days with bets; at most one bet per game."""
    clv: float
    clv_error: float
    bankroll: float
    """Units left of a hundred by quarter Kelly with caps."""
    drawdown: float
    """Largest loss from a peak, as a share of it."""
    placed: tuple[SimulatedBet, ...] = field(repr=False)
    """The bets, season by season."""

    @property
    def share(self) -> float:
        """Bets per game that had a price."""
        return self.bets / self.games if self.games else 0.0


@dataclass(frozen=True, eq=False)
class SeasonLessons:
    """One season with what was learned before it."""

    name: str
    games: int
    devig: DevigMethod
    shrinkage: Shrinkage


@dataclass(frozen=True, eq=False)
class BettingBacktest:
    """The seasons, and how each way to bet on them did."""

    price: Moment
    seasons: tuple[SeasonLessons, ...]
    strategies: tuple[StrategyResult, ...]


@dataclass(frozen=True, eq=False)
class _Book:
    """Forecasts of one season beside the price to bet at and the closing one; every array has a row per game."""

    block: str
    model: FloatArray
    odds: FloatArray
    closing: FloatArray
    outcomes: NDArray[np.int64]
    starts: FloatArray
    known_at: FloatArray
    """When the price to bet at was known [seconds since 1970]; NaN without one."""
    ends: FloatArray
    """When the games have usually ended: start plus the league's duration."""

    @property
    def days(self) -> NDArray[np.int64]:
        """Days of the starts, since 1970."""
        return np.asarray(self.starts // DAY, dtype=np.int64)


def backtest_betting(
    engine: Engine,
    league: League,
    recipe: Recipe,
    seasons: Sequence[int],
    *,
    price: Moment,
    known_by: datetime,
    others: Iterable[League] = (),
    features_as_of: Moment | None = None,
    on_season: Callable[[str, int, int], None] = lambda _season, _done, _all: None,
) -> BettingBacktest:
    """Bet on the named seasons at their opening or closing prices.

    Features are taken as of the price that is bet at, or as of ``features_as_of`` if given. If the league's games are
    few, the model learns from those ``others`` that play the same sport as well. Raises DataIntegrityError if a feature
    knows anything later than the price, ValidationError for a season that is missing or has too few games before it.
    """
    dataset = load_dataset(engine, league, known_by, others)
    prices = prices_of(dataset, price)
    if (features_as_of or price) == "open":
        dataset = as_of_opening(dataset)
    refuse_look_ahead(dataset, recipe.features, prices)
    return bet_on(recipe, dataset, seasons, prices, on_season=on_season)


def bet_on(
    recipe: Recipe,
    dataset: Dataset,
    seasons: Sequence[int],
    prices: BettingPrices,
    *,
    on_season: Callable[[str, int, int], None] = lambda _season, _done, _all: None,
) -> BettingBacktest:
    """Walk forward and bet at the prices. No feature may look ahead: call ``refuse_look_ahead`` first."""
    proof, asked = season_blocks(dataset, seasons, recipe.proving_seasons)
    forecasts, _ = walk_forward(recipe, dataset, [*proof, *asked], on_block=on_season)
    close = prices_of(dataset, "close")
    books = [_book(dataset, block, prices, close) for block in forecasts]
    named = {block.name for block in asked}
    learned = [
        (book, *_learned(dataset, prices, book, books[:number]))
        for number, book in enumerate(books)
        if book.block in named
    ]
    return BettingBacktest(
        prices.moment,
        tuple(
            SeasonLessons(book.block, int(_priced(book).sum()), method, shrinkage)
            for book, method, shrinkage in learned
        ),
        (
            _strategy_result("model alone, edge > 5 %", learned, _naive),
            _strategy_result("shrunk, edge > 0", learned, _shrunk),
            _strategy_result("shrunk, edge surely > 0", learned, _value_bets),
        ),
    )


def _book(dataset: Dataset, block: Forecasts, prices: BettingPrices, close: BettingPrices) -> _Book:
    place = {game_id: row for row, game_id in enumerate(dataset.game_ids)}
    rows = [place[game_id] for game_id in block.games.game_ids]
    return _Book(
        block=block.block,
        model=block.probabilities,
        odds=prices.odds[rows],
        closing=close.odds[rows],
        outcomes=block.games.outcomes,
        starts=block.games.starts,
        known_at=prices.known_at[rows],
        ends=block.games.starts + dataset.league.duration.total_seconds(),
    )


def _learned(
    dataset: Dataset, prices: BettingPrices, book: _Book, earlier: Sequence[_Book]
) -> tuple[DevigMethod, Shrinkage]:
    """The de-vig method from all games before the season, the shrinkage from the forecast ones among them."""
    moment = book.starts.min() - GAP
    past = dataset.starts < moment
    method = choose_devig(prices.odds[past], dataset.outcomes[past])
    if not earlier:
        return method, Shrinkage(weight=0.0, error=0.0, games=0)
    before = np.concatenate([other.starts for other in earlier]) < moment
    model, odds, outcomes = (np.concatenate([getattr(other, name) for other in earlier]) for name in _LEARNED_FROM)
    return method, learn_shrinkage(model[before], devig(odds[before], method), outcomes[before])


_LEARNED_FROM: Final = ("model", "odds", "outcomes")
_LearnedSeason = tuple[_Book, DevigMethod, Shrinkage]
_Chosen = tuple[FloatArray, NDArray[np.bool_]]


def _naive(book: _Book, _method: DevigMethod, _shrinkage: Shrinkage) -> _Chosen:
    return book.model, book.model * book.odds - 1 > NAIVE_EDGE


def _shrunk(book: _Book, method: DevigMethod, shrinkage: Shrinkage) -> _Chosen:
    pooled = shrinkage.probabilities(book.model, devig(book.odds, method))
    return pooled, pooled * book.odds > 1


def _value_bets(book: _Book, method: DevigMethod, shrinkage: Shrinkage) -> _Chosen:
    market = devig(book.odds, method)
    pooled, errors = shrinkage.probabilities(book.model, market), shrinkage.errors(book.model, market)
    priced = _priced(book)
    sure = np.zeros(pooled.shape, dtype=np.bool_)
    for game, side in np.argwhere(priced[:, None] & (pooled * book.odds > 1)):
        sure[game, side] = value(pooled[game, side], errors[game, side], book.odds[game, side]).is_certain
    return pooled, sure


def _priced(book: _Book) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(book.odds).any(axis=1))


def _strategy_result(
    name: str, learned: Sequence[_LearnedSeason], choose: Callable[[_Book, DevigMethod, Shrinkage], _Chosen]
) -> StrategyResult:
    bets = [bet for book, method, shrinkage in learned for bet in _bets(book, method, *choose(book, method, shrinkage))]
    profits = np.array([bet.profit for bet in bets])
    closing = np.array([bet.closing_value for bet in bets])
    days = np.array([bet.day for bet in bets], dtype=np.int64)
    closed = ~np.isnan(closing)
    bankroll, drawdown = bankroll_after(bets)
    return StrategyResult(
        name=name,
        games=int(sum(_priced(book).sum() for book, _, _ in learned)),
        bets=len(bets),
        expected=_mean([bet.expected_value for bet in bets]),
        roi=_mean(profits),
        roi_error=standard_error(profits, days) if len(days) else float("nan"),
        clv=_mean(closing[closed]),
        clv_error=standard_error(closing[closed], days[closed]) if closed.any() else float("nan"),
        bankroll=bankroll,
        drawdown=drawdown,
        placed=tuple(bets),
    )


def _bets(
    book: _Book, method: DevigMethod, probabilities: FloatArray, chosen: NDArray[np.bool_]
) -> Iterator[SimulatedBet]:
    """The best of the bets chosen on each game."""
    edges = np.where(chosen & _priced(book)[:, None], probabilities * book.odds - 1, -np.inf)
    closing = devig(book.closing, method)
    for game in np.flatnonzero(np.isfinite(edges.max(axis=1))).tolist():
        side = int(edges[game].argmax())
        odds = float(book.odds[game, side])
        won, level = book.outcomes[game] == side, book.outcomes[game] < 0
        yield SimulatedBet(
            day=int(book.days[game]),
            staked_at=float(book.known_at[game]),
            settled_at=float(book.ends[game]),
            probability=float(probabilities[game, side]),
            odds=odds,
            expected_value=float(edges[game, side]),
            profit=0.0 if level else odds - 1 if won else -1.0,
            closing_value=float(odds * closing[game, side] - 1),
        )


def bankroll_after(bets: Sequence[SimulatedBet], rules: StakingRules | None = None) -> tuple[float, float]:
    """The final bankroll and the largest drawdown, staking by fractional Kelly in order of time.

    A bet is staked when its price is known and settled when its game has ended: a stake depends on no later result.
    Bets of one moment get the shares of largest joint growth, out of what open bets leave free. The daily cap applies
    to every 24 hours, wherever midnight lies, and to all bets open at once.
    """
    account = _Account(rules or StakingRules())
    for moment, staked_together in groupby(sorted(bets, key=attrgetter("staked_at")), key=attrgetter("staked_at")):
        account.settle(moment)
        account.stake(moment, list(staked_together))
    account.settle(np.inf)
    return account.bankroll, account.drawdown


@dataclass
class _Account:
    """A bankroll with its open bets at a moment."""

    rules: StakingRules
    bankroll: float = BANKROLL
    """By the results so far; the stakes of open bets are included."""
    highest: float = BANKROLL
    drawdown: float = 0.0
    open: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each open bet: when it is settled, its stake, and its profit then."""
    capped: list[tuple[float, float]] = field(default_factory=list)
    """Of each stake that counts toward the daily cap: until when it counts, and the stake."""

    def settle(self, moment: float) -> None:
        """Settle the bets that have ended by the moment, those that end together in one step."""
        due = sorted(bet for bet in self.open if bet[0] <= moment)
        self.open = [bet for bet in self.open if bet[0] > moment]
        for _, ended in groupby(due, key=itemgetter(0)):
            self.bankroll += sum_in_order(earned for _, _, earned in ended)
            self.highest = max(self.highest, self.bankroll)
            self.drawdown = max(self.drawdown, 1 - self.bankroll / self.highest)

    def stake(self, moment: float, bets: Sequence[SimulatedBet]) -> None:
        """Stake the bets whose price becomes known at the moment."""
        self.capped = [one for one in self.capped if one[0] > moment]
        free = 1 - sum_in_order(stake for _, stake, _ in self.open) / self.bankroll
        fractions = simultaneous_kelly([(Pricing(bet.probability, 0.0, 1 - bet.probability), bet.odds) for bet in bets])
        left = max(0.0, self.rules.most_per_day - sum_in_order(stake for _, stake in self.capped))
        rules = replace(self.rules, most_per_day=left)
        staked = stakes([free * share for share in fractions], self.bankroll, highest=self.highest, rules=rules)
        for stake, bet in zip(staked, bets, strict=True):
            self.open.append((bet.settled_at, stake, stake * bet.profit))
            self.capped.append((max(bet.settled_at, moment + DAY), stake))


def _mean(values: Sequence[float] | FloatArray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
