"""The collector does what is due and nothing else, survives what fails, and brings changed leagues up to date."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import DatabaseError, DbsbmError, NetworkError, RateLimitError
from flows.jobs.collecting import EVERYTHING_AGAIN, FAILED_AGAIN, Collector, Look

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Played:
    """A source that is planned by the test, and the updates that followed."""

    answers: list[set[str] | DbsbmError] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    updates: list[tuple[datetime, list[str] | None]] = field(default_factory=list)
    failing_updates: int = 0

    def take(self, now: datetime) -> set[str]:
        self.looks.append(now)
        answer = self.answers.pop(0) if self.answers else set()
        if isinstance(answer, DbsbmError):
            raise answer
        return answer

    def update(self, now: datetime, leagues: list[str] | None) -> None:
        if self.failing_updates:
            self.failing_updates -= 1
            raise DatabaseError("Database unavailable.")
        self.updates.append((now, leagues))

    def collector(self, interval: timedelta = MINUTE) -> Collector:
        return Collector([Look("source", self.take, lambda _now: interval)], self.update)


def run(collector: Collector, until: datetime, now: datetime = NOW) -> None:
    while now < until:
        now = collector.step(now)


def test_each_source_is_looked_at_at_its_own_pace() -> None:
    slow, quick = Played(), Played()
    looks = [Look("slow", slow.take, lambda _: 10 * MINUTE), Look("quick", quick.take, lambda _: MINUTE)]
    run(Collector(looks, quick.update), NOW + timedelta(minutes=25))
    assert slow.looks == [NOW, NOW + 10 * MINUTE, NOW + 20 * MINUTE]
    assert quick.looks == [NOW + number * MINUTE for number in range(25)]
    assert quick.updates == [(NOW, None)], "nothing changed, so only the first update was due"


def test_changed_leagues_are_brought_up_to_date_in_the_same_step_and_all_of_them_now_and_then() -> None:
    played = Played(answers=[set(), {"NFL", "EPL"}, set()])
    run(played.collector(), NOW + EVERYTHING_AGAIN + MINUTE)
    assert played.updates == [(NOW, None), (NOW + MINUTE, ["EPL", "NFL"]), (NOW + EVERYTHING_AGAIN, None)]


def test_a_look_that_fails_is_repeated_soon_and_stops_no_other() -> None:
    failing, other = Played(answers=[NetworkError("away"), NetworkError("away")]), Played()
    looks = [Look("failing", failing.take, lambda _: MINUTE), Look("other", other.take, lambda _: MINUTE)]
    run(Collector(looks, other.update), NOW + 2 * MINUTE)
    assert failing.looks[:3] == [NOW, NOW + FAILED_AGAIN, NOW + 2 * FAILED_AGAIN]
    assert other.looks == [NOW, NOW + MINUTE]


@pytest.mark.parametrize(("retry_after", "pause"), [(1, FAILED_AGAIN), (90, timedelta(seconds=90))])
def test_a_feed_that_asks_for_a_pause_gets_it(retry_after: float, pause: timedelta) -> None:
    played = Played(answers=[RateLimitError("slow down", retry_after=retry_after)])
    run(played.collector(), NOW + 2 * MINUTE)
    assert played.looks[1] == NOW + pause


def test_an_update_that_fails_is_repeated_with_its_leagues() -> None:
    played = Played(answers=[set(), {"EPL"}, {"NFL"}])
    collector = played.collector()
    collector.step(NOW)
    played.failing_updates = 1
    assert collector.step(NOW + MINUTE) == NOW + MINUTE + FAILED_AGAIN
    collector.step(NOW + MINUTE + FAILED_AGAIN)
    collector.step(NOW + 2 * MINUTE)
    assert played.updates == [
        (NOW, None),
        (NOW + MINUTE + FAILED_AGAIN, ["EPL"]),
        (NOW + 2 * MINUTE, ["NFL"]),
    ]


@pytest.mark.server
def test_the_collector_loads_no_library_that_only_training_and_files_need() -> None:
    """It runs for ever beside the service: pandas and Parquet alone would cost 70 MB."""
    heavy = ("pandas", "pandera", "pyarrow", "mlflow", "sklearn", "lightgbm", "fastapi", "prefect")
    code = f"import sys, flows.jobs.collecting; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
