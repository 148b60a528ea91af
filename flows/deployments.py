"""The Prefect flows. Each is a plain function of ``flows.jobs`` with a name, retries and a schedule around it.

Prefect only starts them: each may run twice, or at the same time as another, without doing its work twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from prefect import Flow, flow, serve
from prefect.deployments.runner import EntrypointType
from prefect.schedules import Cron, Interval, Schedule

from core.clock import SystemClock
from core.logs import redact_records
from core.settings import Settings, load_settings
from flows.jobs import features, grading, scoring, training
from flows.jobs import snapshot as snapshots

GRADED_EVERY: Final = timedelta(hours=1)


def _start() -> tuple[Settings, datetime]:
    settings = load_settings()
    redact_records()  # Prefect writes the log of a flow itself, and sends it to its server
    return settings, SystemClock().now()


@flow(name="snapshot", retries=2, retry_delay_seconds=10)
def snapshot() -> dict[str, int]:
    """Read the bot's games into the archive, and grade what was forecast of those that have ended."""
    settings, now = _start()
    report = snapshots.take_snapshot(settings, now)
    if any(item.results for item in report.recorded.values()):
        grading.grade_log(settings, now)
    return {"read": report.read, "added": sum(item.added for item in report.recorded.values())}


@flow(name="grade", retries=2, retry_delay_seconds=10)
def grade() -> dict[str, int]:
    """Grade logged forecasts of games that have ended."""
    settings, now = _start()
    report = grading.grade_log(settings, now)
    return {"tallied": report.tallied, "graded": report.graded, "pruned": report.pruned}


@flow(name="build-features", retries=2, retry_delay_seconds=10)
def build_features(leagues: list[str] | None = None) -> dict[str, int]:
    """Update feature rows and states."""
    settings, now = _start()
    return {item.league: item.upcoming for item in features.build_features(settings, now, leagues)}


@flow(name="train")
def train(leagues: list[str] | None = None) -> dict[str, str]:
    """Train a challenger of every model whose data changed. One league's error does not stop the others.

    Ends with each model's version, or why it was refused. Fails at the end when a training failed in another way, or
    when every one was refused.
    """
    settings, now = _start()
    return training.train_leagues(settings, now, leagues)


@flow(name="score-upcoming", retries=2, retry_delay_seconds=10)
def score_upcoming(leagues: list[str] | None = None) -> dict[str, Any]:
    """Write the forecasts of all games to come into the shared cache, before they are asked for."""
    settings, now = _start()
    return scoring.score_upcoming(settings, now, leagues)


FLOWS: Final[Mapping[str, Flow[..., Any]]] = {
    item.name: item for item in (snapshot, grade, build_features, train, score_upcoming)
}


def schedules(settings: Settings) -> dict[str, Schedule]:
    """When each flow runs. What ``dbsbm collect`` does, too, runs at a slow pace, in case that stands still."""
    slowly = timedelta(seconds=settings.flows_seconds)
    return {
        "snapshot": Interval(slowly),
        "grade": Interval(GRADED_EVERY),
        "build-features": Interval(slowly),
        "train": Cron(settings.train_cron, timezone="UTC"),
        "score-upcoming": Interval(slowly),
    }


def serve_flows(settings: Settings) -> None:
    """Register every flow with its schedule on the Prefect server, and run the flows that are due until stopped."""
    serve(
        *(
            FLOWS[name].to_deployment("scheduled", schedule=schedule, entrypoint_type=EntrypointType.MODULE_PATH)
            for name, schedule in schedules(settings).items()
        ),
        limit=2,
    )
