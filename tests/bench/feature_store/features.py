"""The feature kernel on generated leagues of growing size, beside pandas rolling means of ten columns.

Then the whole build from an archive (``from_facts``), which the kernel is a small part of.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from math import log
from statistics import median

import numpy as np

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.features.sets import EVERYTHING
from feature_store.history.fact_columns import FactColumns, GameColumns, QuoteColumns, ResultColumns
from feature_store.rows.replay import past_table

DAY = 86_400.0
TEAMS = 400
SIZES = (1_000, 10_000, 100_000, 1_000_000)
GAMES_A_DAY = 50


def generated(games: int) -> FactColumns:
    """A league of 400 teams with results, closing odds and lines; a tenth of the results a day late."""
    random = np.random.default_rng(1)
    start = np.sort(random.integers(0, games // GAMES_A_DAY + 1, games) * DAY)
    home = random.integers(0, TEAMS, games)
    away = (home + random.integers(1, TEAMS, games)) % TEAMS
    late = np.where(random.random(games) < 0.1, DAY, 0.0)
    finish = start + 3 * 3600
    number, no = np.arange(games), np.zeros(games, dtype=np.bool_)
    odds = np.column_stack((1.1 + 3 * random.random(games), np.full(games, np.nan), 1.1 + 3 * random.random(games)))
    return FactColumns(
        game_ids=[f"g{index:08d}" for index in range(games)],
        teams=[f"team {index}" for index in range(TEAMS)],
        games=GameColumns(number, start - 14 * DAY, start // (365 * DAY), start, home, away, no, no, no, no),
        results=ResultColumns(
            number,
            finish + late,
            finish,
            random.poisson(100, games).astype(np.float64),
            random.poisson(97, games).astype(np.float64),
            random.poisson(12, (games, 2)).astype(np.float64),
            random.poisson(5, (games, 2)).astype(np.float64),
        ),
        quotes=QuoteColumns(
            number,
            np.zeros(games, dtype=np.int64),
            start,
            start,
            odds,
            random.normal(0, 6, games),
            random.normal(200, 6, games),
            np.full(games, 0.5),
        ),
        versions=[],
    )


def rolling(facts: FactColumns) -> Callable[[], object]:
    """Ten rolling means of five statistics per team over the same games, shifted by one, in pandas."""
    import pandas

    team = np.concatenate((facts.games.home, facts.games.away))
    random = np.random.default_rng(2)
    frame = pandas.DataFrame({"team": team, "start": np.tile(facts.games.start, 2)})
    names = [f"stat{number}" for number in range(5)]
    for name in names:
        frame[name] = random.random(len(frame))
    frame = frame.sort_values(["team", "start"], kind="stable", ignore_index=True)

    def work() -> object:
        shifted = frame.groupby("team")[names].shift()
        shifted["team"] = frame["team"]
        by_team = shifted.groupby("team")[names]
        return [by_team.rolling(window, min_periods=1).mean() for window in (5, 10)]

    return work


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def one_size(games: int, rounds: int) -> None:
    """Interleaved rounds of this project's kernel and pandas; prints one line. Runs in a process of its own, for its peak memory."""
    league = Leagues(BUILT_IN).get("NBA")
    past_table(league, generated(200), EVERYTHING)  # compiled or loaded from the cache of an earlier run
    facts = generated(games)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = [timed(lambda: past_table(league, facts, EVERYTHING))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    theirs_work = rolling(facts)
    theirs = []
    for _ in range(rounds):
        theirs.append(timed(theirs_work))
        ours.append(timed(lambda: past_table(league, facts, EVERYTHING)))
    mine, pandas = median(ours), median(theirs)
    print(
        f"{games} {mine:.4f} feature kernel on {games:,} games in columns: {mine:.3f} s ({mine / games * 1e6:.1f} us a game),"
        f" {mine / pandas:.2f} of pandas' rolling ({pandas:.3f} s), peak {peak / 1024:.0f} MiB"
        f" ({(peak - before) / 1024:.0f} MiB more than with the facts alone)",
        flush=True,
    )


def run(rounds: int = 3) -> None:
    """Every size in its own process, then the slope of time against games on logarithmic scales."""
    points = []
    for size in SIZES:
        command = [sys.executable, "-m", "tests.bench.feature_store.features", str(size), str(rounds)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        games, seconds, text = said.strip().split(" ", 2)
        points.append((log(float(games)), log(float(seconds))))
        print(text, flush=True)
    slope = np.polyfit(*zip(*points, strict=True), 1)[0]
    print(f"feature kernel: log-log slope {slope:.2f} over {SIZES[0]:,} to {SIZES[-1]:,} games", flush=True)
    subprocess.run([sys.executable, "-m", "tests.bench.feature_store.from_facts"], check=True)


if __name__ == "__main__":
    one_size(int(sys.argv[1]), int(sys.argv[2]))
