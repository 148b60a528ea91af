"""Rows F20 to F22: overload, killed workers, and instances restarted behind the nginx of deploy/."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import p99
from tests.chaos.world import hot_games
from tests.services import free_port
from tests.serving.deployment.test_nginx import nginx
from tests.serving.processes import Served

BETWEEN_SECONDS = 1.0
"""Seconds of traffic before each restart and after the last."""

LOST_SECONDS = 0.6
"""Answers of a killed worker since its last write began are not logged (docs/ops.md)."""


@dataclass
class Flood:
    """The results of wrk."""

    statuses: Counter[int]
    per_second: float


def flood(stage: Stage, connections: int, seconds: float, port: int | None = None, *, afresh: bool = True) -> Flood:
    """Request the hot games with wrk over so many connections; ``afresh`` computes each one anew."""
    script = f"""
local n, seen = 0, {{}}
function setup(thread) threads = threads or {{}}; table.insert(threads, thread) end
function init(args) seen = {{}} end
function request()
  n = (n + 7) % {len(hot_games())}
  local headers = {{["X-API-Key"] = "{stage.key}"}}
  {'headers["Cache-Control"] = "no-cache"' if afresh else ""}
  return wrk.format("GET", "/v1/predictions/soccer/EPL/G" .. n, headers)
end
function response(status) seen[status] = (seen[status] or 0) + 1; counted = "" for s, c in pairs(seen) do counted = counted .. s .. "=" .. c .. " " end end
function done(summary, latency, requests)
  for _, thread in ipairs(threads) do print("seen " .. (thread:get("counted") or "")) end
