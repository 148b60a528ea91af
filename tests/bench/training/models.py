"""Every league's forecasts, with and without the price, beside all yardsticks and the anchors of the reference pipeline.

``make bench-models`` tunes, walks each league of the development data forward by season, as ``dbsbm backtest`` does,
fits the final models too, and writes docs/results-models.md. Leagues are shared out to two processes, the largest first.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.csv.reader import read_csv
from tests.bench.training.anchors import ANCHORS, Measured, measured, peak_memory
from tests.bench.training.models_page import PAGE, Effort, page
from tests.conftest import DEVELOPMENT_DATA
from training.datasets.assembly import dataset_of
from training.fitting.recipe import RECIPES

PROCESSES: Final = 2
TRIALS: Final = 20
"""Of the search for parameters, per league and variant."""
ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def of_league(key: str, trials: int) -> tuple[dict[str, Measured], int, float]:
    """Both variants of one league, and which process measured them with how much memory so far [MiB]."""
    leagues = Leagues(BUILT_IN)
    league = leagues.get(key)
    dataset = dataset_of(league, read_csv(DEVELOPMENT_DATA / f"{key}.csv.gz", leagues).batches[league])
    found = {}
    for name, recipe in RECIPES.items():
        found[name] = measured(key, dataset, replace(recipe, tune=trials))
        loss = found[name].evaluation.scores[0].log_loss
        print(f"      {key} {name}: {loss:.4f} in {found[name].seconds:.0f} s", file=sys.stderr, flush=True)
    return found, os.getpid(), peak_memory()


def main() -> None:
    """Measure everything, print the page and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", type=int, default=TRIALS, help="trials per league and variant; 0: none")
    parser.add_argument("--leagues", default=",".join(ANCHORS))
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--output", type=Path, default=PAGE)
    asked = parser.parse_args()
    if not DEVELOPMENT_DATA.is_dir():
        print(f"bench-models: skipped, no development data at {DEVELOPMENT_DATA}")
        return
    began = time.monotonic()
    os.environ.update(ONE_THREAD)
    keys = asked.leagues.split(",")
    largest_first = sorted(keys, key=lambda key: -(DEVELOPMENT_DATA / f"{key}.csv.gz").stat().st_size)
    by_league: dict[str, dict[str, Measured]] = {}
    peaks: dict[int, float] = {}
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        running = {pool.submit(of_league, key, asked.tune): key for key in largest_first}
        for number, done in enumerate(as_completed(running), start=1):
            key = running[done]
            by_league[key], process, peak = done.result()
            peaks[process] = max(peak, peaks.get(process, 0.0))
            print(f" {number}/{len(keys)} {key}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    effort = Effort(time.monotonic() - began, [*peaks.values(), peak_memory()], " ".join(sys.argv[1:]))
    text = page(*([by_league[key][name] for key in keys] for name in ("results", "prices")), effort)
    asked.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
