"""Grading of the prediction log."""

from datetime import datetime

from core.betting.leagues import load_leagues
from core.settings import Settings
from flows.jobs.databases import our_database
from flows.jobs.leagues import OnLeague, ignore_progress
from serving.monitoring.grading import GradingReport, grade
from serving.monitoring.live_quality import Quality, live_quality


def grade_log(settings: Settings, now: datetime, on_league: OnLeague = ignore_progress) -> GradingReport:
    """Grade what is new in the prediction log and in the archive, and prune what is older than LOG_DAYS."""
    with our_database(settings) as engine:
        return grade(engine, load_leagues(settings.leagues_file), now, settings.log_days, on_league)


def read_live_quality(settings: Settings, by: list[str]) -> list[Quality]:
    """The scores of every version by the roll-ups, split by the given dimensions."""
    with our_database(settings) as engine:
        return live_quality(engine, by)
