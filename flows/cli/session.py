"""The start of every command: settings, logs and the present moment."""

from dataclasses import dataclass
from datetime import datetime

from core.betting.leagues import Leagues, load_leagues
from core.clock import SystemClock
from core.logs import configure_logs
from core.settings import Settings, load_settings


@dataclass(frozen=True)
class Session:
    """The settings, the leagues they configure, and the moment at which the command started."""

    settings: Settings
    now: datetime

    @property
    def leagues(self) -> Leagues:
        return load_leagues(self.settings.leagues_file)


def begin(**overrides: object) -> Session:
    """Read the settings and the clock once. Raises ConfigurationError naming every invalid variable."""
    settings = load_settings(**overrides)
    configure_logs(settings)
    return Session(settings, SystemClock().now())
