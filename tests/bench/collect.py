"""The resident collector beside a running service: seconds from a change at a source to the answer that shows it, and
what it costs while nothing changes.

A bot's database and a feed are looked at; the feed's service is a local one. The development data of one league are the
history.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Final

import httpx

from core.database.engines import open_database
from tests.bot_database import create_bot_tables
from tests.conftest import DEVELOPMENT_DATA
from tests.feature_store.sources.feeds import test_the_odds_api as played
from tests.feature_store.sources.feeds.service import PlayedAnswer, Service, played_service
from tests.services import free_port, mariadb_server, redis_server

TEAMS: Final = ("Arsenal", "Chelsea", "Liverpool", "Everton", "Fulham", "Tottenham", "Newcastle", "Brighton")
GAME: Final = "/v1/predictions/soccer/EPL/the-odds-api:g1"
CHANGES: Final = 30
EVERY_SECONDS: Final = 5
IDLE_SECONDS: Final = 240
LONGEST: Final = 60.0
"""Seconds after which a change counts as lost."""


def run() -> None:
    if not DEVELOPMENT_DATA.is_dir():
        print(f"no development data at {DEVELOPMENT_DATA}")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        mariadb_server() as mariadb,
        redis_server() as redis,
        played_service() as service,
    ):
        bot = mariadb.recreate("bench_bot")
        engine = open_database(bot)
        create_bot_tables(engine)
        engine.dispose()
        ours = mariadb.recreate("bench_ours")
        project = _Project(
            Path(folder),
            {
                "DATABASE_URL": ours.render_as_string(hide_password=False),
                "BOT_DATABASE_URL": bot.render_as_string(hide_password=False),
                "REDIS_URL": redis.url,
                "ODDS_API_KEY": "k",
                "PORT": str(free_port()),
            },
        )
        project.configure(service, EVERY_SECONDS)
        project.fill()
        prices = _Prices(service)
        with project.running("serve"), project.running("collect"):
            lags = [_lag(project, prices, service, 1.60 + 0.01 * number) for number in range(CHANGES)]
        p95 = quantiles(lags, n=20)[-1]
        print(
            f"change to answer: median {sorted(lags)[len(lags) // 2]:.2f} s, p95 {p95:.2f} s of {CHANGES} changes,"
            f" from the look that shows it (one every {EVERY_SECONDS} s)"
        )
        project.configure(service, 60)
        with project.running("collect") as collector:
            time.sleep(60)
            before = _cpu(collector)
            time.sleep(IDLE_SECONDS)
            share = (_cpu(collector) - before) / IDLE_SECONDS
            print(f"idle, bot and feed every minute: {100 * share:.2f} % of a core, {_memory(collector):.0f} MB")


class _Project:
    """An installation in a folder, whose commands run as processes."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        places = {
            "BUNDLE_DIR": "b",
            "FEATURES_DIR": "f",
            "SERVING_DIR": "s",
            "FEEDS_DIR": "d",
            "FEEDS_FILE": "feeds.toml",
        }
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **{name: str(folder / place) for name, place in places.items()},
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "SIGNING_KEY": "a key of sixteen characters",
            **settings,
        }
        self.address = f"http://127.0.0.1:{settings['PORT']}"

    def configure(self, service: Service, every: int) -> None:
        (self._folder / "feeds.toml").write_text(
            f'[the-odds-api]\nleagues = ["EPL"]\ncalls_per_day = 1000000\nevery_seconds = {every}\n'
            f'address = "{service.address}"\n'
        )

    def fill(self) -> None:
        for words in (
            ("db", "upgrade"),
            ("backfill", str(DEVELOPMENT_DATA / "EPL.csv.gz")),
            ("features", "build"),
            ("train", "--league", "EPL", "--recipe", "prices"),
            ("promote", "EPL-prices"),
            ("train", "--league", "EPL"),
            ("promote", "EPL-results"),
        ):
            subprocess.run(self._command(*words), env=self._environment, check=True, capture_output=True)

    @contextmanager
    def running(self, *words: str) -> Iterator[int]:
        """A command that runs until the block ends; yields its process id."""
        with (self._folder / f"{words[0]}.log").open("a") as log:
            process = subprocess.Popen(self._command(*words), env=self._environment, stdout=log, stderr=log)
            try:
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def home_chance(self) -> float | None:
        """What the service answers as the market's chance of the home side; None while it answers nothing."""
        try:
            market = httpx.get(self.address + GAME).json().get("market")
        except httpx.HTTPError:
            return None
        return None if market is None else market["home"]

    @staticmethod
    def _command(*words: str) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *words]


class _Prices:
    """What the played service shows: four games, one price that is set."""

    def __init__(self, service: Service) -> None:
        self.home = 1.5
        begin = datetime.now(UTC)
        self._starts = [begin + timedelta(days=1 + number) for number in range(len(TEAMS) // 2)]
        service.answers = {played.ODDS: self._answer, played.SCORES: PlayedAnswer([])}

    @property
    def chance(self) -> float:
        implied = (1 / self.home, 1 / 3.6, 1 / 4.1)
        return implied[0] / sum(implied)

    def _answer(self) -> PlayedAnswer:
        return PlayedAnswer([self._event(number) for number in range(len(self._starts))])

    def _event(self, number: int) -> dict[str, object]:
        home, away = TEAMS[2 * number : 2 * number + 2]
        odds = (played.outcome(home, self.home), played.outcome(away, 4.1), played.outcome("Draw", 3.6))
        shown = played.market("h2h", *odds, at=datetime.now(UTC).isoformat())
        return played.event(
            id=f"g{number}",
            commence_time=self._starts[number].isoformat(),
            home_team=home,
            away_team=away,
            bookmakers=[played.bookmaker("bookone", shown)],
        )


def _lag(project: _Project, prices: _Prices, service: Service, home: float) -> float:
    """Seconds from the look that shows the new price until the service answers with it."""
    prices.home, looks = home, len(service.requests)
    while len(service.requests) == looks:
        time.sleep(0.01)
    began = time.monotonic()
    while (chance := project.home_chance()) is None or abs(chance - prices.chance) > 1e-6:
        if time.monotonic() - began > LONGEST:
            raise SystemExit(f"a price was not answered within {LONGEST:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    """Resident memory [MB]."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
