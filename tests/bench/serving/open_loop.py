"""An open-loop load generator: requests at fixed moments, whether or not the last response has arrived."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

EXPONENT = 1.1
CONNECTIONS = 64


@dataclass
class Record:
    """Results of the requests, in the order they were due."""

    due: list[float] = field(default_factory=list)
    """Seconds since the start."""
    latencies: list[float] = field(default_factory=list)
    """From the moment a request was due until its answer was read [seconds]."""
    levels: list[str] = field(default_factory=list)
    errors: int = 0

    def hit_rate(self, begin: float, end: float) -> float:
        """Share of answers out of a cache among those due in the window [seconds since the start]."""
        within = [level for due, level in zip(self.due, self.levels, strict=True) if begin <= due < end]
        return sum(level in ("local", "redis") for level in within) / max(1, len(within))

    def p99(self) -> float:
        return float(np.quantile(self.latencies, 0.99))


def zipf(count: int, size: int) -> Sequence[int]:
    """Ranks from 0, drawn with chances as 1 / rank^1.1."""
    weights = 1 / np.arange(1, count + 1) ** EXPONENT
    return [int(rank) for rank in np.random.default_rng(11).choice(count, size, p=weights / weights.sum())]


def run(
    port: int,
    paths: Sequence[str],
    headers: Mapping[str, str],
    *,
    rate: float,
    seconds: float,
    at: Callable[[float], None] | None = None,
) -> Record:
    """Request the paths, drawn by Zipf's law, ``rate`` times a second; ``at`` is called halfway, in a thread."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "bench", **headers}.items())
    return asyncio.run(_run(port, paths, lines, rate, seconds, at))


async def _run(
    port: int, paths: Sequence[str], headers: str, rate: float, seconds: float, at: Callable[[float], None] | None
) -> Record:
    record, drawn = Record(), zipf(len(paths), int(rate * seconds))
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    began, tasks = time.perf_counter(), []
    halfway = None
    for number, rank in enumerate(drawn):
        due = number / rate
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        if at is not None and halfway is None and due >= seconds / 2:
            halfway = asyncio.create_task(asyncio.to_thread(at, due))
        tasks.append(asyncio.create_task(_ask(idle, paths[rank], headers, began, due, record)))
    await asyncio.gather(*tasks, *([] if halfway is None else [halfway]))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return record


async def _ask(
    idle: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]",
    path: str,
    headers: str,
    began: float,
    due: float,
    record: Record,
) -> None:
    reader, writer = await idle.get()
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    idle.put_nowait((reader, writer))
    if " 200 " not in head.split("\r\n")[0]:
        record.errors += 1
        return
    record.due.append(due)
    record.latencies.append(time.perf_counter() - began - due)
    record.levels.append(body.rpartition(b'"cache":"')[2].partition(b'"')[0].decode())
