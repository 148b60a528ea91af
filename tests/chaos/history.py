"""What must hold of every history of answers, whatever was broken meanwhile (invariants I1 to I5 and I7)."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from core.database import reading
from feature_store.rows.online import watermarks
from serving.predictions.tables import predictions
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import Answer

CLOCK_ERROR = 0.05
"""Between the service's reading of the machine's clock and ours [seconds]."""

NOTICED, HANGING = 2.0, 9.0
"""Seconds after which a database must be noticed that is gone, or one that hangs: time-outs of 3, 2 and 2 s, a look a second."""

BACK = 5.0
"""Seconds after its return within which answers may still be stale."""


def broken(
    stage: Stage,
    answers: Sequence[Answer],
    *,
    allowed: Collection[int] = (200,),
    noticed: float = NOTICED,
    lost: int = 0,
) -> list[str]:
    """The invariants that do not hold, each with an example; empty if all do.

    ``lost`` answers may be missing in the log: those of killed workers' last quarter of a second.
    """
    good = [answer for answer in answers if answer.status == 200]
    return [
        *_recomputed(stage, good),
        *_coherent(good),
        *_true_age(stage, good, noticed),
        *_never_back(stage, good),
        *_logged_once(stage, good, lost),
        *_only(answers, allowed),
    ]


def _recomputed(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I1: every answer is what the version and the data it names say when computed anew, outside of the service."""
    for answer in good:
        asked, number = answer.game.rpartition("/")[2], answer.body["model"]["version"]
        begun = answer.body["game"]["status"] == "begun"
        said = (answer.body["game"]["game_id"], answer.body["probabilities"])
        if said != (asked, stage.offline.probabilities(asked, number, begun=begun)):
            return [f"I1: {asked} by version {number} was answered {said}"]
    return []


def _coherent(good: Sequence[Answer]) -> list[str]:
    """I2: chances lie between 0 and 1 and sum to 1."""
    for answer in good:
        chances = [value or 0.0 for value in answer.body["probabilities"].values()]
        if not all(0 <= chance <= 1 for chance in chances) or abs(sum(chances) - 1) > 1e-9:
            return [f"I2: {chances}"]
    return []


def _true_age(stage: Stage, good: Sequence[Answer], noticed: float) -> list[str]:
    """I3: the age is the time since a check that did happen; stale is what the absence of the database made so.

    An answer at the level *stale* is one that a newer version is about to replace, and is marked at any time.
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
        away = any(out.certain and out.begin + noticed < asked and ended < out.end for out in stage.outages)
        perhaps = any(out.begin < ended and asked < out.end + BACK for out in stage.outages)
        if away and not body["stale"]:
            wrong["not marked stale while the database was away"] += 1
        if body["stale"] and body["cache"] != "stale" and not perhaps:
            wrong["marked stale though the database was there"] += 1
    return [f"I3: {count} answers: {what}" for what, count in wrong.most_common(2)]


def _never_back(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I4: there is an order of the recorded changes that never goes back and gives the answers of each connection.

    A connection is one worker's; workers follow a change within seconds of one another. Answers marked as about to be replaced (level *stale*) may be of an older version, as they say.
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
    """I5: after recovery every answer is in the table, once."""
    wanted = {answer.headers["x-request-id"] for answer in good}
    found: Counter[str] = Counter()

    def all_there() -> bool:
        found.clear()
        ours = sa.select(predictions.c.request_id).where(~predictions.c.shadow)
        with reading(stage.engine) as connection:
            found.update(identity for identity in connection.execute(ours).scalars() if identity in wanted)
        return len(wanted) - len(found) <= lost

    if until(all_there, 20) == float("inf"):
        return [f"I5: {len(wanted) - len(found)} of {len(wanted)} answers were not logged"]
    doubled = sum(count > 1 for count in found.values())
    return [f"I5: {doubled} answers were logged twice"] if doubled else []


def _only(answers: Sequence[Answer], allowed: Collection[int]) -> list[str]:
    """I7: no status but those that the degradation policy has for this row."""
    other = [answer.status for answer in answers if answer.status not in allowed]
    return [f"I7: {len(other)} answers with status {sorted(set(other))}"] if other else []
