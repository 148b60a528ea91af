"""From a forecast to the bytes that are answered: a body that never changes under its key, and what time adds to it.

The body depends on nothing but its cache key, and may lack its reasons for a moment. How old the data is, and where
the body came from, is appended when it is answered, without decoding it.
"""

import math
from copy import copy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal

import orjson

from core.betting.markets import on_winner
from core.betting.odds import decimal_to_american
from core.betting.scores import Outcome
from core.errors import ServiceError
from core.registry.forecaster import Forecast
from feature_store.features.sets import EVERYTHING
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion
from serving.games.slate import key_of
from serving.http.headers import Headers
from serving.predictions.reasons import reasons
from serving.telemetry.cache_level import LEVELS, Level

BODY_FORMAT: Final = "dbsbm:p4"
"""Prefix of every key; raise the number whenever ``encoded`` writes something else for the same key."""

Winner = Literal["home", "draw", "away"]
WINNERS: Final[tuple[Winner, ...]] = ("home", "draw", "away")

STALE_AFTER: Final = timedelta(hours=24)
"""Data that was last checked longer ago than this is called stale."""

FEW_GAMES: Final = 10
"""A team with fewer games in the archive than this is forecast from thin data."""

ENDINGS: Final = {
    (stale, level): b',"stale":%s,"cache":"%s"}' % (b"true" if stale else b"false", level.encode())
    for stale in (False, True)
    for level in LEVELS
}

AS_JSON: Final = (b"content-type", b"application/json")
REVALIDATED: Final = (b"cache-control", b"private, no-cache")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

EXPERIENCE: Final = EVERYTHING.names.index("experience")


def cache_key(champion: Champion, row: OnlineRow, *, begun: bool) -> str:
    """Names everything the body depends on: format, model, version, bundle, features, game, its facts and prices."""
    return ":".join(
        (
            BODY_FORMAT,
            champion.model,
            str(champion.version.version),
            champion.bundle.sha256[:12],
            champion.manifest.fingerprint[:12],
            "/".join(key_of(row)),
            row.digest[:16],
            *(("begun",) if begun else ()),
        )
    )


def has_begun(row: OnlineRow, now: datetime) -> bool:
    """Whether the game's start has passed; its feature row is frozen from then on."""
    return row.game.start_at <= now


def encoded(champion: Champion, row: OnlineRow, forecast: Forecast, *, begun: bool, explained: bool = True) -> bytes:
    """The body of one prediction. Raises ServiceError if the model gave something that is no number."""
    content = document(champion, row, forecast, begun=begun, explained=explained)
    # A copy: what orjson returns keeps its ten times larger working buffer alive.
    return bytes(memoryview(orjson.dumps(content, option=orjson.OPT_UTC_Z)))


def document(
    champion: Champion, row: OnlineRow, forecast: Forecast, *, begun: bool, explained: bool = True
) -> dict[str, Any]:
    """The body before it is encoded; without its reasons unless ``explained``."""
    outcome, margin, total = forecast.outcome, forecast.margin, forecast.total
    if not all(map(math.isfinite, (outcome.home, outcome.draw, outcome.away, margin, total))):
        raise ServiceError(f"{champion.model} {champion.version.version} gave no number for {row.game.game_id}.")
    with_draws = champion.ties == "draw"
    probabilities = {"home": outcome.home, "draw": outcome.draw if with_draws else None, "away": outcome.away}
    return {
        "game": _game(row, begun=begun),
        "probabilities": probabilities if with_draws else {**probabilities, "push": outcome.draw},
        "interval": None if forecast.interval is None else vars(forecast.interval),
        "fair_odds": {
            selection: _fair_odds(champion, outcome, selection) if selection != "draw" or with_draws else None
            for selection in WINNERS
        },
        "expected": {
            "margin": margin,
            "total": total,
            "home_score": (total + margin) / 2,
            "away_score": (total - margin) / 2,
        },
        "market": None if row.prices is None else row.prices._asdict(),
        "model": {
            "name": champion.model,
            "version": champion.version.version,
            "variant": champion.manifest.variant,
            "features": champion.manifest.fingerprint,
            "trained_until": champion.manifest.trained_until,
            "data_sha256": champion.manifest.snapshot_sha256,
        },
        "data_quality": _quality(row),
        "reasons": reasons(champion, row) if explained else None,
    }


