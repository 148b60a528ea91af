"""A refused training is logged as a failed run in MLflow, with the message that the screen showed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.betting.leagues import League
from core.errors import DbsbmError, DependencyError
from core.logs import get_logger
from core.registry.tracking.client import Tracking
from core.registry.tracking.runs import RefusedRun
from training.fitting.recipe import Recipe
from training.runs.provenance import code_version

log = get_logger(__name__)
LONGEST_TAG: Final = 1_000


@dataclass
class Attempt:
    """What is decided about a training so far."""

    league: League
    recipe: Recipe
    known_by: datetime
    snapshot_sha256: str | None = None
    """None until the data are read."""


@contextmanager
def log_refusals(tracking_uri: str, experiment: str, attempt: Attempt) -> Iterator[Attempt]:
    """Log a refusal raised inside the block as a failed run of the experiment, and raise it again.

    An unavailable dependency is no refusal. If MLflow is unavailable, the refusal is raised all the same.
    """
    try:
        yield attempt
    except DependencyError:
        raise
    except DbsbmError as refusal:
        try:
            Tracking(tracking_uri).log_refusal(_refused_run(experiment, attempt, refusal))
        except DbsbmError as failure:
            log.warning("the refusal was not noted in MLflow", reason=failure.message)
        raise


def _refused_run(experiment: str, attempt: Attempt, refusal: DbsbmError) -> RefusedRun:
    name = f"{attempt.league.key}-{attempt.recipe.variant}"
    flags = refusal.facts.get("flags", ())
    tags = {
        "league": attempt.league.key,
        "sport": attempt.league.sport,
        "variant": attempt.recipe.variant,
        "recipe": attempt.recipe.label,
        "trained_until": attempt.known_by.isoformat(),
        "code_version": code_version(),
        "refusal": str(refusal.facts.get("reason", refusal.code.lower())),
        "refusal_code": refusal.code,
        "refusal_message": refusal.message[:LONGEST_TAG],
    }
    if isinstance(flags, Sequence) and flags:
        tags["quality"] = "; ".join(map(str, flags))[:LONGEST_TAG]
    if attempt.snapshot_sha256 is not None:
        tags["snapshot_sha256"] = attempt.snapshot_sha256
    return RefusedRun(experiment, f"{name} refused", f"**refused**: {refusal.message}\n\n{refusal.hint}", tags)