end
"""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ask.lua").write_text(script)
        url = f"http://127.0.0.1:{stage.service.port if port is None else port}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", f"{folder}/ask.lua", url]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = re.findall(r"(\d+)=(\d+)", "".join(re.findall(r"seen .*", output)))
    statuses = Counter({int(status): int(count) for status, count in counts})
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    return Flood(statuses, float(rate[1]) if rate else 0.0)


@row(
    "F20",
    "wrk with 5 times the connections that exhaust the service, every answer computed anew, beside the matrix's own clients",
)
def overload(stage: Stage, scale: float, outcome: Outcome) -> None:
    alive = set(stage.service.workers())
    capacity = flood(stage, 64, 3)
    with stage.load(rate=50, clients=100) as load:
        time.sleep(3)
        beyond = flood(stage, 5 * 64, max(8.0, 30 * scale))
        over = time.monotonic()
        calm = until(lambda: all(stage.ask(f"/v1/predictions/{game}")[0] == 200 for game in hot_games()[:20]), 30)
        until(lambda: stage.metric("dbsbm_load_level") == 0, 10)
        time.sleep(phase(scale))
    accepted = [answer for answer in load.answers if answer.status == 200]
    refused = [answer for answer in load.answers if answer.status in (429, 503)]
    after = [
        answer.seconds for answer in load.answers if answer.due > over + 10 or answer.due > over + phase(scale) / 2
    ]
    slow = p99([answer.seconds for answer in accepted])
    outcome.report(
        f"capacity {capacity.per_second:.0f}/s at 64 connections; {beyond.per_second:.0f}/s at 320: {dict(beyond.statuses)}"
    )
    outcome.report(
        f"ours: {len(accepted)} accepted, p99 {slow:.0f} ms (a bare server's {p99(load.bare):.0f} ms), {len(refused)} refused; normal {calm:.1f} s after, p99 then {p99(after):.0f} ms"
    )
    outcome.expect(slow < 1_000, f"p99 of what was accepted is {slow:.0f} ms, 1000 allowed")
    outcome.expect(beyond.statuses.keys() <= {200, 429, 503}, f"wrk saw {dict(beyond.statuses)}")
    outcome.expect(all("retry-after" in answer.headers for answer in refused), "a refusal without Retry-After")
    outcome.expect(calm <= 10, f"normal again after {calm:.1f} s, 10 allowed")
    outcome.expect(p99(after) < 250, f"p99 afterwards is {p99(after):.0f} ms")
    outcome.expect(set(stage.service.workers()) == alive, "a worker died")
    outcome.wrong += broken_invariants(stage, load.answers, allowed=(200, 429, 503))


@dataclass
class Behind:
    """Runs two instances behind nginx."""

    stage: Stage
    port: int
    instances: list[Served]
    open: ExitStack
    stacks: list[ExitStack]

    def replace(self, number: int) -> float:
        """Terminate an instance and start another one on its port; return the seconds until the first one ended."""
        old = self.instances[number]
        began = time.monotonic()
        old.process.send_signal(signal.SIGTERM)
        old.process.wait(30)
        drained = time.monotonic() - began
        self.stacks[number].close()
        self.stacks[number] = self.open.enter_context(ExitStack())
        self.instances[number] = self.stacks[number].enter_context(instance(self.stage, old.port, 1))
        return drained


@contextmanager
def instance(stage: Stage, port: int, workers: int) -> Iterator[Served]:
    with stage.beside(workers=workers, PORT=str(port), TRUSTED_PROXIES="127.0.0.1") as made:
        until(lambda: stage.ask("/readyz", port=port)[0] == 200)
        yield made


@contextmanager
def behind_nginx(stage: Stage, workers: int) -> Iterator[Behind]:
    """Run the configuration of deploy/ in front of two instances."""
    ports = free_port(), free_port()
    with ExitStack() as stack:
        stacks = [stack.enter_context(ExitStack()) for _ in ports]
        made = [one.enter_context(instance(stage, port, workers)) for one, port in zip(stacks, ports, strict=True)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(nginx(folder, ports))
        yield Behind(stage, int(url.rpartition(":")[2]), made, stack, stacks)


@row("F21", "`kill -9` of a worker every 5 s, two instances of two workers behind the nginx of deploy/")
def workers_killed(stage: Stage, scale: float, outcome: Outcome) -> None:
    kills = max(2, int(12 * scale))
    moments = []
    with behind_nginx(stage, 2) as behind:
        with stage.load(port=behind.port, rate=50) as load:
            for number in range(kills):
                time.sleep(3)
                served = behind.instances[number % 2]
                victim = served.workers()[0]
                moments.append(time.monotonic())
                os.kill(victim, signal.SIGKILL)
                until(
                    lambda served=served, victim=victim: victim not in served.workers() and len(served.workers()) == 2
                )  # type: ignore[misc]
                time.sleep(2)
        exposed = [
            answer
            for answer in load.answers
            if any(at - LOST_SECONDS - 0.1 < answer.ended <= at + 0.1 for at in moments)
        ]
        history = broken_invariants(stage, load.answers, lost=len(exposed))
    outcome.traffic(load.answers, within=1_000, bare=load.bare)
    outcome.report(
        f"{kills} workers killed; at most {len(exposed)} answers of their last {LOST_SECONDS} s may lack in the log"
    )
    outcome.wrong += history


@row("F22", "SIGTERM to one instance after the other behind the nginx of deploy/, each replaced")
def rolling_restart(stage: Stage, scale: float, outcome: Outcome) -> None:
    rounds = max(1, int(3 * scale))
    drained = []
    with behind_nginx(stage, 1) as behind:
        with stage.load(port=behind.port) as load:
            for number in range(2 * rounds):
                time.sleep(BETWEEN_SECONDS)
                drained.append(behind.replace(number % 2))
            time.sleep(BETWEEN_SECONDS)
        history = broken_invariants(stage, load.answers)
    outcome.traffic(load.answers, within=1_000, bare=load.bare)
    outcome.report(f"{len(drained)} instances replaced, drained in {max(drained):.1f} s at most")
    outcome.expect(max(drained) <= 10, f"drained in {max(drained):.1f} s, 10 allowed")
    outcome.wrong += history
