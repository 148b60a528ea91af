"""How the service is, part by part: the worst part is how it is, and every part says why."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from serving.games.staleness import STALE_AFTER
from serving.service import Service

Status = Literal["ok", "degraded", "down"]
WORST_LAST: Final[tuple[Status, ...]] = ("ok", "degraded", "down")


class Part(NamedTuple):
    """One thing the service depends on; ``age_s`` is that of its data or model, where it has one [seconds]."""

    name: str
    status: Status = "ok"
    cause: str | None = None
    age_s: float | None = None


def parts(service: Service) -> list[Part]:
    """Every part, from memory: nobody is asked."""
    now = service.clock.now()
    return [_database(service), *_redis(service), *_models(service, now), *_data(service, now), *_inside(service)]


def worst(found: list[Part]) -> Status:
    """The status of the whole."""
    return max((part.status for part in found), key=WORST_LAST.index)


def _database(service: Service) -> Part:
    away, age = service.slate_follower.database_error, service.slate_follower.age()
    since = None if age == float("inf") else round(age, 3)
    if away is None:
        return Part("database", age_s=since)
    return Part("database", "degraded", f"It is away ({away.code}); answers go on from what was read last.", since)


def _redis(service: Service) -> Iterator[Part]:
    shared = service.cache.shared
    if shared is None:
        return
    if shared.breaker.state == "closed":
        yield Part("redis")
    else:
        yield Part("redis", "degraded", "It is away; each worker caches for itself.")
    if service.admission.limits_breaker == "closed":
        yield Part("limits")
    else:
        yield Part("limits", "degraded", "Redis did not answer when last asked; each worker limits its own share.")


def _models(service: Service, now: datetime) -> Iterator[Part]:
    loaded, refusals = service.champions.loaded, service.champion_follower.failures
    if not loaded and not refusals:
        yield Part("models", "down", "No champion is loaded.")
    for model in sorted({*loaded, *refusals}):
        champion, refusal = loaded.get(model), refusals.get(model)
        age = None if champion is None else (now - champion.manifest.trained_until).total_seconds()
        if refusal is None:
            yield Part(f"model {model}", age_s=age)
        else:
            goes_on = "no version answers" if champion is None else f"version {champion.version.version} goes on"
            cause = f"Version {refusal.version} was refused ({refusal.code}), {goes_on}: {refusal.reason}"
            yield Part(f"model {model}", "down" if champion is None else "degraded", cause, age)


def _data(service: Service, now: datetime) -> Iterator[Part]:
    if not service.slate.loaded:
        yield Part("games", "down", "They were not read yet.")
    for league, checked_at in sorted(service.slate.table.checked.items()):
        age = (now - checked_at).total_seconds()
        if not service.staleness.allows(checked_at, now):
            yield Part(f"data {league}", "down", "data_too_old: the database is away for too long.", age)
        elif now - checked_at > STALE_AFTER:
            yield Part(f"data {league}", "degraded", "No feature build for more than a day.", age)
        else:
            yield Part(f"data {league}", age_s=age)


def _inside(service: Service) -> Iterator[Part]:
    waiting, lost = service.log.spooled(), service.metrics.dropped()
    if lost:
        yield Part("prediction log", "degraded", f"{lost:.0f} served predictions were lost since this worker began.")
    elif waiting:
        yield Part("prediction log", "degraded", f"{waiting} served predictions wait on disk for the database.")
    else:
        yield Part("prediction log")
    if not service.workers.have_converged():
        yield Part("workers", "degraded", "They answer with different generations; `workers` shows which.")
    else:
        yield Part("workers")
    level = service.load.level
    refuses = service.load.sheds("batch")
    yield Part("load", "degraded", f"Level {level} of 3: some work is refused.") if refuses else Part("load")
