"""The body of a prediction: JSON that is a function of its cache key.

A *draft* is a body without reasons, which cost fifty times as much as the rest; otherwise it is the same.
"""

import math
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from core.betting.markets import on_winner
from core.betting.odds import LARGEST_AMERICAN, can_be_stated, decimal_to_american
from core.betting.scores import Outcome
from core.errors import ServiceError
from core.registry.forecaster import Forecast
from feature_store.features.sets import EVERYTHING
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion
from serving.predictions.reasons import reasons

BODY_FORMAT: Final = "dbsbm:p5"
"""Prefix of every key; increase the number whenever ``BodyEncoder`` changes its output for the same key."""

Winner = Literal["home", "draw", "away"]
WINNERS: Final[tuple[Winner, ...]] = ("home", "draw", "away")

NOT_STATED: Final = f"No odds: American odds are stated up to {LARGEST_AMERICAN:,.0f} either way."
FEW_GAMES: Final = 10
"""A team with fewer games in the archive has thin data."""

EXPERIENCE: Final = EVERYTHING.names.index("experience")


def cache_key(champion: Champion, row: OnlineRow, *, begun: bool) -> str:
    """Return the key, made of all that the body depends on: format, model, version, bundle, features, game, row."""
    key = f"{BODY_FORMAT}:{champion.identity}:{row.sport}/{row.league}/{row.game.game_id}:{row.digest[:16]}"
    return f"{key}:begun" if begun else key


def has_begun(row: OnlineRow, now: datetime) -> bool:
    """Whether the game's start has passed; its feature row is frozen from then on."""
    return row.game.start_at <= now


class BodyEncoder:
    """Encodes the bodies of one champion's predictions; what they have in common is encoded once."""

    def __init__(self, champion: Champion) -> None:
        self._champion = champion
        self._ties = champion.ties
        manifest = champion.manifest
        model = {
            "name": champion.model,
            "version": champion.version.version,
            "variant": manifest.variant,
            "features": manifest.fingerprint,
            "trained_until": manifest.trained_until,
            "data_sha256": manifest.snapshot_sha256,
        }
        self._model = orjson.Fragment(orjson.dumps(model, option=orjson.OPT_UTC_Z))

    def encode(self, row: OnlineRow, forecast: Forecast, *, begun: bool, explained: bool = True) -> bytes:
        """Return the body of one prediction, without reasons unless ``explained``.

        Raises ServiceError if the model's output is not finite.
        """
        content = self._document(row, forecast, begun=begun, explained=explained)
        # A copy: the bytes that orjson returns keep its ten times larger working buffer alive.
        return bytes(memoryview(orjson.dumps(content, option=orjson.OPT_UTC_Z)))

    def _document(self, row: OnlineRow, forecast: Forecast, *, begun: bool, explained: bool) -> dict[str, Any]:
        if not all(map(math.isfinite, forecast.numbers)):
            champion = self._champion
            raise ServiceError(
                f"{champion.model} {champion.version.version} returned no finite forecast for {row.game.game_id}."
            )
        outcome, margin, total = forecast.outcome, forecast.margin, forecast.total
        with_draws = self._ties == "draw"
        probabilities = {"home": outcome.home, "draw": outcome.draw if with_draws else None, "away": outcome.away}
        return {
            "game": _game(row, begun=begun),
            "probabilities": probabilities if with_draws else {**probabilities, "push": outcome.draw},
            "interval": None if forecast.interval is None else vars(forecast.interval),
            "fair_odds": {
                selection: self._fair_odds(outcome, selection) if selection != "draw" or with_draws else None
                for selection in WINNERS
            },
            "expected": {
                "margin": margin,
                "total": total,
                "home_score": (total + margin) / 2,
                "away_score": (total - margin) / 2,
            },
            "market": None if row.prices is None else row.prices._asdict(),
            "model": self._model,
            "data_quality": _quality(row),
            "reasons": reasons(self._champion, row) if explained else None,
        }

    def _fair_odds(self, outcome: Outcome, selection: Winner) -> dict[str, float | int | str | None]:
        return odds_document(on_winner(outcome, selection, ties=self._ties).fair_odds)


def game_document(row: OnlineRow, now: datetime) -> dict[str, Any]:
    """Return the game alone, as in search results."""
    return _game(row, begun=has_begun(row, now))


def _game(row: OnlineRow, *, begun: bool) -> dict[str, Any]:
    game = row.game
    return {
        "sport": row.sport,
        "league": row.league,
        "game_id": game.game_id,
        "home_team": game.home_team,
        "away_team": game.away_team,
        "start_at": game.start_at,
        "date_only": game.date_only,
        "neutral": game.neutral,
        "status": "begun" if begun else game.status,
    }


def odds_document(decimal: float) -> dict[str, float | int | str | None]:
    """Return odds in both formats; None, with a note, where there are none or they are beyond what can be stated."""
    if not can_be_stated(decimal):
        return {"decimal": None, "american": None, "note": NOT_STATED}
    return {"decimal": round(decimal, 4), "american": round(decimal_to_american(decimal))}


def _quality(row: OnlineRow) -> str:
    games = row.values[EXPERIENCE]
    if not games > 0:
        return "unknown"
    return "thin" if games < FEW_GAMES else "good"
