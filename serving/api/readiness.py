"""Whether the service can answer: the causes for probes, and the checks before a list of games is returned."""

from datetime import datetime

from core.betting.leagues import League
from serving.games.staleness import DataTooOldError
from serving.service import Service


def not_ready_causes(service: Service) -> list[str]:
    """Return why nothing can be answered; empty when the service is ready. Contains no host names or paths."""
    causes = []
    if not service.slate.loaded:
        error = service.slate_follower.database_error
        causes.append("Games not loaded yet." if error is None else f"Database unavailable ({error.code}).")
    if not service.champions.loaded:
        causes.append("No champion is loaded.")
        causes.extend(
            f"{model} {refusal.version} was refused ({refusal.code})."
            for model, refusal in service.champion_follower.failures.items()
        )
    if service.settings.requires_keys and not service.keys.loaded:
        causes.append(service.keys.why_not_loaded)
    try:
        _check_age(service, None, service.clock.now())
    except DataTooOldError as error:
        causes.append(error.message)
    return causes


def check_games_loaded(service: Service, league: League | None, now: datetime) -> None:
    """Raise ServiceError while no games were read, DataTooOldError if the league's, or all, are too old."""
    service.slate.require_loaded()
    _check_age(service, league, now)


def _check_age(service: Service, league: League | None, now: datetime) -> None:
    checked = service.slate.table.checked
    newest = max((moment for key, moment in checked.items() if league is None or key == league.key), default=None)
    if newest is not None:
        service.staleness.check(newest, now)
