"""The outcome of a row: its figures, and every criterion that did not hold."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.chaos.stage import Stage
from tests.chaos.traffic import Answer, hit_rate, p99


@dataclass
class Outcome:
    """Filled in while the row runs; the row has passed if ``wrong`` is empty."""

    figures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __enter__(self) -> "Outcome":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Record an exception of the row as a failure."""
        if not isinstance(error, Exception):
            return False
        traceback.print_exception(error)
        self.wrong.append(f"it raised {type(error).__name__}: {str(error)[:200]}")
        return True

    def after(self, first: "Outcome") -> "Outcome":
        """Return this outcome of a second run, with the failures of the first."""
        self.report(f"second run; the first: {'; '.join(first.wrong)}")
        return self

    def report(self, figure: str) -> None:
        self.figures.append(figure)

    def expect(self, holds: bool, criterion: str) -> None:
        """Check a criterion; ``criterion`` describes the failure with the observed number."""
        if not holds:
            self.wrong.append(criterion)

    def traffic(self, answers: Sequence[Answer], *, within: float, bare: Sequence[float] = ()) -> None:
        """Report the answers: none may have failed, and the p99 must be below ``within`` [ms].

        The p99 of a ``bare`` server at the same time is the machine's own delay, and is added to the limit.
        """
        lost = [answer for answer in answers if answer.status != 200]
        slow, machine = p99([answer.seconds for answer in answers]), p99(bare) if bare else 0.0
        beside = f" (a bare server's {machine:.0f} ms)" if bare else ""
        self.report(
            f"{len(answers)} requests, {len(lost)} failed, p99 {slow:.0f} ms{beside}, hit rate {hit_rate(answers):.1%}"
        )
        self.expect(bool(answers), "no request was sent")
        self.expect(not lost, f"{len(lost)} requests failed, with status {sorted({answer.status for answer in lost})}")
        self.expect(
            slow < within + machine, f"p99 is {slow:.0f} ms, {within:.0f} allowed and {machine:.0f} the machine's"
        )


@dataclass(frozen=True)
class Row:
    """A row of the fault matrix: its name, a description of the fault, and the function that causes it."""

    name: str
    done: str
    run: Callable[[Stage, float, Outcome], None]


ROWS: dict[str, Row] = {}


def row(name: str, done: str) -> Callable[[Callable[[Stage, float, Outcome], None]], Callable[..., None]]:
    """Register a function as the row of that name."""

    def enter(run: Callable[[Stage, float, Outcome], None]) -> Callable[..., None]:
        ROWS[name] = Row(name, done, run)
        return run

    return enter
