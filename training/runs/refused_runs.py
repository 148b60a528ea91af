"""A training that is refused leaves a failed run in MLflow, so that its experiment tells what the screen did."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.betting.leagues import League
from core.errors import DbsbmError, DependencyError
from core.logs import get_logger
from core.registry.tracking.client import Tracking
from core.registry.tracking.runs import Refused
from training.fitting.recipe import Recipe
from training.runs.provenance import code_version

log = get_logger(__name__)
LONGEST_TAG: Final = 1_000


@dataclass
class Attempt:
    """What is known of a training so far."""

    league: League
    recipe: Recipe
    known_by: datetime
    snapshot_sha256: str | None = None
    """None until the data were read."""


@contextmanager
def refusals_noted(tracking_uri: str, experiment: str, attempt: Attempt) -> Iterator[Attempt]:
    """Note a refusal inside the block as a failed run of the experiment, and let it go on.

    What fails because something outside is away is no refusal, and an MLflow that is away hides none.
    """
    try:
        yield attempt
    except DependencyError:
        raise
    except DbsbmError as refusal:
        try:
            Tracking(tracking_uri).note_refusal(_refused(experiment, attempt, refusal))
        except DbsbmError as away:
            log.warning("the refusal was not noted in MLflow", reason=away.message)
        raise


def _refused(experiment: str, attempt: Attempt, refusal: DbsbmError) -> Refused:
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
    return Refused(experiment, f"{name} refused", f"**refused**: {refusal.message}\n\n{refusal.hint}", tags)
