"""A simulated day never costs more than its budget, whatever the service does and however often we are restarted."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RateLimitError
from core.files import atomic
from feature_store.identity.team_aliases import NO_ALIASES
from feature_store.sources.feeds.client import call_ledger
from feature_store.sources.feeds.client.call_ledger import CallLedger
from feature_store.sources.feeds.configuration import FeedConfiguration
from feature_store.sources.feeds.event_reader import EventReading
from feature_store.sources.feeds.opening import feed_ledger, feed_plan, open_feed
from feature_store.sources.live_tables import read_live_table
from tests.feature_store.sources.feeds.api_sports import WINNER, answer, bookmaker, fixture, prices
from tests.feature_store.sources.feeds.service import LEAGUES

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
COST = {"odds": 9, "scores": 2}
"""Calls that The Odds API charges for an answer of a path, with three markets and three regions."""


class SimulatedService:
    """Answers at random, counts what it charges, and says now and then what is left of its own limit."""

    def __init__(self, random: Random, limit: int) -> None:
        self.random = random
        self.limit = limit
        self.charged = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rsplit("/", 1)[-1]
        self.charged += COST.get(path, 1) if request.url.path.startswith("/v4") else 1
        headers = {}
        if self.random.random() < 0.3:
            left = str(max(0, self.limit - self.charged))
            headers = {"x-requests-remaining": left, "x-ratelimit-requests-remaining": left}
        kind = self.random.random()
        if kind < 0.1:
            return httpx.Response(self.random.choice((401, 404, 429, 500, 503)), headers=headers)
        if kind < 0.15:
            raise httpx.ReadTimeout("late", request=request)
        if request.url.path.startswith("/v4"):
            return httpx.Response(200, json=[], headers=headers)
        if kind < 0.2:
            return httpx.Response(200, json=answer(errors={"rateLimit": "Too many requests."}), headers=headers)
        if path == "odds":
            page = int(request.url.params.get("page", "1"))
            shown = answer(
                prices(bookmaker("b", WINNER), place="fixture"), page=page, pages=self.random.randrange(1, 6)
            )
            return httpx.Response(200, json=shown, headers=headers)
        return httpx.Response(200, json=answer(fixture()), headers=headers)


def configuration_of(name: str, leagues: int, budget: int) -> FeedConfiguration:
    keys = ["EPL", "LALIGA", "BUNDESLIGA", "SERIEA"][:leagues]
    return FeedConfiguration(leagues=dict.fromkeys(keys, "39"), calls_per_day=budget)


def play_day(name: str, configuration: FeedConfiguration, service: SimulatedService, folder: Path) -> int:
    """Let two processes look as the collector does, each opened anew for every look; returns the looks."""
    plan = feed_plan(name, configuration, LEAGUES)
    shared = EventReading(name, NO_ALIASES, read_live_table)
    due, looks = [MIDNIGHT, MIDNIGHT + timedelta(seconds=40)], 0
    with httpx.Client(transport=httpx.MockTransport(service)) as session:
        while min(due) < MIDNIGHT + DAY:
            process = due.index(min(due))
            now = due[process]
            feed = open_feed(configuration, LEAGUES, shared, key="a key", folder=folder, session=session)
            try:
                feed.look(now)
                spacing = feed_ledger(name, configuration, folder).spacing(plan.calls_per_look(now), now)
                wait = max(configuration.pace(name), spacing)
            except RateLimitError as error:
                wait = min(max(timedelta(seconds=error.retry_after), timedelta(seconds=15)), timedelta(minutes=30))
            due[process] = now + wait
            looks += 1
    return looks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["api-football", "the-odds-api"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), leagues=st.integers(1, 4), budget=st.integers(1, 300), limit=st.integers(0, 400))
def test_no_day_costs_more_than_the_budget(name: str, seed: int, leagues: int, budget: int, limit: int) -> None:
    service = SimulatedService(Random(seed), limit)
    with tempfile.TemporaryDirectory() as folder:
        play_day(name, configuration_of(name, leagues, budget), service, Path(folder))
    assert service.charged <= budget


def test_the_budget_is_spread_over_the_day(tmp_path: Path) -> None:
    random = Random(3)
    random.random = lambda: 0.9  # type: ignore[method-assign]
    service = SimulatedService(random, 10_000)
    looks = play_day("api-football", configuration_of("api-football", 1, 100), service, tmp_path)
    assert 90 <= service.charged <= 100
    assert looks >= 20


def test_an_answer_is_noted_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def count(path: Path, content: bytes, **options: bool) -> None:
        written.append(path)
        atomic.write_file(path, content, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(call_ledger, "write_file", count)
    service = SimulatedService(Random(1), 500)
    service.random.random = lambda: 0.9  # type: ignore[method-assign]
    configuration = configuration_of("the-odds-api", 1, 100)
    shared = EventReading("the-odds-api", NO_ALIASES, read_live_table)
    with httpx.Client(transport=httpx.MockTransport(service)) as session:
        open_feed(configuration, LEAGUES, shared, key="k", folder=tmp_path, session=session).look(MIDNIGHT)
    assert len(written) == 2 * 2, "spent before the request, noted after the answer"


def test_a_ledger_that_cannot_be_read_counts_as_half_spent(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    path.write_text("{broken")
    ledger = CallLedger(path, 100)
    with pytest.raises(RateLimitError):
        ledger.spend(51, MIDNIGHT)
    ledger.spend(50, MIDNIGHT)
    assert ledger.left(MIDNIGHT) == 0
