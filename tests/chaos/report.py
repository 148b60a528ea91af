"""The page of results: one line per row of the matrix, each with its own day, commit and scale.

A run replaces the lines of the rows it ran and leaves the others as they stand.
"""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.outcome import Outcome, Row

PAGE = Path(__file__).parents[2] / "docs" / "results-faults.md"
SOAK = "soak"
NAMES = (*(f"F{number}" for number in range(1, 29)), *(f"A{number}" for number in range(1, 16)), "B2", "E3", SOAK)

HEAD = """# Faults and abuse: what was done and what was observed

Written by `make chaos`; a run of some rows (`ARGS="--scale 0.1 F1 F9"`) replaces only their lines. Scale 1 is the size
of the fault matrix as far as two cores allow: about 100 requests a second for a minute, Zipf traffic over 200 warm
games, {workers} workers. The clients share the machine's cores with the service, and on the days below other work ran
beside them. A bare server that does nothing therefore receives 50 requests a second meanwhile, and its p99 is added to
what a row allows. A row that fails is run once more in a new environment; its line then states what failed the first
time.

After every row with traffic:

- I1: each answer equals what is computed anew outside of the service from the version and the data that it names;
- I2: probabilities sum to 1;
- I3: the age is that of a check that took place, and *stale* is set exactly when the database was unavailable or a
  newer answer was due;
- I4: on no connection did a generation decrease except by a recorded change (answers marked as about to be replaced
  are left out, and workers follow a change within seconds of one another);
- I5: each answer was logged once;
- I7: no status was seen except those the degradation policy allows.

I6 is about training and not checked here. The row *soak* (`ARGS=soak`, half an hour; `ARGS="soak --minutes 10"`) runs
only when it is named.

| row | what was done | figures | verdict | run |
| --- | --- | --- | --- | --- |
"""


def line_of(row: Row, outcome: Outcome, scale: float, seconds: float) -> str:
    """Return the row as a line of the table."""
    verdict = f"**FAIL** {'; '.join(outcome.wrong)}" if outcome.wrong else "pass"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    run = f"{datetime.now(UTC):%Y-%m-%d} {commit.stdout.strip()}, scale {scale:g}, {seconds:.0f} s"
    cells = (row.name, row.done, "; ".join(outcome.figures), verdict, run)
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def write(lines: dict[str, str], workers: int) -> None:
    """Replace these lines of the page."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    current = {match[1]: match[0] for match in re.finditer(r"^\| ([A-Z]\d+|soak) \|.*\|$", before, re.MULTILINE)}
    all_lines = {**{name: f"| {name} | | | NOT RUN | |" for name in NAMES}, **current, **lines}
    PAGE.write_text(
        HEAD.format(workers=workers) + "\n".join(all_lines[name] for name in NAMES) + "\n", encoding="utf-8"
    )
