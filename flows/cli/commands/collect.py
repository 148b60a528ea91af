"""``dbsbm collect``: the resident process that keeps games, prices and forecasts current."""

import signal
import threading
from typing import Annotated

import typer

from flows.cli.output import AsJson, Output


def collect(
    once: Annotated[bool, typer.Option("--once", help="Look once at everything, then stop.")] = False,
    json: AsJson = False,
) -> None:
    """Look at the bot and the feeds, each at its own pace, and bring changed leagues up to date, until stopped.

    Stop it with SIGTERM or Ctrl-C; the step that runs is finished first. May be killed and started again at any time.
    """
    from core.clock import SystemClock
    from core.errors import ConfigurationError
    from flows.cli.session import begin
    from flows.jobs.collecting import make_collector
    from serving.runtime.heap import use_one_arena
    from serving.runtime.lean_imports import import_without_companions

    use_one_arena()
    import_without_companions(("structlog", "lightgbm"))
    session, out = begin(), Output(as_json=json)
    collector = make_collector(session.settings)
    names = [look.name for look in collector.looks]
    if not names:
        hint = "Set BOT_DATABASE_URL, or name feeds in FEEDS_FILE (docs/feeds.md)."
        raise ConfigurationError("There is nothing to collect from.", hint=hint)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    out.line(f"Collecting from {', '.join(names)}.")
    clock, steps = SystemClock(), 0
    while not stopped.is_set():
        due = collector.step(clock.now())
        steps += 1
        if once:
            break
        stopped.wait(max(0.1, (due - clock.now()).total_seconds()))
    out.result({"steps": steps, "sources": names}, f"Stopped after {steps} steps.")