def game_document(row: OnlineRow, now: datetime) -> dict[str, Any]:
    """The game alone, as search shows it."""
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


def _fair_odds(champion: Champion, outcome: Outcome, selection: Winner) -> dict[str, float | int | None]:
    return odds_document(on_winner(outcome, selection, ties=champion.ties).fair_odds)


def odds_document(decimal: float) -> dict[str, float | int | None]:
    """Odds in both formats; None where no finite odds say it."""
    if not math.isfinite(decimal) or decimal <= 1:
        return {"decimal": None, "american": None}
    return {"decimal": round(decimal, 4), "american": round(decimal_to_american(decimal))}


def _quality(row: OnlineRow) -> str:
    games = row.values[EXPERIENCE]
    if not games > 0:
        return "unknown"
    return "thin" if games < FEW_GAMES else "good"


class Served:
    """One prediction on its way out. What two answers have in common is written once."""

    __slots__ = (
        *("_headers", "_opening", "_tag", "answer_id", "away", "body", "checked_at", "features"),
        *("generation", "level", "model", "row", "version"),
    )

    def __init__(self, body: bytes, champion: Champion, row: OnlineRow, checked_at: datetime, level: Level) -> None:
        self.body = body
        self.row = row
        self.checked_at = checked_at
        """When the feature store last brought the league up to date."""
        self.level = level
        self.away = False
        """Whether the database cannot be asked if this still holds."""
        # Not the champion: an answer that is kept must not keep an old model in memory.
        self.model = champion.model
        self.version = champion.version.version
        self.generation = champion.generation
        self.features = champion.manifest.fingerprint
        moments = orjson.dumps({"as_of": row.as_of, "checked_at": checked_at}, option=orjson.OPT_UTC_Z)
        self._opening = b"".join((body[:-1], b",", moments[1:-1], b',"age_s":'))
        self._tag = sha256(body).hexdigest()[:24]
        self.answer_id = f"{self._tag[:16]}{(row.as_of - EPOCH) // MICROSECOND:016x}"
        """The same for the same body of the same moment's data, whoever answers."""
        self._headers: dict[tuple[bool, bool], Headers] = {}

    def at_level(self, level: Level) -> "Served":
        """The same, found elsewhere."""
        other = copy(self)
        other.level = level
        return other

    def unconfirmed(self) -> "Served":
        """The same, while the database is away."""
        other = copy(self)
        other.away = True
        return other

    def stale(self, now: datetime) -> bool:
        """Whether the data was last checked too long ago or cannot be checked, or a newer answer is due."""
        return self.away or self.level == "stale" or now - self.checked_at > STALE_AFTER

    def etag(self, *, stale: bool) -> str:
        """Weak, because age and cache level may differ between answers that mean the same."""
        return f'W/"{self._tag}-stale"' if stale else f'W/"{self._tag}"'

    def headers(self, *, stale: bool, content: bool = True) -> Headers:
        """The tag, how to keep the answer, and what it is, if it has ``content``."""
        headers = self._headers.get((stale, content))
        if headers is None:
            kind = (AS_JSON,) if content else ()
            headers = Headers.of((b"etag", self.etag(stale=stale).encode()), REVALIDATED, *kind)
            self._headers[stale, content] = headers
        return headers

    def complete(self, now: datetime) -> bytes:
        """Body and what time adds, as one JSON object."""
        age = max(0.0, (now - self.checked_at).total_seconds())
        return b"%b%.3f%b" % (self._opening, age, ENDINGS[self.stale(now), self.level])
