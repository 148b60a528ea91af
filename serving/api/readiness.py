"""Whether anything can be answered: what probes are told, and what keeps an empty list from looking like an answer."""

from datetime import datetime

from core.betting.leagues import League
from serving.games.staleness import DataTooOldError
from serving.service import Service


def why_not_ready(service: Service) -> list[str]:
    """What is missing to answer anything; empty when something can be. Names no place on our machines."""
    causes = []
    if not service.slate.loaded:
        away = service.slate_follower.database_error
        causes.append("The games were not read yet." if away is None else f"The database is away ({away.code}).")
    if not service.champions.loaded:
        causes.append("No champion is loaded.")
        causes.extend(
            f"{model} {refusal.version} was refused ({refusal.code})."
            for model, refusal in service.champion_follower.failures.items()
        )
    if service.settings.requires_keys and not service.keys.loaded:
        causes.append("The keys were not read yet.")
    try:
        _must_be_current(service, None, service.clock.now())
    except DataTooOldError as error:
        causes.append(error.message)
    return causes


def must_know_games(service: Service, league: League | None, now: datetime) -> None:
    """Raises ServiceError while no games were read, DataTooOldError if those of the league, or all, are too old."""
    service.slate.require_loaded()
    _must_be_current(service, league, now)


def _must_be_current(service: Service, league: League | None, now: datetime) -> None:
    checked = service.slate.table.checked
    newest = max((moment for key, moment in checked.items() if league is None or key == league.key), default=None)
    if newest is not None:
        service.staleness.check(newest, now)
