"""What a model learns from: every finished game of a league, its features as of its start, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.betting.odds import FloatArray, devig
from core.errors import ServiceError
from feature_store import archive
from feature_store.columns import columns_of
from feature_store.facts import Batch, Quote
from feature_store.features import EVERYTHING, FeatureSet
from feature_store.replay import past_table

FEWEST_GAMES = 120
"""Below this a league cannot be split into training and proof."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Games in order of their start; every array has one entry (or row) per game."""

    league: League
    facts: Batch
    """What it was made of."""
    snapshot_sha256: str
    game_ids: tuple[str, ...]
    seasons: NDArray[np.int64]
    starts: NDArray[np.float64]
    """Seconds since 1970."""
    values: FloatArray
    """All features, in the order of ``EVERYTHING``; NaN means not known."""
    home_scores: FloatArray
    away_scores: FloatArray
    closing: FloatArray
    """Probabilities by the closing price, shape (games, outcomes); NaN where it is not known."""
    opening: FloatArray

    def __len__(self) -> int:
        return len(self.game_ids)

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
        level = 1 if self.league.outcomes == 3 else -1
        last = self.league.outcomes - 1
        return np.where(self.margins > 0, 0, np.where(self.margins < 0, last, level)).astype(np.int64)

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


_ARRAYS = ("seasons", "starts", "values", "home_scores", "away_scores", "closing", "opening")


def load_dataset(engine: Engine, league: League, known_by: datetime) -> Dataset:
    """The league's dataset from what was known by the moment.

    Raises ServiceError, naming what was found, when there are too few games to learn from.
    """
    dataset = dataset_of(league, archive.load(engine, league, known_by))
    if len(dataset) < FEWEST_GAMES:
        msg = f"{league.key} has {len(dataset)} finished games by {known_by:%Y-%m-%d}; {FEWEST_GAMES} are needed."
        raise ServiceError(msg, hint="Back-fill more seasons with `dbsbm backfill`.")
    return dataset


def dataset_of(league: League, facts: Batch) -> Dataset:
    """The dataset of the facts handed in."""
    table = past_table(league, columns_of(facts), EVERYTHING)
    scores = {
        result.game_id: (result.home_score, result.away_score)
        for result in sorted(facts.results, key=lambda result: result.known_at)
    }
    games = [table.facts.versions[version] for version in table.version]
    start = {game.game_id: game.start_at for game in games}
    before = [quote for quote in facts.quotes if quote.game_id in start and quote.quoted_at <= start[quote.game_id]]
    ids = [game.game_id for game in games]
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
        closing=_probabilities(league, ids, [quote for quote in before if quote.moment != "open"]),
        opening=_probabilities(league, ids, [quote for quote in before if quote.moment == "open"]),
    )


def _probabilities(league: League, game_ids: Sequence[str], quotes: Sequence[Quote]) -> FloatArray:
    """De-vigged probabilities of each game's last quote among those given."""
    by_game: dict[str, Quote] = {}
    for quote in sorted(quotes, key=lambda quote: quote.known_at):
        by_game[quote.game_id] = quote
    fields = ("odds_home", "odds_draw", "odds_away") if league.outcomes == 3 else ("odds_home", "odds_away")
    odds: list[list[Any]] = [
        [getattr(by_game[game_id], name) if game_id in by_game else None for name in fields] for game_id in game_ids
    ]
    table = np.array(odds, dtype=np.float64).reshape(len(game_ids), len(fields))
    return devig(table, "power") if len(table) else table
