"""Keeps the games in memory the same as the feature store's."""

import time

from sqlalchemy.engine import Engine

from core.errors import DatabaseError
from core.logs import get_logger
from feature_store.online import watermarks
from serving.data_age import DataAge
from serving.slate import Slate
from serving.warming import Warming

log = get_logger(__name__)


class SlateFollower:
    """Looks at the feature store's watermarks; what it read last stays while the database is away."""

    def __init__(self, engine: Engine, slate: Slate, warming: Warming) -> None:
        self._engine = engine
        self._slate = slate
        self._warming = warming
        self.data_age = DataAge()
        self.away: DatabaseError | None = None
        self.looked_at: float | None = None
        """On the monotonic clock, when the database last answered."""

    def step(self) -> bool:
        """One look and a little warming; True while there is more to warm."""
        self._look()
        return self._warming.step()

    def age(self) -> float:
        """Seconds since the database last answered; infinite if it never did."""
        return float("inf") if self.looked_at is None else time.monotonic() - self.looked_at

    def _look(self) -> None:
        try:
            self._slate.follow(self._engine, watermarks(self._engine))
            self.data_age.follow(self._engine)
        except DatabaseError as error:
            if self.away is None:
                log.warning("the database is away; answers go on from memory", reason=error.message)
            self.away = error
            return
        if self.away is not None:
            log.info("the database is back")
        self.away = None
        self.looked_at = time.monotonic()
