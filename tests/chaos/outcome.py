"""What a row saw: figures to show, and every criterion that did not hold."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.chaos.stage import Stage
from tests.chaos.traffic import Answer, hit_rate, p99


@dataclass
class Outcome:
    """Grows while the row runs; the row passed if nothing is ``wrong``."""

    figures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __enter__(self) -> "Outcome":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        """What the row raises has failed it."""
        if not isinstance(error, Exception):
            return False
        traceback.print_exception(error)
        self.wrong.append(f"it raised {type(error).__name__}: {str(error)[:200]}")
        return True

    def say(self, figure: str) -> None:
        self.figures.append(figure)

    def expect(self, holds: bool, criterion: str) -> None:
        """A criterion, with the number that was seen."""
        if not holds:
            self.wrong.append(criterion)

    def traffic(self, answers: Sequence[Answer], *, within: float, failed: int = 0) -> None:
        """Show the answers; at most so many ``failed``, and the p99 below ``within`` [ms]."""
        lost = [answer for answer in answers if answer.status != 200]
        slow = p99([answer.seconds for answer in answers])
        self.say(f"{len(answers)} requests, {len(lost)} failed, p99 {slow:.0f} ms, hit rate {hit_rate(answers):.1%}")
        statuses = sorted({answer.status for answer in lost})
        self.expect(bool(answers), "nothing was asked")
        self.expect(len(lost) <= failed, f"{len(lost)} requests failed, with status {statuses}")
        self.expect(slow < within, f"p99 is {slow:.0f} ms, {within:.0f} allowed")


@dataclass(frozen=True)
class Row:
    """A line of the matrix: its name, what is done, and the function that does it."""

    name: str
    done: str
    run: Callable[[Stage, float, Outcome], None]


ROWS: dict[str, Row] = {}


def row(name: str, done: str) -> Callable[[Callable[[Stage, float, Outcome], None]], Callable[..., None]]:
    """Enter a function as the row of that name."""

    def enter(run: Callable[[Stage, float, Outcome], None]) -> Callable[..., None]:
        ROWS[name] = Row(name, done, run)
        return run

    return enter
