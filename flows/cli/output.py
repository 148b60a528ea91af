"""What a command shows: numbered stages and one result for people, one JSON object for scripts."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

BAR_WIDTH = 24
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


class Output:
    """Stages go to standard error, results to standard output; with ``as_json`` only the result, as JSON."""

    def __init__(self, *, as_json: bool, stages: int = 0) -> None:
        self._as_json = as_json
        self._stages = stages
        self._number = 0
        self._started = time.monotonic()

    def stage(self, name: str, result: str) -> None:
        """A finished stage: its number, name, one result and how long it took."""
        now = time.monotonic()
        self._number += 1
        position = f"{self._number}/{max(self._stages, self._number)}" if self._stages else f"{self._number}"
        self.line(f" {position:>4} {name:<10} {result}  ({now - self._started:.1f} s)")
        self._started = now

    def working(self, text: str, done: int = 0, total: int = 0) -> None:
        """What is being done now, with a bar where the end is known: a passing line, on a terminal only."""
        if not self._as_json and sys.stderr.isatty():
            filled = BAR_WIDTH * done // total if total else 0
            bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total} " if total else ""
            sys.stderr.write(f"\r\x1b[2K      {bar}{text} ...\r")
            sys.stderr.flush()

    def line(self, text: str) -> None:
        """A line for people."""
        if not self._as_json:
            clear = "\r\x1b[2K" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{clear}{text}\n")

    def result(self, value: Mapping[str, Any], text: str = "") -> None:
        """The command's answer: the mapping as JSON, or the text for people."""
        if self._as_json:
            sys.stdout.write(json.dumps(value, default=str, indent=1) + "\n")
        elif text:
            sys.stdout.write(text.rstrip("\n") + "\n")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of text, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def flattened(answer: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a nested answer that is there, under the names that lead to it."""
    for key, value in answer.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{under}{key} ")
        elif value is not None:
            yield f"{under}{key}", value


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace("+", "").isdigit()
