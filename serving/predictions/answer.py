"""A prediction as it is served: the cached body, with age, staleness and cache level appended to its bytes."""

from copy import copy
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import orjson

from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion
from serving.games.slate_quotes import PriceAge
from serving.games.staleness import NEGATIVE_AGE, STALE_AFTER
from serving.telemetry.cache_level import LEVELS, CacheLevel

ENDINGS: Final = {
    (stale, level): b',"stale":%s,"cache":"%s"}' % (b"true" if stale else b"false", level.encode())
    for stale in (False, True)
    for level in LEVELS
}

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Answer:
    """One prediction to be served. Copies of it at another cache level share what is derived from the body."""

    __slots__ = (
        *("_opening", "answer_id", "body", "checked_at", "database_unavailable", "features", "generation"),
        *("level", "model", "row", "tag", "version"),
    )

    def __init__(
        self, body: bytes, champion: Champion, row: OnlineRow, checked_at: datetime, level: CacheLevel
    ) -> None:
        self.body = body
        self.row = row
        self.checked_at = checked_at
        """When the feature store last updated the league."""
        self.level = level
        self.database_unavailable = False
        """Whether the database was unavailable when this was served, so that the data could not be checked."""
        # Not the champion itself: a stored answer must not keep an old model in memory.
        self.model = champion.model
        self.version = champion.version.version
        self.generation = champion.generation
        self.features = champion.manifest.fingerprint
        moments = orjson.dumps({"as_of": row.as_of, "checked_at": checked_at}, option=orjson.OPT_UTC_Z)
        self._opening = b"".join((body[:-1], b",", moments[1:-1], b',"age_s":'))
        self.tag = sha256(body).hexdigest()[:24]
        """Hash of the body: two answers with the same tag have the same content."""
        self.answer_id = f"{self.tag[:16]}{(row.as_of - EPOCH) // MICROSECOND:016x}"
        """From the body and its data cut-off, so that it is the same in every process."""

    def at_level(self, level: CacheLevel) -> "Answer":
        """Return the same answer with another cache level."""
        answer = copy(self)
        answer.level = level
        return answer

    def unconfirmed(self) -> "Answer":
        """Return the same answer, marked as served while the database is unavailable."""
        answer = copy(self)
        answer.database_unavailable = True
        return answer

    def stale(self, now: datetime) -> bool:
        """Whether the data was last checked too long ago or cannot be checked, or a newer answer is being computed."""
        age = now - self.checked_at
        return self.database_unavailable or self.level == "stale" or not NEGATIVE_AGE <= age <= STALE_AFTER

    def complete(self, now: datetime, prices: PriceAge, *, stale: bool | None = None) -> bytes:
        """Return body, ages of data and prices, staleness and cache level as one JSON object.

        ``stale`` if the caller knows it already.
        """
        age = max(0.0, (now - self.checked_at).total_seconds())
        ending = ENDINGS[self.stale(now) if stale is None else stale, self.level]
        return b"%b%.3f%b%b" % (self._opening, age, prices.as_json(now), ending)
