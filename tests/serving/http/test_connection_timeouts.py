"""Clients that are slow, send too much or contradict themselves, on real sockets without a proxy."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import httpx
import pytest
import uvicorn

from serving.http.connection_timeouts import LARGEST_HEAD, TimeoutProtocol
from serving.http.headers import ON_EVERY_RESPONSE
from tests.services import free_port

HEAD = b"GET / HTTP/1.1\r\nHost: us\r\n"


class Hasty(TimeoutProtocol):
    """The same with shorter limits, so that the tests are fast."""

    check_seconds = 0.1
    head_seconds = 0.6
    body_seconds = 0.6
    reading_seconds = 0.6


async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Respond with the length of the body, or with more than a socket buffers."""
    if scope["type"] != "http":
        return
    read, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        read, more = read + len(message["body"]), message.get("more_body", False)
    body = b"x" * 50_000_000 if scope["path"] == "/much" else str(read).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(protocol: type[asyncio.Protocol]) -> Iterator[int]:
    port = free_port()
    config = uvicorn.Config(app, port=port, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    with serving(Hasty) as port:
        yield port


@pytest.fixture(scope="module")
def usual() -> Iterator[int]:
    with serving(TimeoutProtocol) as port:
        yield port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def everything(connection: socket.socket) -> bytes:
    """Return what arrives until the other side closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def answers(port: int, sent: bytes) -> list[int]:
    """Return the statuses of all responses to these bytes, until the server closes the connection."""
    with closing(connected(port)) as connection:
        connection.sendall(sent)
        received = everything(connection)
    return [int(line.split(b" ")[1]) for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def test_fifty_dripping_heads_are_dropped_while_others_are_answered(hasty: int) -> None:
    dripping = [connected(hasty) for _ in range(50)]
    open_ones = set(dripping)
    for connection in dripping:
        connection.setblocking(False)
        connection.send(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    with httpx.Client(base_url=f"http://127.0.0.1:{hasty}") as client:
        while open_ones and time.monotonic() - began < 10:
            for connection in list(open_ones):
                try:
                    connection.send(b"X-A: b\r\n")
                    if connection.recv(10_000) == b"":
                        open_ones.discard(connection)
                except BlockingIOError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    open_ones.discard(connection)
            assert client.get("/").status_code == 200
            time.sleep(0.05)
    for connection in dripping:
        connection.close()
    assert not open_ones


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (HEAD, b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: us\r\nContent-Length: 10\r\n\r\nhalf", b""),
        (b"POST / HTTP/1.1\r\nHost: us\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b""),
        (HEAD + b"\r\n", b"HTTP/1.1 200 "),
        (HEAD + b"\r\n" + HEAD, b"HTTP/1.1 200 "),
    ],
)
def test_a_client_that_stops_in_the_middle_is_dropped(hasty: int, sent: bytes, received: bytes) -> None:
    with closing(connected(hasty)) as connection:
        connection.sendall(sent)
        answer = everything(connection)
    assert answer.startswith(received) if received else not answer.startswith(b"HTTP/1.1 200")


def test_empty_lines_keep_no_connection_open(hasty: int) -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(b"\r\n")
            time.sleep(0.05)

    with closing(connected(hasty)) as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        drip(connection)


def test_a_client_that_does_not_read_is_dropped(hasty: int) -> None:
    with closing(connected(hasty)) as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: us\r\n\r\n")
        time.sleep(1.5)
        assert len(everything(connection)) < 50_000_000


def test_a_connection_with_further_requests_is_kept(hasty: int) -> None:
    with closing(connected(hasty)) as connection:
        for _ in range(12):
            connection.sendall(HEAD + b"\r\n")
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
            time.sleep(0.15)


def test_pipelined_requests_are_answered_in_order(usual: int) -> None:
    bodies = [b"POST / HTTP/1.1\r\nHost: us\r\nContent-Length: %d\r\n\r\n%s" % (n, b"x" * n) for n in (3, 1, 2)]
    with closing(connected(usual)) as connection:
        connection.sendall(b"".join(bodies) + HEAD + b"Connection: close\r\n\r\n")
        received = everything(connection)
    assert [part[-1:] for part in received.split(b"HTTP/1.1 200 OK")[1:]] == [b"3", b"1", b"2", b"0"]


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        b"Content-Length : 5\r\n",
        b"X: a\r\n folded\r\nContent-Length\r\n",
        b"X: a\0b\r\n",
        b"X: a\rContent-Length: 5\r\n",
    ],
)
def test_a_request_of_two_lengths_is_refused_and_nothing_after_it_answered(usual: int, headers: bytes) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: us\r\n\r\n"
    request = b"POST / HTTP/1.1\r\nHost: us\r\n" + headers + b"\r\n0\r\n\r\n"
    assert answers(usual, request + smuggled) == [400]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: us\r\nX: " + b"a" * 65_536 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: us\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: us\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: us\r\nX: " + b"a" * 2_000_000,
    ],
)
def test_heads_larger_than_32_kib_are_refused(usual: int, request_bytes: bytes) -> None:
    with closing(connected(usual)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request_bytes)
        received = everything(connection)
    assert received == b"" or received.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert LARGEST_HEAD < 65_536


def test_a_large_body_behind_a_small_head_is_no_large_head(usual: int) -> None:
    body = b"x" * 300_000
    with httpx.Client(base_url=f"http://127.0.0.1:{usual}") as client:
        assert [client.post("/", content=body).text for _ in range(3)] == ["300000"] * 3


def test_nonsense_is_answered_with_a_problem(usual: int) -> None:
    with closing(connected(usual)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        received = everything(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"application/problem+json" in head
    assert all(b": ".join(header) in head for header in ON_EVERY_RESPONSE)
    assert b'"code":"VALIDATION_ERROR"' in body
