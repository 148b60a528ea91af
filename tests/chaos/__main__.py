"""``python -m tests.chaos [--scale 0.1] [F1 F9 ...]``: run the rows and write docs/results-faults.md."""

import argparse
import sys
import time
from contextlib import ExitStack

from tests.chaos.outcome import ROWS, Outcome
from tests.chaos.report import NAMES, line_of, write
from tests.chaos.stage import Stage, stage


def main() -> None:
    """Run the rows named, or all, on one stage; a row that fails or raises leaves the next one a new stage.

    A failed row is run once more on a new stage, and the page says so: bounds in milliseconds also fail because of others.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", default=[name for name in NAMES if name in ROWS])
    parser.add_argument("--scale", type=float, default=1.0, help="1: the sizes of the fault matrix; .1: a tenth")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    theatre, failed = Theatre(given.workers, given.scale), []
    try:
        for name in given.rows:
            began = time.monotonic()
            outcome = theatre.play(name)
            if outcome.wrong:
                outcome = theatre.play(name).after(outcome)
            line = line_of(ROWS[name], outcome, given.scale, time.monotonic() - began)
            write({name: line}, given.workers)
            print(line, flush=True)
            failed += [name] if outcome.wrong else []
    finally:
        theatre.close()
    sys.exit(f"failed: {' '.join(failed)}" if failed else 0)


class Theatre:
    """Has a stage for each row: the last one's, unless something went wrong on it."""

    def __init__(self, workers: int, scale: float) -> None:
        self._workers, self._scale = workers, scale
        self._open = ExitStack()
        self._stage: Stage | None = None

    def play(self, name: str) -> Outcome:
        """Run a row; what it raises has failed it."""
        outcome = Outcome()
        with outcome:
            if self._stage is None:
                made = stage(workers=self._workers, cold=int(2_000 + 10_000 * self._scale))
                self._stage = self._open.enter_context(made)
            ROWS[name].run(self._stage, self._scale, outcome)
        if outcome.wrong:
            self.close()
        return outcome

    def close(self) -> None:
        """End the stage."""
        self._stage = None
        self._open.close()


if __name__ == "__main__":
    main()
