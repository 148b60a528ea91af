"""Health by component: the worst status is the service's, and each component gives its cause."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from serving.games.staleness import NEGATIVE_AGE, STALE_AFTER
from serving.service import Service

Status = Literal["ok", "degraded", "down"]
WORST_LAST: Final[tuple[Status, ...]] = ("ok", "degraded", "down")


class ComponentStatus(NamedTuple):
    """Status of one thing the service depends on; ``age_s`` is the age of its data or model [seconds]."""

    name: str
    status: Status = "ok"
    cause: str | None = None
    age_s: float | None = None


def component_statuses(service: Service) -> list[ComponentStatus]:
    """Return every component's status, from memory, without a request to any of them."""
    now = service.clock.now()
    return [_database(service), *_redis(service), *_models(service, now), *_data(service, now), *_inside(service)]


def worst_status(components: list[ComponentStatus]) -> Status:
    """Return the service's status."""
    return max((component.status for component in components), key=WORST_LAST.index)


def _database(service: Service) -> ComponentStatus:
    error, age = service.slate_follower.database_error, service.slate_follower.age()
    since = None if age == float("inf") else round(age, 3)
    if error is None:
        return ComponentStatus("database", age_s=since)
    return ComponentStatus(
        "database", "degraded", f"Unavailable ({error.code}); answers use the data read last.", since
    )


def _redis(service: Service) -> Iterator[ComponentStatus]:
    shared = service.cache.shared
    if shared is None:
        return
    if shared.breaker.state == "closed":
        yield ComponentStatus("redis")
    else:
        yield ComponentStatus("redis", "degraded", "Unavailable; each worker caches on its own.")
    if service.admission.limits_breaker == "closed":
        yield ComponentStatus("limits")
    else:
        yield ComponentStatus(
            "limits", "degraded", "Redis did not answer the last request; each worker limits its own share."
        )


def _models(service: Service, now: datetime) -> Iterator[ComponentStatus]:
    loaded, refusals = service.champions.loaded, service.champion_follower.failures
    if not loaded and not refusals:
        yield ComponentStatus("models", "down", "No champion is loaded.")
    for model in sorted({*loaded, *refusals}):
        champion, refusal = loaded.get(model), refusals.get(model)
        age = None if champion is None else (now - champion.manifest.trained_until).total_seconds()
        if refusal is None:
            yield ComponentStatus(f"model {model}", age_s=age)
        else:
            consequence = (
                "no version answers" if champion is None else f"version {champion.version.version} still answers"
            )
            cause = f"Version {refusal.version} was refused ({refusal.code}), {consequence}: {refusal.reason}"
            yield ComponentStatus(f"model {model}", "down" if champion is None else "degraded", cause, age)


def _data(service: Service, now: datetime) -> Iterator[ComponentStatus]:
    if not service.slate.loaded:
        yield ComponentStatus("games", "down", "Not read yet.")
    for league, checked_at in sorted(service.slate.table.checked.items()):
        age = (now - checked_at).total_seconds()
        if not service.staleness.allows(checked_at, now):
            yield ComponentStatus(
                f"data {league}", "down", "data_too_old: the database has been unavailable for too long.", age
            )
        elif now - checked_at < NEGATIVE_AGE:
            yield ComponentStatus(
                f"data {league}", "degraded", "Built by a clock that is ahead: its age is negative.", age
            )
        elif now - checked_at > STALE_AFTER:
            yield ComponentStatus(f"data {league}", "degraded", "No feature build in the last day.", age)
        else:
            yield ComponentStatus(f"data {league}", age_s=age)


def _inside(service: Service) -> Iterator[ComponentStatus]:
    depths, own, lost = service.spools.depths(), service.state_dir.folder.owner, service.metrics.dropped()
    waiting, others = depths.get(own, 0), {owner: depth for owner, depth in depths.items() if owner != own}
    if lost:
        yield ComponentStatus(
            "prediction log", "degraded", f"{lost:.0f} served predictions were lost since this worker started."
        )
    elif waiting:
        yield ComponentStatus(
            "prediction log", "degraded", f"{waiting} served predictions wait on disk for the database."
        )
    else:
        yield ComponentStatus("prediction log")
    if others:
        named = ", ".join(f"{depth} in {owner}" for owner, depth in sorted(others.items()))
        yield ComponentStatus(
            "other spools",
            "degraded",
            f"Served predictions of other databases wait on this machine's disk: {named}; see `dbsbm doctor`.",
        )
    if not service.workers.have_converged():
        yield ComponentStatus("workers", "degraded", "Workers answer with different generations; see `workers`.")
    else:
        yield ComponentStatus("workers")
    level = service.load.level
    refuses = service.load.sheds("batch")
    yield (
        ComponentStatus("load", "degraded", f"Level {level} of 3: some work is refused.")
        if refuses
        else ComponentStatus("load")
    )
