"""Walk-forward backtest: every played game of some seasons, forecast by models fitted on earlier seasons only."""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from core.betting.leagues import League
from core.errors import ValidationError
from training.datasets.assembly import load_dataset
from training.datasets.splits import season_blocks
from training.evaluation.scores import Evaluation, evaluate
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.fitting.recipe import RECIPES

COLUMNS = ("game_id", "p_home", "p_draw", "p_away", "margin", "total")


@dataclass(frozen=True, eq=False)
class Backtest:
    """The forecasts season by season, and their scores together."""

    seasons: Sequence[Forecasts]
    evaluation: Evaluation

    @property
    def games(self) -> int:
        return sum(len(season.games) for season in self.seasons)


def backtest(
    engine: Engine,
    league: League,
    seasons: Sequence[int],
    *,
    with_odds: bool,
    known_by: datetime,
    others: Iterable[League] = (),
    on_season: Callable[[str, int, int], None] = lambda _season, _done, _all: None,
) -> Backtest:
    """Forecast the named seasons. ``with_odds`` allows the game's own price as a feature.

    If the league's games are few, the model learns from those ``others`` that play the same sport as well. Raises
    ValidationError for a season that is missing or has too few games before it.
    """
    recipe = RECIPES["prices" if with_odds else "results"]
    dataset = load_dataset(engine, league, known_by, others)
    proof, asked = season_blocks(dataset, seasons, recipe.proving_seasons)
    names = [block.name for block in asked]
    forecasts, _ = walk_forward(recipe, dataset, [*proof, *asked], asked=names, on_block=on_season)
    return Backtest(forecasts, evaluate(forecasts))


def write_forecasts(result: Backtest, path: Path) -> Path:
    """Write one line per game: ``game_id,p_home,p_draw,p_away,margin,total``.

    ``p_draw`` is empty in two-way leagues, where p_home and p_away are of a decided game.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for season in result.seasons:
            three_way = season.games.league.outcomes == 3
            for game_id, row, forecast in zip(
                season.games.game_ids, season.probabilities.tolist(), season.forecasts, strict=True
            ):
                home, draw, away = row if three_way else (row[0], "", row[1])
                writer.writerow((game_id, home, draw, away, forecast.margin, forecast.total))
    return path


def parse_seasons(text: str) -> list[int]:
    """The years in ``2018``, ``2018-2020`` or ``2015,2018-2020``. Raises ValidationError for any other text."""
    seasons: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            msg = f"seasons: expected years such as 2018-2020, got {text!r}."
            raise ValidationError(msg, field="seasons")
        seasons += range(int(first), int(last or first) + 1)
    if not seasons:
        raise ValidationError(f"seasons: {text!r} names no season.", field="seasons")
    return seasons
