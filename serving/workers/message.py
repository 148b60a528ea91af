"""The messages between a worker and its supervisor: JSON lines over a pair of connected sockets.

A socket without a name needs no folder that could be full or deleted, and it closes when either process dies.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final, Literal, NotRequired, TypedDict, cast

from serving.telemetry.totals import Report

LONGEST: Final = 32 * 1024 * 1024
"""Length of a line [bytes]; a report has some 100 KB."""


class Message(TypedDict):
    """A message: *alive?* and *total* go to the worker, the others to the supervisor."""

    kind: Literal["alive?", "alive", "report", "add up", "total"]
    number: NotRequired[int]
    """Of the question *alive?*, repeated in the answers *alive* and *report*."""
    ready: NotRequired[bool]
    """Whether the worker serves."""
    report: NotRequired[Report]
    """The worker's metrics."""
    text: NotRequired[str]
    """The metrics of all workers."""


def send(writer: asyncio.StreamWriter, message: Message) -> None:
    """Queue a message; what a process that has ended does not read is lost."""
    # Not orjson, which has no infinity: gauges may be infinite.
    writer.write(json.dumps(message).encode() + b"\n")


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    """Yield the messages of the other process until it closes its end."""
    try:
        async for line in reader:
            yield cast("Message", json.loads(line))
    except OSError:
        return
