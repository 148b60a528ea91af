"""The bot's database read into the archive."""

from datetime import datetime

from core.betting.leagues import load_leagues
from core.database.engines import open_database
from core.settings import Settings
from feature_store.rows.published_quotes import publish_quotes
from feature_store.sources.bot.snapshot import SnapshotReport, snapshot
from flows.jobs.databases import our_database


def take_snapshot(settings: Settings, now: datetime, *, erase_all: bool = False) -> SnapshotReport:
    """Read the bot's games and people into the archive; ``erase_all`` accepts an empty table of consents as true.

    Prices that are shown as before are published again, with the age that the bot gives them.
    """
    bot = open_database(settings.bot_database)
    try:
        with our_database(settings) as engine:
            leagues = load_leagues(settings.leagues_file)
            report = snapshot(
                bot,
                engine,
                leagues,
                now=now,
                time_zone=settings.bot_timezone,
                bare_time_zone=settings.bot_bare_timezone,
                erase_all=erase_all,
            )
            for key in report.confirmed:
                publish_quotes(engine, leagues.get(key), now)
            return report
    finally:
        bot.dispose()
