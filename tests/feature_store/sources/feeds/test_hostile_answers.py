"""What no feed may turn into a fact: answers that are late, empty, half, refused, of another form, or a trap."""

import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.sources.feeds.client import polite_client
from feature_store.sources.feeds.collection import collect_feed
from feature_store.sources.feeds.configuration import FeedConfiguration, load_feeds
from tests.feature_store.sources.feeds import api_sports, csv_files, test_json_over_http, test_the_odds_api
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "a key that stands nowhere"


@dataclass
class HostileCase:
    """A feed and the path of one of its answers, the good answer, and the same in another shape and of wrong types."""

    name: str
    league: str
    named: str
    path: str
    good: Any
    new_shape: Any
    wrong_types: Any


FEEDS = {
    case.name: case
    for case in (
        HostileCase(
            "the-odds-api", "EPL", "soccer_epl", test_the_odds_api.ODDS,
            [test_the_odds_api.event(bookmakers=[test_the_odds_api.bookmaker("b", test_the_odds_api.MONEYLINE)])],
            {"data": []}, [[1], "x", None, {"id": [], "bookmakers": {"a": 1}}, {"id": {}, "home_team": 3}],
        ),
        HostileCase(
            "api-football", "EPL", "39", "/fixtures", api_sports.answer(api_sports.fixture()), {"api": {"fixtures": []}},
            api_sports.answer([1], "x", None, {"fixture": 5, "teams": []}, {"fixture": {"id": [], "date": {}}}),
        ),
        HostileCase(
            "football-data", "EPL", "E0", "/fixtures.csv", csv_files.COMING_FILE.encode(), b"a;b;c\n1;2;3\n",
            csv_files.COMING_FILE.replace("21/11/2026", "x").replace("Arsenal", "").encode(),
        ),
        HostileCase(
            "nflverse", "NFL", "NFL", "/data/games.csv", csv_files.NFL_FILE.encode(), b"a,b\n1,2\n",
            csv_files.NFL_FILE.replace("2026-", "x").replace(",2025-", ",x").encode(),
        ),
        HostileCase(
            "club-odds", "NFL", "gridiron", "/v2/gridiron/events", {"data": {"events": [test_json_over_http.event()]}},
            {"data": []}, {"data": {"events": [[1], "x", None, {"uid": {}, "teams": 3, "books": {"a": 1}}]}},
        ),
    )
}  # fmt: skip


@pytest.fixture(params=FEEDS)
def case(request: pytest.FixtureRequest) -> HostileCase:
    return FEEDS[request.param]


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        yield service


def feed_of(case: HostileCase, service: Service, folder: Path) -> PlayedFeed:
    if case.name == "club-odds":
        path = folder / "feeds.toml"
        path.write_text(test_json_over_http.FEED.format(address=service.address))
        return PlayedFeed(case.name, load_feeds(path, LEAGUES)[case.name], folder, KEY)
    configuration = FeedConfiguration(leagues={case.league: case.named}, address=service.address, calls_per_day=500)
    return PlayedFeed(case.name, configuration, folder, KEY)


def packed(content: Any) -> bytes:
    return PlayedAnswer(content).body


def late(case: HostileCase) -> Callable[[], PlayedAnswer]:
    def play() -> PlayedAnswer:
        time.sleep(0.6)
        return PlayedAnswer(case.good)

    return play


HOSTILE: dict[str, tuple[Callable[[HostileCase], Any], str]] = {
    "late": (late, "did not answer in time"),
    "empty": (lambda _: PlayedAnswer(b""), "the answer is empty"),
    "blank": (lambda _: PlayedAnswer(b" \r\n "), "the answer is empty"),
    "cut off": (lambda case: PlayedAnswer(case.good, cut=True), "cannot be reached: RemoteProtocolError"),
    "too many requests": (lambda _: PlayedAnswer({}, 429, {"retry-after": "60"}), "too many requests"),
    "a page": (lambda _: PlayedAnswer(b"\n<!DOCTYPE html><html>Maintenance</html>"), "a page for people"),
    "an error": (lambda _: PlayedAnswer({"message": KEY}, 502), "answered with status 502"),
    "moved": (lambda _: PlayedAnswer(b"x", 302, {"location": "http://127.0.0.1:1/"}), "answered with status 302"),
    "refused": (lambda _: PlayedAnswer({"message": KEY}, 403), "the key was refused"),
    "unchanged, unasked": (lambda _: PlayedAnswer(b"", 304), "answered with status 304"),
    "a broken gzip": (lambda _: PlayedAnswer(b"\x1f\x8bxx", headers={"content-encoding": "gzip"}), "DecodingError"),
    "a gzip bomb": (
        lambda _: PlayedAnswer(gzip.compress(bytes(8 << 20)), headers={"content-encoding": "gzip"}), "larger than",
    ),
    "new shape": (lambda case: PlayedAnswer(case.new_shape), ""),
    "wrong types": (lambda case: PlayedAnswer(case.wrong_types), ""),
    "bytes": (lambda _: PlayedAnswer(bytes(range(256))), ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_gives_no_fact_and_its_reason_is_in_quarantine(
    kind: str,
    case: HostileCase,
    service: Service,
    tmp_path: Path,
    sqlite_database: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polite_client, "LARGEST_ANSWER", 1 << 20)
    play, reason = HOSTILE[kind]
    service.answers[case.path] = play(case)
    feed = feed_of(case, service, tmp_path)
    feed.time_limit = 0.3 if kind == "late" else 5
    report = collect_feed(sqlite_database, LEAGUES, feed, NOW)
    assert case.path in service.paths()
    assert report.facts == 0
    facts = archive.load(sqlite_database, LEAGUES.get(case.league))
    assert (facts.games, facts.results, facts.quotes) == ([], [], [])
    with reading(sqlite_database) as connection:
        kept = [row._mapping for row in connection.execute(tables.quarantine.select())]
    assert [row for row in kept if reason in row["reason"]]
    assert {row["source"] for row in kept} == {f"feed:{case.name}"}
    assert KEY not in str(kept)


def test_after_a_hostile_answer_the_good_one_is_read_in_full(
    case: HostileCase, service: Service, tmp_path: Path
) -> None:
    feed = feed_of(case, service, tmp_path)
    service.answers[case.path] = PlayedAnswer(case.new_shape, headers={"etag": '"v1"'})
    feed.look(NOW)
    service.answers[case.path] = PlayedAnswer(case.good, headers={"etag": '"v2"'})
    later = NOW.replace(hour=14)
    assert feed.look(later).batches[case.league].games
    asked = [headers for path, _, headers in service.requests if path == case.path]
    assert ["if-none-match" in headers for headers in asked] == [False, False], "what could not be read is not kept"
