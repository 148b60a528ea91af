"""The data of a stage: two seasons of results, hot games, cold games, and versions of a champion."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy.engine import Engine

from core.errors import ConflictError
from core.registry.bundles.contents import write_bundle
from core.registry.deployment import Version, deployment, install_champion, register
from core.settings import load_settings
from core.signing import Signer, signer
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote, Result
from feature_store.features.sets import FEATURE_SETS
from feature_store.rows.build import build
from tests.bench.serving.stage import GAMES, LEAGUE, TEAMS, _game
from tests.serving.models import forecaster, trees

MODEL = "EPL-results"
DAY = timedelta(days=1)
FEATURES = FEATURE_SETS["results"]
PATH = f"{LEAGUE.sport}/{LEAGUE.key}"


class Change(NamedTuple):
    """A change of the deployment record, which was made after ``at``."""

    at: float
    generation: int
    version: int


@dataclass
class Models:
    """The versions of the model, and every change of its champion."""

    engine: Engine
    store: Path
    changes: list[Change] = field(default_factory=list)
    checks: set[str] = field(default_factory=set)
    """Times at which the feature store updated the league."""
    newest: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def signer(self) -> Signer:
        return signer(load_settings(_env_file=None, bundle_dir=self.store), "bundle")

    def add(self, *, with_trees: bool = False, spoil: Callable[[Path], str | None] | None = None, **spec: Any) -> int:
        """Register the next version and return its number; ``spoil`` damages its folder and may give a new SHA-256.

        ``spec`` replaces fields of the forecaster.
        """
        with self._lock:
            self.newest += 1
            number = self.newest
        made = forecaster(LEAGUE, FEATURES, home_lean=0.01 * number, with_trees=with_trees).model_copy(update=spec)
        about = {"model": MODEL, "sport": LEAGUE.sport, "league": LEAGUE.key, "variant": "results", "recipe": "chaos"}
        now, fingerprint = datetime.now(UTC), FEATURES.fingerprint(LEAGUE.sport)
        shared = {"snapshot_sha256": "5" * 64, "trained_until": now}
        golden = np.array([[10.0] * len(FEATURES.names), [np.nan] * len(FEATURES.names)])
        sha256, folder = write_bundle(
            self.store, self.signer, made, grown() if with_trees else {}, golden,
            fingerprint=fingerprint, games=760, **shared, **about,
        )  # fmt: skip
        sha256 = (spoil(folder) if spoil else None) or sha256
        if sha256 != folder.name:
            folder = folder.rename(folder.with_name(sha256))
        entered = {"version": number, "bundle_sha256": sha256, "features": fingerprint, "registered_at": now}
        register(self.engine, Version(run_id=f"chaos-{number}", scores={}, **entered, **shared, **about), now)
        return number

    def promote(self, number: int) -> Change:
        """Make a version champion; repeat after a conflict with another change."""
        while True:
            at = time.monotonic()
            try:
                record = install_champion(self.engine, deployment(self.engine, MODEL), number, datetime.now(UTC))
            except ConflictError:
                continue
            change = Change(at, record.generation, number)
            self.changes.append(change)
            return change

    def swap(self) -> Change:
        """Register a new version and make it champion."""
        return self.promote(self.add())


@cache
def grown() -> dict[str, str]:
    """Return a small LightGBM model of the outcome as text."""
    return trees(LEAGUE, FEATURES.names)


def hot_games() -> list[str]:
    return [f"{PATH}/G{number}" for number in range(GAMES)]


def fill(engine: Engine, cold: int) -> None:
    """Store results, games to come, and ``cold`` games that began in the last days, which are not computed ahead."""
    now, batch = datetime.now(UTC), FactBatch()
    pairs = [(home, away) for home in TEAMS for away in TEAMS if home != away]
    for number, (home, away) in enumerate(pairs * 2):
        start, season = now - (390 - number / 2) * DAY, 2023 + number // len(pairs)
        batch.games.append(_game(f"P{number}", home, away, start, start - 10 * DAY, "final", season))
        done = start + timedelta(hours=3)
        batch.results.append(Result(f"P{number}", done, done, (number * 7) % 4, (number * 5) % 3))
    for number, (home, away) in enumerate(pairs[:GAMES]):
        batch.games.append(_game(f"G{number}", home, away, now + timedelta(hours=6 + number), now - DAY, "scheduled"))
        quoted = now - timedelta(hours=1)
        batch.quotes.append(Quote(f"G{number}", "book", "last", quoted, quoted, 1.8 + number / 200, 3.6, 3.1))
    for number in range(cold):
        home, away = pairs[number % len(pairs)]
        start = now - DAY - timedelta(seconds=number)
        batch.games.append(_game(f"C{number}", home, away, start, start - 10 * DAY, "scheduled"))
    archive.record(engine, LEAGUE, batch, source="chaos", recorded_at=now)
    for moment in (now - 2 * DAY, now):  # rows are built for games to come, and kept for a week
        build(engine, LEAGUE, moment)
