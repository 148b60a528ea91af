"""Rows A5 to A11: API keys, scopes, guilds, rate limits, client addresses, origins and hosts."""

import asyncio
import http.client
import statistics
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from serving.access.admission import FAILURES_PER_MINUTE
from serving.access.api_keys import SCOPES, create_key, revoke_key
from serving.api.guarded_route import REQUIRED_SCOPES
from serving.http.headers import ON_EVERY_RESPONSE
from tests.chaos.outcome import Outcome, row
from tests.chaos.remote import remote
from tests.chaos.rows.load import behind_nginx
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import Connection
from tests.chaos.world import hot_games
from tests.serving.api import test_gateway
from tests.serving.open_routes import OPEN_ROUTES

GAME = f"/v1/predictions/{hot_games()[0]}"
LIMIT = 400
THREADS = 50


def new_key(
    stage: Stage, *scopes: str, seconds: float | None = None, guild_id: int | None = None, port: int | None = None
) -> str:
    """Create a key and wait until every worker has read it, of the stage's service or of the one at ``port``."""
    now = datetime.now(UTC)
    expires_at = None if seconds is None else now + timedelta(seconds=seconds)
    key = create_key(stage.engine, owner="chaos", scopes=scopes, expires_at=expires_at, now=now, guild_id=guild_id).text
    until(lambda: stage.ask("/v1/games", port=port, **{"X-API-Key": key})[0] != 401, 20)
    time.sleep(2)  # every worker reads the keys once a second
    return key


