"""``python -m tests.chaos [--scale 0.1] [F1 F9 ...]``: run the rows and write docs/results-faults.md."""

import argparse
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.rows import ELSEWHERE, ROWS, Outcome
from tests.chaos.stage import stage

REPORT = Path(__file__).parents[2] / "docs" / "results-faults.md"


def main() -> None:
    """Run the rows named, or all, on one stage; a row that raises has failed, and the next one gets a new stage."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", default=list(ROWS))
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1: twenty seconds a phase; a full run takes 20 minutes"
    )
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    lines: dict[str, str] = {}
    with stage(workers=given.workers) as made:
        for name in given.rows:
            began = time.monotonic()
            outcome = ROWS[name](made, given.scale)
            lines[name] = _line(name, outcome)
            print(f"{lines[name]}  [{time.monotonic() - began:.0f} s]", flush=True)
    REPORT.write_text(_page(lines, given.scale, given.workers), encoding="utf-8")


def _line(name: str, outcome: Outcome) -> str:
    verdict = f"**FAIL** {'; '.join(outcome.wrong)}" if outcome.wrong else "pass"
    return f"| {name} | {outcome.done} | {outcome.figures} | {verdict} |"


def _page(lines: dict[str, str], scale: float, workers: int) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    names = sorted({*ROWS, *ELSEWHERE}, key=lambda name: (name[0] != "F", int(name[1:])))
    rows = [
        lines.get(name) or f"| {name} | | | {ELSEWHERE.get(name, 'NOT RUN: left out of this run')} |" for name in names
    ]
    head = (
        "# Faults and abuse: what was broken, and what was seen",
        "",
        (
            f'`make chaos ARGS="--scale {scale:g}"` on {datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip()}; '
            f"{workers} workers, 4 clients, about 100 requests a second, on a machine that was also doing other work."
        ),
        "After every row: every answer was computed anew outside of the service and equal (I1), chances sum to 1 (I2), ages are true (I3), no client's",
        "version went back (I4), every answer was logged once (I5), and no status but the allowed (I7).",
        "",
        "| row | what was done | figures | verdict |",
        "| --- | --- | --- | --- |",
    )
    return "\n".join((*head, *rows)) + "\n"


if __name__ == "__main__":
    main()
