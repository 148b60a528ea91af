"""A league's dataset: every finished game, its features as of its start, and how it ended."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Engine

from core.arrays import FloatArray
from core.betting.leagues import League
from core.betting.odds import devig
from core.errors import ServiceError
from core.scoring import outcomes_of
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Result
from feature_store.features.sets import EVERYTHING, FeatureSet
from feature_store.history.consensus_prices import consensus_prices
from feature_store.history.fact_columns import columns_of
from feature_store.rows.replay import past_table

FEWEST_GAMES: Final = 20
"""Fewest games by which a forecast can be evaluated."""
LEARNING_GAMES: Final = 240
"""Fewest games to which a model is fitted; with fewer a league rests on ratings."""
OWN_GAMES: Final = 2_000
"""Games below which a league learns together with the others of its sport, if there are any."""

Basis = Literal["own", "pooled", "elo"]
"""What a forecaster rests on: its league's games, those of the sport's other leagues too, or ratings alone."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Games in order of their start; every array has one entry (or row) per game."""

    league: League
    facts: FactBatch
    """The facts it was made of."""
    snapshot_sha256: str
    """SHA-256 of the facts: the identity of the data manifest."""
    game_ids: tuple[str, ...]
    seasons: NDArray[np.int64]
    starts: NDArray[np.float64]
    """Seconds since 1970."""
    values: FloatArray
    """All features, in the order of ``EVERYTHING``; NaN for a missing value."""
    home_scores: FloatArray
    away_scores: FloatArray
    level_after_regulation: FloatArray
    """1 where the score was level after regulation, 0 where not; NaN where that is unknown."""
    closing: FloatArray
    """Probabilities by the consensus of the closing prices, shape (games, outcomes); NaN without a quote.

    An opening price does not count as a closing price, though the features fall back on it.
    """
    closing_margin: FloatArray
    """Expected home margin by the same books' spreads [points]; NaN without one."""
    closing_total: FloatArray
    """Expected sum of both scores by their totals [points]; NaN without one."""
    opening: FloatArray
    """The same three of the opening prices."""
    opening_margin: FloatArray
    opening_total: FloatArray
    lenders: tuple["Dataset", ...] = ()
    """Leagues of the same sport and outcomes, from which a league with few games learns as well."""

    def __len__(self) -> int:
        return len(self.game_ids)

    @property
    def known_until(self) -> datetime:
        """When the newest of all facts, the lenders' included, became known."""
        return max(part.facts.known_until for part in (self, *self.lenders))

    @property
    def learnt_until(self) -> datetime:
        """When the newest of its games' results became known: without a newer one there is nothing new to learn."""
        return max(result.known_at for result in self.facts.results)

    @property
    def margins(self) -> FloatArray:
        return self.home_scores - self.away_scores

    @property
    def totals(self) -> FloatArray:
        return self.home_scores + self.away_scores

    @property
    def classes(self) -> tuple[str, ...]:
        return ("home", "draw", "away") if self.league.outcomes == 3 else ("home", "away")

    @property
    def outcomes(self) -> NDArray[np.int64]:
        """Index into ``classes``; -1 where the game ended level and that is no outcome."""
        return outcomes_of(self.margins, self.league.outcomes)

    @property
    def basis(self) -> Basis:
        """What a forecaster made of these games rests on, by how many there are."""
        if len(self) < OWN_GAMES and self.lenders and _joined((self, *self.lenders)).learnable:
            return "pooled"
        return "own" if self.learnable else "elo"

    @property
    def learnable(self) -> bool:
        """Whether there are enough games to fit a model to, with every outcome among them."""
        return len(self) >= LEARNING_GAMES and self._shows_every_outcome()

    @property
    def rests_on(self) -> str:
        """The basis in words, for reports."""
        if self.basis == "pooled":
            lent = ", ".join(f"{other.league.key} ({len(other):,} games)" for other in self.lenders)
            return f"learns from {lent} too, having fewer than {OWN_GAMES} games of its own"
        if self.basis == "elo":
            few = f"having fewer than {LEARNING_GAMES} games of every outcome"
            return f"Elo ratings with standard parameters (with prices: the market as it is), {few}"
        return "learns from its own games"

    def lessons(self, until: float) -> tuple[Basis, "Dataset"]:
        """The basis and the games to learn from: these, and if pooled those of the lenders before ``until``."""
        lent = tuple(other.select(other.starts < until) for other in self.lenders)
        dataset = replace(self, lenders=tuple(other for other in lent if len(other)))
        games = _joined((dataset, *dataset.lenders)) if dataset.basis == "pooled" else replace(dataset, lenders=())
        return dataset.basis, games

    def _shows_every_outcome(self) -> bool:
        return set(range(len(self.classes))) <= set(self.outcomes.tolist())

    def columns(self, features: FeatureSet) -> FloatArray:
        """The values of one feature set, in its order."""
        return self.values[:, [EVERYTHING.names.index(name) for name in features.names]]

    def select(self, chosen: NDArray[np.bool_]) -> "Dataset":
        """Only the chosen games."""
        return replace(
            self,
            game_ids=tuple(game_id for game_id, kept in zip(self.game_ids, chosen, strict=True) if kept),
            **{name: getattr(self, name)[chosen] for name in _ARRAYS},
        )


