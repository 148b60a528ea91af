"""Output leaves through a bounded queue: a reader that pauses or closes stops no writer."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from core.logs import configure_logs, get_logger
from core.settings import load_settings
from serving.telemetry.output_queue import OutputQueue, dropped_lines, queued_output
from tests.serving.service import eventually

LINE = "x" * 999 + "\n"
PIPE_HOLDS = 65_536


class Pipe:
    """A pipe whose reader reads when it is asked to."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        self.writer: TextIO = os.fdopen(writing, "w")

    def read(self, size: int = 1 << 20) -> str:
        return os.read(self._reading, size).decode()

    def leave(self) -> None:
        os.close(self._reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.writer.close()


def read_until(pipe: Pipe, ending: str) -> str:
    text = ""
    while not text.endswith(ending):
        text += pipe.read()
    return text


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    queue = OutputQueue(pipe.writer)
    lines = [f"{number} {'x' * 500}\n" for number in range(2_000)]
    threading.Thread(target=lambda: [queue.write(line) for line in lines], daemon=True).start()
    assert read_until(pipe, lines[-1]) == "".join(lines)
    assert queue.dropped == 0


def test_a_paused_reader_costs_lines_that_are_counted_and_reported(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, own_logs: None
) -> None:
    monkeypatch.setattr(sys, "stderr", pipe.writer)
    configure_logs(load_settings(_env_file=None, dbsbm_env="production"))
    with queued_output():
        for number in range(10_000):
            sys.stderr.write(f"{number} {LINE}")
        before = dropped_lines()
        assert 0 < before < 10_000
        text = ""
        while "because its reader paused" not in text:
            text += pipe.read()
        kept = [line for line in text.splitlines() if line.endswith("x")]
        assert len(kept) + before == 10_000
        assert f'"count": {before}' in text
        get_logger("ours").info("continues")
        assert "continues" in read_until(pipe, "}\n")
        assert dropped_lines() == before
    assert dropped_lines() == 0


def test_the_end_drains_within_a_bound(pipe: Pipe) -> None:
    queue = OutputQueue(pipe.writer)
    queue.write("last words\n")
    queue.drain(5)
    assert pipe.read() == "last words\n"
    paused = OutputQueue(pipe.writer)
    paused.write(LINE * 100)
    paused.drain(0.05)  # returns although no one reads
    assert paused.dropped == 0
    assert len(pipe.read()) == PIPE_HOLDS


def test_a_reader_that_is_gone_costs_lines_only_and_no_report_of_a_report(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, own_logs: None
) -> None:
    monkeypatch.setattr(sys, "stderr", pipe.writer)
    configure_logs(load_settings(_env_file=None, dbsbm_env="production"))
    pipe.leave()
    with queued_output():
        for lines in range(1, 6):
            sys.stderr.write(LINE)
            eventually(lambda lines=lines: dropped_lines() >= lines)  # type: ignore[misc]
        assert dropped_lines() == 5


def test_loggers_of_libraries_with_a_handler_of_their_own_are_queued_and_restored(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, own_logs: None
) -> None:
    monkeypatch.setattr(sys, "stderr", pipe.writer)
    library, handler = logging.getLogger("library with a handler"), logging.StreamHandler(pipe.writer)
    library.addHandler(handler)
    configure_logs(load_settings(_env_file=None))
    streams = [handler, logging.root.handlers[0]]
    with queued_output():
        assert all(isinstance(one.stream, OutputQueue) for one in streams)  # type: ignore[attr-defined]
        assert isinstance(sys.stderr, OutputQueue)
        library.warning("of a library")
    assert all(one.stream is pipe.writer for one in streams)  # type: ignore[attr-defined]
    assert sys.stderr is pipe.writer
    assert "of a library" in pipe.read()
    library.removeHandler(handler)


def test_a_process_without_standard_error_needs_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with queued_output():
        assert sys.stderr is None
