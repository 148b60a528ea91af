"""A training that kills itself with SIGKILL at a point named on the command line: what a power cut does."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.registry import deployment
from core.registry.bundles.store import BundleStore
from core.registry.tracking.client import Tracking
from core.signing import Signer
from training.fitting.recipe import RECIPES
from training.runs import registration
from training.runs.train import train
from training.runs.training_run import TrainingRun

POINTS = (
    "bundle half written",
    "bundle written",
    "run open",
    "model logged",
    "version made",
    "row written",
    "aliases set",
)
KEY = Signer(b"a key for tests, no secret", "bundle")
QUICK = replace(RECIPES["results"], rounds=3)


def then(honest: Callable[..., None], after: Callable[[], None]) -> Callable[..., None]:
    """The function, and after it another."""

    def both(*given: Any, **named: Any) -> None:
        honest(*given, **named)
        after()

    return both


def dies(owner: Any, name: str, *, before: bool = False) -> None:
    """Let a call of the function kill this process, when it begins or when it is done."""
    honest = getattr(owner, name)

    def last(*given: Any, **named: Any) -> Any:
        if not before:
            honest(*given, **named)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, last)


def prepare(point: str) -> None:
    match point:
        case "bundle half written":
            dies(Path, "chmod", before=True)  # of the folder, when its files are there
        case "bundle written":
            dies(registration, "write_bundle")
        case "run open":
            dies(Tracking, "_log")
        case "model logged":
            dies(Tracking, "_log_bundle")
        case "version made":
            dies(deployment, "register", before=True)
        case "row written":
            dies(deployment, "register")
        case "aliases set":
            deployment.register = then(deployment.register, lambda: dies(Tracking, "mirror"))


def attempt(home: Path, known_by: datetime, now: datetime) -> deployment.Version:
    engine = open_database(make_url(f"sqlite:///{home}/ours.db"))
    store = BundleStore(home / "bundles", f"sqlite:///{home}/mlflow.db", KEY)
    return train(engine, TrainingRun(Leagues(BUILT_IN).get("EPL"), QUICK, store, known_by, now))


if __name__ == "__main__":
    folder, known_by, now, point = sys.argv[1:]
    prepare(point)
    attempt(Path(folder), datetime.fromisoformat(known_by), datetime.fromisoformat(now))