@row("A5", "wrong keys from one address, then the time that a right id and a random one take to be refused")
def guessed(stage: Stage, scale: float, outcome: Outcome) -> None:
    tries = max(400, int(2_000 * scale))
    wait_for_a_minute(30)
    wrong = [
        stage.ask(GAME, **{"X-API-Key": f"{number:012x}.guess"})[0] for number in range(max(100, int(1_000 * scale)))
    ]
    refused = Counter(wrong)
    known_id, _, secret = stage.key.partition(".")
    prefixes = (f"{known_id}.{secret[:-1]}!", f"{known_id[::-1]}.{secret[:-1]}!")
    seconds: tuple[list[float], list[float]] = ([], [])
    line = http.client.HTTPConnection("127.0.0.1", stage.service.port)
    for number in range(2 * tries):
        which = number % 2
        began = time.perf_counter()
        line.request("GET", GAME, headers={"X-API-Key": prefixes[which]})
        line.getresponse().read()
        seconds[which].append(time.perf_counter() - began)
    line.close()
    # Half of the tries, the quickest: what other work on the machine adds is no property of the key.
    right, random = (statistics.fmean(sorted(one)[: tries // 2]) for one in seconds)
    apart = abs(right - random) / random
    good = stage.ask(GAME)[0]
    outcome.report(
        f"{dict(refused)}; a right id takes {right * 1e6:.0f} us, a random one {random * 1e6:.0f} us: {apart:.1%} apart over {tries} tries each"
    )
    outcome.expect(
        set(wrong) <= {401, 429} and 0 < refused[401] <= 2 * FAILURES_PER_MINUTE,
        f"wrong keys were answered {dict(refused)}",
    )
    outcome.expect(good == 200, f"a good key of the same address was answered {good}")
    # At a small scale the noise of a shared machine is larger than what is looked for.
    outcome.expect(apart < (0.01 if scale >= 1 else 0.2), f"the times are {apart:.1%} apart")


def wait_for_a_minute(seconds: float) -> None:
    """Wait until at least so much of the clock's minute is left."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.1)


@row("A6", "a key revoked, and one that expires, while clients use them on every worker")
def revoked(stage: Stage, scale: float, outcome: Outcome) -> None:
    for name in ("revoked", "expired"):
        expires = time.monotonic() + 10
        key = new_key(stage, "predict", seconds=None if name == "revoked" else 10)
        statuses: list[tuple[float, int]] = []
        stopping = threading.Event()
        threads = [threading.Thread(target=_use, args=(stage, key, statuses, stopping)) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        if name == "revoked":
            revoke_key(stage.engine, key.partition(".")[0], datetime.now(UTC))
            ended = time.monotonic()
            time.sleep(6)
        else:
            ended = expires
            time.sleep(max(0.0, expires - time.monotonic()) + 2)
        stopping.set()
        for thread in threads:
            thread.join()
        accepted = [at - ended for at, status in statuses if status == 200]
        late = max(0.0, max(accepted, default=0.0))
        refusals = {status for at, status in statuses if at > ended + late}
        outcome.report(f"{name}: {len(statuses)} requests, the last one admitted {late:.2f} s after")
        outcome.expect(len([at for at in accepted if at < 0]) > 20, f"{name}: the key was hardly used before")
        outcome.expect(late <= 5, f"{name}: let in {late:.2f} s after, 5 allowed")
        outcome.expect(refusals == {401}, f"{name}: answered {refusals} afterwards")


def _use(stage: Stage, key: str, statuses: list[tuple[float, int]], stopping: threading.Event) -> None:
    while not stopping.wait(0.03):
        began = time.monotonic()
        statuses.append((began, stage.ask(GAME, **{"X-API-Key": key})[0]))


@row("A7", "a key of guild 1 names guild 2, on every route")
def foreign_guild(stage: Stage, scale: float, outcome: Outcome) -> None:
    key = new_key(stage, *SCOPES, guild_id=1)
    with remote(stage) as target:
        routes = [
            (method, path)
            for path, methods in target.openapi()["paths"].items()
            if path not in OPEN_ROUTES
            for method in methods
        ]
        answers = Counter(
            target.request(
                method, path.replace("{guild_id}", "2"), headers={"X-API-Key": key, "X-Guild-ID": "2"}
            ).status_code
            for method, path in routes
        )
    own = stage.ask(GAME, **{"X-API-Key": key, "X-Guild-ID": "1"})[0]
    outcome.report(f"{len(routes)} routes answered {dict(answers)}; its own guild {own}")
    outcome.expect(len(routes) >= 10 and answers.keys() <= {403, 404}, f"routes answered {dict(answers)}")
    outcome.expect(own == 200, f"its own guild was answered {own}")


@row("A8", "every scope on every route, and no key at all")
def scopes(stage: Stage, scale: float, outcome: Outcome) -> None:
    keys = {scope: new_key(stage, scope) for scope in SCOPES} | {"all": new_key(stage, *SCOPES)}
    with remote(stage) as target:
        test_gateway.test_every_route_refuses_every_scope_but_its_own(target, keys)  # type: ignore[arg-type]
        bare = {
            target.request(method, path).status_code
            for path in REQUIRED_SCOPES
            for method in target.openapi()["paths"][path]
        }
        listed = target.openapi()["paths"].keys() - OPEN_ROUTES
    outcome.report(
        f"{len(REQUIRED_SCOPES)} routes times {len(SCOPES)} scopes refused except their own; without a key {bare}"
    )
    outcome.expect(listed <= REQUIRED_SCOPES.keys(), f"routes that demand no scope: {listed - REQUIRED_SCOPES.keys()}")
    outcome.expect(bare == {401}, f"without a key: {bare}")


@row(
    "A9",
    f"10 times the limit of {LIMIT} a minute by {THREADS} clients over 4 workers; a second time Redis is killed in the middle",
)
def beyond_the_limit(stage: Stage, scale: float, outcome: Outcome) -> None:
    with stage.beside(workers=4, KEY_RATE_LIMIT=str(LIMIT), RATE_LIMIT_SHARERS="4") as served:
        first, second = (new_key(stage, "predict", port=served.port) for _ in range(2))
        until(lambda: all(stage.ask("/readyz", port=served.port)[0] == 200 for _ in range(20)), 60)
        time.sleep(3)
        wait_for_a_minute(40)
        window = int(time.time() // 60)
        passed, refused = asyncio.run(_attack(served.port, first, 10 * LIMIT))
        # Redis is killed when a quarter of the limit is used, within the same minute.
        before, _ = asyncio.run(_attack(served.port, second, LIMIT // 4))
        stage.redis.kill()
        after, _ = asyncio.run(_attack(served.port, second, 10 * LIMIT - LIMIT // 4))
        same = int(time.time() // 60) == window
        stage.redis.start()
    until(lambda: stage.ask("/readyz")[1]["redis"] == "closed", 30)
    outcome.report(
        f"with Redis {passed} of {10 * LIMIT} let in, {refused} refused with Retry-After; Redis killed after {before}: {before + after} let in"
    )
    outcome.expect(same, "the clock's minute turned under the row: run it again")
    # Portions that Redis granted too late are lost: serving/access/rate_limiter.py.
    outcome.expect(LIMIT / 2 <= passed <= LIMIT + 1, f"{passed} let in, {LIMIT + 1} allowed")
    outcome.expect(refused == 10 * LIMIT - passed, f"{refused} refusals with Retry-After")
    outcome.expect(before + after <= 1.25 * LIMIT, f"{before + after} let in without Redis, {1.25 * LIMIT:.0f} allowed")


async def _attack(port: int, key: str, requests: int) -> tuple[int, int]:
    """Return how many requests are admitted, and how many refused with 429 and Retry-After."""
    left, counts = iter(range(requests)), Counter()

    async def client() -> None:
        line = Connection(port)
        for _ in left:
            status, headers, _ = await line.ask(GAME, {"X-API-Key": key})
            counts[status, "retry-after" in headers] += 1
        line.close()

    await asyncio.gather(*(client() for _ in range(THREADS)))
    return counts[200, False], counts[429, True]


@row("A10", "wrong keys, each with another X-Forwarded-For, at an instance itself and through nginx")
def spoofed(stage: Stage, scale: float, outcome: Outcome) -> None:
    with behind_nginx(stage, 1) as behind:
        for name, port, source in (
            ("instance", behind.instances[0].port, "127.0.0.2"),
            ("nginx", behind.port, "127.0.0.3"),
        ):
            wait_for_a_minute(15)
            answers = Counter(_spoofing(port, source, number) for number in range(4 * FAILURES_PER_MINUTE))
            outcome.report(f"{name}: {dict(answers)}")
            outcome.expect(answers.keys() == {401, 429}, f"{name}: {dict(answers)}")
            outcome.expect(
                answers[401] <= FAILURES_PER_MINUTE, f"{name}: {answers[401]} guesses, {FAILURES_PER_MINUTE} allowed"
            )


def _spoofing(port: int, source: str, number: int) -> int:
    """Return the status of a guessed key from that address with a forged X-Forwarded-For."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    headers = {"X-API-Key": "abc.def", "X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
    line.request("GET", GAME, headers={**headers, "Forwarded": f"for=203.0.113.{number}"})
    status = line.getresponse().status
    line.close()
    return status


@row("A11", "foreign origins, names of other hosts, and the headers that tell browsers what they may do")
def browsers(stage: Stage, scale: float, outcome: Outcome) -> None:
    paths = ("/healthz", "/docs", "/nothing", GAME, "/v1/games?limit=0", "/v1/games")
    with remote(stage) as target:

        def origin(name: str) -> str | None:
            return target.get(GAME, headers={"X-API-Key": stage.key, "Origin": name}).headers.get(
                "access-control-allow-origin"
            )

        def status(host: str) -> int:
            return target.get("/healthz", headers={"Host": host}).status_code

        origins = {
            name: origin(name)
            for name in ("https://ours.example", "https://evil.example", "null", "https://ours.example.evil")
        }
        hosts = {
            name: status(name)
            for name in ("127.0.0.1", "a.ours.example", "evil.example", "ours.example.evil", "169.254.169.254")
        }
        preflight = target.request(
            "OPTIONS", GAME, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
        )
        missing = [
            (path, name.decode())
            for path in paths
            for name, value in ON_EVERY_RESPONSE
            if target.get(path, headers={"X-API-Key": stage.key}).headers.get_list(name.decode()) != [value.decode()]
        ]
    outcome.report(
        f"origins {origins}; hosts {hosts}; {len(paths)} answers with all of {len(ON_EVERY_RESPONSE)} headers"
    )
    allowed = {name for name, is_allowed in origins.items() if is_allowed}
    outcome.expect(allowed == {"https://ours.example"}, f"origins allowed: {allowed}")
    outcome.expect("access-control-allow-origin" not in preflight.headers, "a foreign preflight was let in")
    outcome.expect(
        hosts
        == {
            "127.0.0.1": 200,
            "a.ours.example": 200,
            "evil.example": 400,
            "ours.example.evil": 400,
            "169.254.169.254": 400,
        },
        f"{hosts}",
    )
    outcome.expect(not missing, f"headers missing: {missing[:3]}")