_ARRAYS = (
    *("seasons", "starts", "values", "home_scores", "away_scores", "level_after_regulation"),
    *("closing", "closing_margin", "closing_total", "opening", "opening_margin", "opening_total"),
)


def _joined(parts: Sequence[Dataset]) -> Dataset:
    """The games of several datasets as one, in order of start; everything else comes from the first."""
    order = np.argsort(np.concatenate([part.starts for part in parts]), kind="stable")
    ids = [game_id for part in parts for game_id in part.game_ids]
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in _ARRAYS}
    return replace(parts[0], game_ids=tuple(ids[place] for place in order), lenders=(), **columns)


def load_dataset(engine: Engine, league: League, known_by: datetime, others: Iterable[League] = ()) -> Dataset:
    """The league's dataset from what was known by ``known_by``.

    If its own games are few, those ``others`` that play the same sport with the same outcomes become lenders. Raises
    ServiceError when there are too few games to evaluate a forecast by or when a score is not a number.
    """
    dataset = check_dataset(dataset_of(league, archive.load(engine, league, known_by)), known_by)
    if len(dataset) >= OWN_GAMES:
        return dataset
    alike = [
        other
        for other in sorted(others, key=lambda other: other.key)
        if other.key != league.key
        and (other.sport, other.outcomes, other.ties) == (league.sport, league.outcomes, league.ties)
    ]
    lent = [dataset_of(other, archive.load(engine, other, known_by)) for other in alike]
    return replace(dataset, lenders=tuple(other for other in lent if len(other)))


DatasetLoader = Callable[[Engine, League, datetime, Iterable[League]], Dataset]
"""Loads a league's dataset as ``load_dataset`` does."""


def check_dataset(dataset: Dataset, known_by: datetime) -> Dataset:
    """Return the dataset. Raises ServiceError for too few games or for a score that is not a number."""
    league, games = dataset.league, len(dataset)
    if games < FEWEST_GAMES:
        msg = f"{league.key} has {games} finished games by {known_by:%Y-%m-%d}; {FEWEST_GAMES} are needed."
        raise ServiceError(msg, hint="Back-fill more seasons with `dbsbm backfill`.", reason="too_few_games")
    wrong = np.flatnonzero(~np.isfinite(dataset.margins))
    if len(wrong):
        first = dataset.game_ids[wrong[0]]
        msg = f"{league.key}: the score of game {first} is no number ({len(wrong)} such games)."
        raise ServiceError(msg, hint="Correct the result in the archive.", reason="score_no_number")
    return dataset


def refuse_one_ending(dataset: Dataset) -> None:
    """Raise ServiceError if all games ended the same way."""
    ended = set(dataset.outcomes[dataset.outcomes >= 0].tolist())
    if len(ended) < 2:
        how = f"with {dataset.classes[ended.pop()]}" if ended else "level"
        msg = f"{dataset.league.key}: all {len(dataset)} finished games ended {how}; there is nothing to distinguish."
        raise ServiceError(msg, hint="Check the scores: a side may be missing or swapped.", reason="one_outcome_only")


def dataset_of(league: League, facts: FactBatch) -> Dataset:
    """The dataset of these facts."""
    table = past_table(league, columns_of(facts), EVERYTHING)
    scores = {
        result.game_id: (result.home_score, result.away_score, _level(result))
        for result in sorted(facts.results, key=lambda result: result.known_at)
    }
    games = [table.facts.versions[version] for version in table.version]
    ids = [game.game_id for game in games]
    close, first = (consensus_prices(league, facts.quotes, ids, table.at, moment) for moment in ("close", "open"))
    return Dataset(
        league=league,
        facts=facts,
        snapshot_sha256=facts.sha256(),
        game_ids=tuple(ids),
        seasons=np.array([game.season for game in games], dtype=np.int64),
        starts=table.at,
        values=table.values,
        home_scores=np.array([scores[game_id][0] for game_id in ids], dtype=np.float64),
        away_scores=np.array([scores[game_id][1] for game_id in ids], dtype=np.float64),
        level_after_regulation=np.array([scores[game_id][2] for game_id in ids], dtype=np.float64),
        closing=_without_overround(close.odds),
        closing_margin=close.margin,
        closing_total=close.total,
        opening=_without_overround(first.odds),
        opening_margin=first.margin,
        opening_total=first.total,
    )


def _without_overround(odds: FloatArray) -> FloatArray:
    return devig(odds, "power") if len(odds) else odds


def _level(result: Result) -> float:
    home, away = result.home_score_regulation, result.away_score_regulation
    return float("nan") if home is None or away is None else float(home == away)
