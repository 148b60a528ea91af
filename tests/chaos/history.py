"""Invariants of every history of answers, whatever the fault (I1 to I5 and I7)."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from core.database.transactions import reading
from feature_store.rows.online import watermarks
from serving.predictions.tables import predictions
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import Answer

CLOCK_ERROR = 0.05
"""Tolerance between the service's and this process's reading of the machine's clock [seconds]."""

NOTICED, HANGING = 2.0, 9.0
"""Seconds after which a killed database must be noticed, and one that hangs: time-outs of 3, 2 and 2 s, checked once a
second."""

BACK = 5.0
"""Seconds after the database's return within which answers may still be stale."""


def broken_invariants(
    stage: Stage,
    answers: Sequence[Answer],
    *,
    allowed: Collection[int] = (200,),
    noticed: float = NOTICED,
    lost: int = 0,
) -> list[str]:
    """Return the invariants that do not hold, each with an example.

    ``lost`` answers may be missing in the log: those of the last quarter of a second of killed workers.
    """
    good = [answer for answer in answers if answer.status == 200]
    return [
        *_recomputed(stage, good),
        *_coherent(good),
        *_true_age(stage, good, noticed),
        *_in_order(stage, good),
        *_logged_once(stage, good, lost),
        *_only(answers, allowed),
    ]


def _recomputed(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I1: every answer equals what is computed outside of the service from the version and the data it names."""
    for answer in good:
        asked, number = answer.game.rpartition("/")[2], answer.body["model"]["version"]
        begun = answer.body["game"]["status"] == "begun"
        answered = (answer.body["game"]["game_id"], answer.body["probabilities"])
        if answered != (asked, stage.offline.probabilities(asked, number, begun=begun)):
            return [f"I1: {asked} by version {number} was answered {answered}"]
    return []


def _coherent(good: Sequence[Answer]) -> list[str]:
    """I2: probabilities lie between 0 and 1 and sum to 1."""
    for answer in good:
        probabilities = [value or 0.0 for value in answer.body["probabilities"].values()]
        if not all(0 <= probability <= 1 for probability in probabilities) or abs(sum(probabilities) - 1) > 1e-9:
            return [f"I2: {probabilities}"]
    return []


def _true_age(stage: Stage, good: Sequence[Answer], noticed: float) -> list[str]:
    """I3: the age is that of a check that took place; answers are stale exactly while the database is unavailable.

    An answer at the cache level *stale* will be replaced by a newer version, and is marked as stale at any time.
    """
    checks = {moment.isoformat() for moment in watermarks(stage.engine).values()} | stage.models.checks
    wrong: Counter[str] = Counter()
    for answer in good:
        body = answer.body
        checked_at = datetime.fromisoformat(body["checked_at"])
        least, most = answer.began_at - checked_at.timestamp(), answer.ended_at - checked_at.timestamp()
        if checked_at.isoformat() not in checks or not least - CLOCK_ERROR <= body["age_s"] <= most + CLOCK_ERROR:
            wrong[f"age {body['age_s']} of a check at {checked_at}, asked {least:.3f} s after it"] += 1
        asked, ended = answer.ended - (answer.ended_at - answer.began_at), answer.ended
        during = any(out.certain and out.begin + noticed < asked and ended < out.end for out in stage.outages)
        near = any(out.begin < ended and asked < out.end + BACK for out in stage.outages)
        if during and not body["stale"]:
            wrong["not marked stale while the database was unavailable"] += 1
        if body["stale"] and body["cache"] != "stale" and not near:
            wrong["marked stale although the database was available"] += 1
    return [f"I3: {count} answers: {what}" for what, count in wrong.most_common(2)]


def _in_order(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I4: the answers of each connection follow the recorded changes in order; generations never decrease.

    A connection belongs to one worker; workers follow a change within seconds of one another. Answers of the cache
    level *stale* may be of an older version and are left out.
    """
    changes = sorted(stage.models.changes, key=lambda change: change.generation)
    reached: dict[tuple[int, int], int] = {}
    for answer in sorted(good, key=lambda one: one.ended):
        if answer.body["cache"] == "stale":
            continue
        seen, least = answer.body["model"]["version"], reached.get(answer.connection, 0)
        possible = (
            change.generation
            for change in changes
            if change.version == seen and change.generation >= least and change.at <= answer.ended
        )
        generation = next(possible, None)
        if generation is None:
            return [f"I4: a connection saw version {seen} after generation {least}"]
        reached[answer.connection] = generation
    return []


def _logged_once(stage: Stage, good: Sequence[Answer], lost: int) -> list[str]:
    """I5: after the recovery every answer is in the table once."""
    wanted = {answer.headers["x-request-id"] for answer in good}
    counts: Counter[str] = Counter()

    def all_logged() -> bool:
        counts.clear()
        served = sa.select(predictions.c.request_id).where(~predictions.c.shadow)
        with reading(stage.engine) as connection:
            counts.update(identity for identity in connection.execute(served).scalars() if identity in wanted)
        return len(wanted) - len(counts) <= lost

    if until(all_logged, 20) == float("inf"):
        return [f"I5: {len(wanted) - len(counts)} of {len(wanted)} answers were not logged"]
    doubled = sum(count > 1 for count in counts.values())
    return [f"I5: {doubled} answers were logged twice"] if doubled else []


def _only(answers: Sequence[Answer], allowed: Collection[int]) -> list[str]:
    """I7: only statuses that the degradation policy allows for this row."""
    other = [answer.status for answer in answers if answer.status not in allowed]
    return [f"I7: {len(other)} answers with status {sorted(set(other))}"] if other else []
