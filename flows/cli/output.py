"""What a command shows: numbered stages and one result for people, one JSON object for scripts."""

import atexit
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.text.clean_streams import terminal_of
from core.text.printable import printable
from core.text.redaction import redact

if TYPE_CHECKING:
    from rich.progress import Progress

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


class Output:
    """Stages go to standard error, results to standard output; with ``as_json`` only the result, as JSON."""

    def __init__(self, *, as_json: bool, stages: int = 0) -> None:
        self._as_json = as_json
        self._stages = stages
        self._number = 0
        self._started = time.monotonic()
        self._progress: Progress | None = None

    def stage(self, name: str, result: str) -> None:
        """Show a finished stage: its number, name, result and duration."""
        now = time.monotonic()
        self._number += 1
        position = f"{self._number}/{max(self._stages, self._number)}" if self._stages else f"{self._number}"
        self.line(f" {position:>4} {name:<10} {result}  ({now - self._started:.1f} s)")
        self._started = now

    def working(self, text: str, done: int = 0, total: int = 0) -> None:
        """Show the present step, with a bar if ``total`` is known; on a terminal only, until the next line."""
        if self._as_json or not terminal_of(sys.stderr).isatty():
            return
        if self._progress is None:
            self._progress = _start_progress()
        for step in self._progress.task_ids:
            self._progress.remove_task(step)
        self._progress.add_task(printable(redact(text)), completed=done, total=total or None)

    def line(self, text: str) -> None:
        """Show a line to people."""
        if not self._as_json:
            self._stop_progress()
            sys.stderr.write(f"{text}\n")

    def result(self, value: Mapping[str, Any], text: str = "") -> None:
        """Print the command's result: the mapping as JSON, or the text for people."""
        self._stop_progress()
        if self._as_json:
            sys.stdout.write(json.dumps(value, default=str, indent=1) + "\n")
        elif text:
            sys.stdout.write(text.rstrip("\n") + "\n")

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def can_ask() -> bool:
    """Whether a person reads standard error on a terminal and can answer."""
    return sys.stdin.isatty() and terminal_of(sys.stderr).isatty()


def _start_progress() -> "Progress":
    """A bar on standard error that disappears when it stops, at the latest when the process ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # Without automatic refreshes there is no thread, which would take processor time from the work that is shown.
    progress = Progress(
        TextColumn("    "),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description} ...", markup=False),
        console=Console(file=terminal_of(sys.stderr)),
        auto_refresh=False,
        transient=True,
    )
    progress.start()
    atexit.register(progress.stop)
    return progress


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of text; numbers are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def flattened(nested: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a nested mapping that is not None, under the path of names that leads to it."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{under}{key} ")
        elif value is not None:
            yield f"{under}{key}", value


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("-", "").replace("+", "").isdigit()
