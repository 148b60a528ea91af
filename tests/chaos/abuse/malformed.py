"""Rows A1 to A4, A12 and A14: malformed, oversized and injected requests, compared with the OpenAPI document."""

import random
import re
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pymysql

from core.settings import load_settings
from serving.app import create_app
from tests.chaos.outcome import Outcome, row
from tests.chaos.remote import remote
from tests.chaos.stage import Stage
from tests.serving.api import test_abuse
from tests.serving.api.test_abuse import BATCH, INSIDE, LITERALS, contents
from tests.serving.http import test_connection_timeouts

ROOT = Path(__file__).parents[3]
KIND = "Content-Type: application/json"
ONE = '{"games":[{"sport":"soccer","league":"EPL","game_id":"G1"}]}'
LONGEST_TEXT = 100
"""The longest text of a search; a longer one is refused (422)."""

REFUSALS = {400, 404, 405, 408, 413, 414, 422, 431}


@row("A1", "requests by schemathesis over every operation, good and bad, and raw bytes on sockets of their own")
def malformed(stage: Stage, scale: float, outcome: Outcome) -> None:
    with remote(stage) as target:
        operations = sum(len(paths) for paths in target.openapi()["paths"].values())
        each = max(12, int(5_000 * scale / operations))
        described = test_abuse.statuses_by_the_description(target, stage.key, each)  # type: ignore[arg-type]
    seen: Counter[int] = Counter()
    leaks, slowest, chooser = 0, 0.0, random.Random(1)
    for _ in range(max(500, int(5_000 * scale))):
        began = time.monotonic()
        response = _exchange(stage.service.port, _mutated(chooser, stage.key))
        slowest = max(slowest, time.monotonic() - began)
        seen.update(int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", response))
        leaks += bool(INSIDE.search(response.decode("latin-1").replace("dbsbm", "")))
    outcome.report(
        f"{sum(described.values())} generated requests over {operations} operations hold the description: {dict(sorted(described.items()))}; {sum(seen.values())} answers to raw bytes: {dict(sorted(seen.items()))}, the slowest after {slowest:.1f} s"
    )
    outcome.expect(sum(described.values()) >= each * operations / 2, "too few requests were generated")
    outcome.expect(not [status for status in described if status >= 500], f"statuses {described}")
    undocumented = seen.keys() - {200, 304, 401, 403, 429} - REFUSALS
    outcome.expect(not undocumented, f"statuses that are not documented: {undocumented}")
    outcome.expect(slowest < 10, f"a connection hung for {slowest:.1f} s")
    outcome.expect(leaks == 0, f"{leaks} answers show internals")
    outcome.expect(stage.ask("/readyz")[0] == 200, "not ready afterwards")


def _mutated(chooser: random.Random, key: str) -> bytes:
    """Return a request with some bytes changed, removed or repeated, or random bytes."""
    bases = (
        f"GET /v1/predictions/soccer/EPL/G1 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n\r\n",
        f"POST {BATCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n{KIND}\r\nContent-Length: 64\r\n\r\n{ONE}    ",
        "GET /v1/games?q=Team HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    )
    content = bytearray(chooser.choice(bases).encode())
    match chooser.randrange(4):
        case 0:
            return chooser.randbytes(chooser.randrange(1, 400)) + b"\r\n\r\n"
        case 1:
            return bytes(content[: chooser.randrange(1, len(content))])
        case 2:
            place = chooser.randrange(len(content))
            return bytes(content[:place] + content[place // 2 : place] + content[place:])
    for _ in range(chooser.randrange(1, 8)):
        content[chooser.randrange(len(content))] = chooser.randrange(256)
    return bytes(content)


def _exchange(port: int, content: bytes, *, half_closed: bool = True) -> bytes:
    """Send bytes and return all that comes back until the server closes; ``half_closed`` ends the sending side first."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=12)) as connection:
        with suppress(OSError):
            connection.sendall(content)
            if half_closed:
                connection.shutdown(socket.SHUT_WR)
        parts = []
        with suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                parts.append(part)
    return b"".join(parts)


@row(
    "A2",
    "100 MB and endless bodies, 10,000-deep JSON, a million keys, NaN, 10^4000, doubled keys, bad UTF-8, a gzip bomb",
)
def monstrous(stage: Stage, scale: float, outcome: Outcome) -> None:
    durations, poured, statuses = [], [], Counter()
    (_, bodies), (_, paths) = (
        mark.args[:2] for mark in _marks(test_abuse.test_a_monstrous_body_is_refused, "body", "path")
    )
    with remote(stage) as target:
        with stage.load():  # until the workers have finished precomputing
            time.sleep(5)
        before = max(stage.rss())
        for path in paths:
            for body in bodies:
                test_abuse.test_a_monstrous_body_is_refused(target, stage.key, path, body)  # type: ignore[arg-type]
                durations.append(min(_timed(target.client, path, body, stage.key) for _ in range(3)))
    for head, piece in (
        (b"Content-Length: 104857600\r\n", b"x" * 65_536),
        (b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    ):
        began = time.monotonic()
        response = _pour(stage, head, piece)
        poured.append(time.monotonic() - began)
        statuses[int(response[9:12] or 0)] += 1
    grown = max(stage.rss()) - before
    outcome.report(
        f"{len(durations)} bodies, the slowest refusal after {max(durations) * 1e3:.0f} ms, {grown} MB more; 100 MB and endless: {dict(statuses)}"
    )
    outcome.expect(statuses.keys() == {413}, f"100 MB and endless bodies were answered {dict(statuses)}")
    outcome.report(f"those after {max(poured) * 1e3:.0f} ms with what they had sent")
    outcome.expect(max(durations) < 0.1, f"a refusal took {max(durations) * 1e3:.0f} ms, 100 allowed")
    outcome.expect(grown < 50, f"a worker grew by {grown} MB, 50 allowed")


def _marks(test: object, *names: str) -> list:
    """The parametrisations of a test by the names of their arguments."""
    return [next(mark for mark in test.pytestmark if mark.args[0] == name) for name in names]  # type: ignore[attr-defined]


def _timed(client: httpx.Client, path: str, body: bytes, key: str) -> float:
    began = time.monotonic()
    client.post(path, content=body, headers={"X-API-Key": key, **test_abuse.JSON})
    return time.monotonic() - began


def _pour(stage: Stage, head: bytes, piece: bytes) -> bytes:
    """Send a body until the server refuses it; return the response."""
    start = f"POST {BATCH} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {stage.key}\r\nContent-Type: application/json\r\n"
    with closing(socket.create_connection(("127.0.0.1", stage.service.port), timeout=10)) as connection:
        connection.sendall(start.encode() + head + b"\r\n")
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            readable, writable, _ = select.select([connection], [connection], [], 1)
            if readable:
                return connection.recv(1_000)
            if writable:
                connection.send(piece)
    return b""


@row(
    "A3",
    "missing and extra fields, wrong types and null in the place of every field, and fields that no caller may set",
)
def wrong_types(stage: Stage, scale: float, outcome: Outcome) -> None:
    good = {"sport": "soccer", "league": "EPL", "game_id": "G1"}
    values = (None, True, [], {}, [good], "x" * 10_000)  # numbers are taken for names on purpose: ids are numbers
    games = [{**good, name: value} for name in good for value in values]
    games += [{key: value for key, value in good.items() if key != name} for name in good]
    games += [
        {**good, name: value} for name in ("admin", "scopes", "key_id", "version", "__proto__") for value in (True, "x")
    ]
    whole = [
        None,
        [],
        "x",
        1,
        {"games": None},
        {"games": {}},
        {"games": [None]},
        {"games": [good], "scopes": ["admin"]},
    ]
    wrong = []
    with remote(stage) as target:
        for body in (*({"games": [game]} for game in games), *whole):
            answer = target.post(BATCH, json=body, headers={"X-API-Key": stage.key})
            if answer.status_code != 422 or not (answer.json().get("field") or answer.json().get("errors")):
                wrong.append(f"{answer.status_code} to {str(body)[:80]}")
    outcome.report(f"{len(games) + len(whole)} bodies, each refused with 422 and the field's name but {len(wrong)}")
    outcome.expect(not wrong, f"{len(wrong)} bodies were not refused by name: {'; '.join(wrong[:3])}")


@row("A4", "a corpus of injections in every string field, path and header; MySQL's own log of queries read afterwards")
def injections(stage: Stage, scale: float, outcome: Outcome) -> None:
    forms = (
        "{}",
        "{} ",
        "x{}",
        "{}--",
        "({})",
        '"{}"',
        "'{}'",
        "{}#",
        "a/{}",
        "{}%00",
        "{};",
        "/*{}*/",
        "{}\\",
        "0{}",
        "{}=1",
        "\t{}",
        "{}{}",
        "-{}",
    )
    texts = (form.format(*[literal] * form.count("{}")) for form in forms for literal in LITERALS)
    corpus = [text for text in texts if len(text) <= LONGEST_TEXT][: max(50, int(500 * scale))]
    before, bodies = contents(stage.world), set()
    with pymysql.connect(host="127.0.0.1", port=stage.database.port, user="root", autocommit=True) as other:
        watching = other.cursor()
        watching.execute("SET GLOBAL log_output = 'TABLE'")
        watching.execute("SET GLOBAL general_log = 1")
        with remote(stage) as target:
            for literal in corpus:
                test_abuse.test_a_payload_is_treated_as_an_unknown_name(target, stage.world, stage.key, literal)  # type: ignore[arg-type]
                answer = target.get("/v1/games", params={"league": literal}, headers={"X-API-Key": stage.key})
                bodies.add((answer.status_code, answer.json().get("code")))
        watching.execute("SET GLOBAL general_log = 0")
        watching.execute("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type = 'Query'")
        queries = [str(text) for (text,) in watching.fetchall()]
    quoted = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
    bare = [quoted.sub("?", query) for query in queries]
    leaked = {literal for literal in corpus for text in bare if len(literal) > 4 and literal in text}
    outcome.report(
        f"{len(corpus)} payloads in 9 places each; {len(queries)} queries of that time, {len(leaked)} with a payload outside of quotes; answers {bodies}"
    )
    outcome.expect(contents(stage.world) == before, "rows were changed")
    outcome.expect(not leaked, f"payloads reached SQL as SQL: {list(leaked)[:2]}")
    outcome.expect(len(bodies) == 1, f"payloads have different answers: {bodies}")
    outcome.expect(not any(re.search(r"\b(DROP|ALTER|CREATE|GRANT)\b", text) for text in bare), "an injected statement")


@row("A12", "the description of the running service beside that of the code, and the tests of the API contract")
def described(stage: Stage, scale: float, outcome: Outcome) -> None:
    with remote(stage) as target:
        same = target.openapi() == create_app(load_settings(_env_file=None)).openapi()
    outcome.expect(same, "the running service describes itself otherwise than the code")
    outcome.report(
        f"tests/laws/interfaces/test_api_contract.py: {_passed('tests/laws/interfaces/test_api_contract.py', outcome)}"
    )


def _passed(path: str, outcome: Outcome) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    *_, last = [line for line in done.stdout.splitlines() if line.strip()] or ["no output"]
    outcome.expect(done.returncode == 0, f"{path}: {last}")
    return last


@row("A14", "two lengths in one request, heads of 64 KB and more, pipelined requests")
def smuggled(stage: Stage, scale: float, outcome: Outcome) -> None:
    port, pairs, heads = stage.service.port, 0, 0
    for headers in _marks(
        test_connection_timeouts.test_a_request_of_two_lengths_is_refused_and_nothing_after_it_answered, "headers"
    )[0].args[1]:
        test_connection_timeouts.test_a_request_of_two_lengths_is_refused_and_nothing_after_it_answered(port, headers)
        pairs += 1
    for request in _marks(test_connection_timeouts.test_heads_larger_than_32_kib_are_refused, "request_bytes")[0].args[
        1
    ]:
        test_connection_timeouts.test_heads_larger_than_32_kib_are_refused(port, request)
        heads += 1
    games = [f"G{number}" for number in range(max(20, int(100 * scale)))]
    requests = "".join(_question(game, stage.key) for game in games) + _question("none", stage.key, "Connection: close")
    response = _exchange(port, requests.encode(), half_closed=False)
    order = [match.decode() for match in re.findall(rb'"game_id":"(G\d+)"', response)]
    outcome.report(
        f"{pairs} pairs answered 400 and nothing after them, {heads} heads refused, {len(order)} pipelined answers in order"
    )
    outcome.expect(order == games, f"pipelined answers came as {order[:5]}, {len(order)} of {len(games)}")


def _question(game: str, key: str, *more: str) -> str:
    lines = (f"GET /v1/predictions/soccer/EPL/{game} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {key}", *more)
    return "\r\n".join((*lines, "", ""))
