"""``python -m tests.chaos [--scale 0.1] [F1 F9 ...] [soak --minutes 10]``: run rows, write docs/results-faults.md."""

import argparse
import sys
import time
from contextlib import ExitStack

from tests.chaos.abuse import access, malformed, secret, slow  # noqa: F401 - each module registers its rows
from tests.chaos.outcome import ROWS, Outcome
from tests.chaos.report import NAMES, SOAK, line_of, write
from tests.chaos.rows import (  # noqa: F401 - each module registers its rows
    beside,
    cache,
    database,
    disk,
    identity,
    load,
    migrations,
    model,
    redis,
    registry,
)
from tests.chaos.rows.soak import SOAK_MINUTES
from tests.chaos.stage import Stage, stage


def main() -> None:
    """Run the named rows, or all, in one environment; after a row that fails or raises, the next one gets a new one.

    A failed row is run once more in a new environment, and the page states that: bounds in milliseconds also fail
    because of other load on the machine.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", default=[name for name in NAMES if name in ROWS and name != SOAK])
    parser.add_argument("--scale", type=float, default=1.0, help="1: the sizes of the fault matrix; .1: a tenth")
    parser.add_argument("--minutes", type=float, help="of the soak; other rows are scaled alike")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.minutes is not None:
        given.scale = given.minutes / SOAK_MINUTES
    runner, failed = RowRunner(given.workers, given.scale), []
    try:
        for name in given.rows:
            began = time.monotonic()
            outcome = runner.run(name)
            if outcome.wrong:
                outcome = runner.run(name).after(outcome)
            line = line_of(ROWS[name], outcome, given.scale, time.monotonic() - began)
            write({name: line}, given.workers)
            print(line, flush=True)
            failed += [name] if outcome.wrong else []
    finally:
        runner.close()
    sys.exit(f"failed: {' '.join(failed)}" if failed else 0)


class RowRunner:
    """Runs rows in one environment, which is replaced after a failure."""

    def __init__(self, workers: int, scale: float) -> None:
        self._workers, self._scale = workers, scale
        self._open = ExitStack()
        self._stage: Stage | None = None

    def run(self, name: str) -> Outcome:
        """Run a row; an exception fails it."""
        outcome = Outcome()
        with outcome:
            if self._stage is None:
                new_stage = stage(workers=self._workers, cold=int(2_000 + 10_000 * self._scale))
                self._stage = self._open.enter_context(new_stage)
            ROWS[name].run(self._stage, self._scale, outcome)
        if outcome.wrong:
            self.close()
        return outcome

    def close(self) -> None:
        """Stop the environment."""
        self._stage = None
        self._open.close()


if __name__ == "__main__":
    main()
