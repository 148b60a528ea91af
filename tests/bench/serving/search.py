"""Search for autocompletion: how long a text takes among five thousand games to come.

``make bench ARGS=search``; the aim is less than 50 ms.
"""

import time
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median, quantiles
from typing import Final

from feature_store.archive.facts import GameFact
from feature_store.rows.online import OnlineRow
from serving.games.slate import Slate, SlateTable, key_of

GAMES: Final = 5_000
ROUNDS: Final = 20
MOST: Final = 25
NOW: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
CITIES: Final = "Manchester Newcastle Wolverhampton Chicago Boston Mönchengladbach Köln Minnesota Nottingham Mansfield"
KINDS: Final = "United City Wanderers Bulls Celtics Forest Town Athletic Rovers Timberwolves"
TEXTS: Final = (
    *("man", "man u", "wolv", "chi", "celt", "wolverhamton", "koln", "manchester untied", "zzzzqqqq"),
    "wolverhampton wanderers 17 v nottingham forest athletic",
)


def slate_of(games: int) -> Slate:
    """Games between eight hundred teams of long names."""
    random = Random(1)
    teams = [f"{city} {kind} {n}" for city in CITIES.split() for kind in KINDS.split() for n in range(8)]
    rows = []
    for number in range(games):
        home, away = random.sample(teams, 2)
        start = NOW + timedelta(minutes=7 * number)
        game = GameFact(str(number), NOW, 2024, start, False, home, away, False, False, "scheduled")
        rows.append(OnlineRow("soccer", "EPL", game, NOW, "", (), None, ""))
    slate = Slate()
    slate._table = SlateTable({key_of(row): row for row in rows}, {"EPL": NOW})
    slate.loaded = True
    return slate


def run() -> None:
    slate = slate_of(GAMES)
    began = time.perf_counter()
    slate.search("first", None, None, MOST, NOW)
    first = time.perf_counter() - began
    times = []
    for _ in range(ROUNDS):
        for text in TEXTS:
            began = time.perf_counter()
            slate.search(text, None, None, MOST, NOW)
            times.append((time.perf_counter() - began) * 1000)
    print(
        f"search among {GAMES:,} games: p50 {median(times):.1f} ms, p99 {quantiles(times, n=100)[98]:.1f} ms, "
        f"worst {max(times):.1f} ms; the first after a change, which makes the index, {first * 1000:.0f} ms"
    )


if __name__ == "__main__":
    run()
