"""What must hold of every history of answers, whatever was broken meanwhile (invariants I1-I5 and I7)."""

from collections.abc import Collection, Sequence

import orjson
import sqlalchemy as sa

from core.database import reading
from core.registry.deployment import versions
from feature_store.online import load_rows
from serving.champions import load_version
from serving.predicting import computed
from serving.tables import predictions
from tests.chaos.stage import Answer, Stage, until
from tests.serving.service import settings_for

ALLOWED = (200, 304, 429, 503)


def broken(
    stage: Stage,
    answers: Sequence[Answer],
    *,
    allowed: Collection[int] = ALLOWED,
    swaps: bool = False,
    database: bool = False,
) -> list[str]:
    """The invariants that do not hold, each with an example; empty if all do."""
    good = [answer for answer in answers if answer.status == 200]
    return [
        *_recomputed(stage, good),
        *_coherent(good),
        *_true_age(good, database=database),
        *([] if swaps else _never_back(good)),
        *_logged_once(stage, good),
        *_only(answers, allowed),
    ]


def _recomputed(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I1: every answer is what the version and the data it names say when computed anew, outside of the service."""
    settings = settings_for(stage.engine, stage.world.store)
    rows = {row.game.game_id: row for row in load_rows(stage.engine)}
    registered = {version.version: version for version in versions(stage.engine)}
    expected: dict[tuple[str, int], object] = {}
    for answer in good:
        asked, version = answer.game.replace("%2F", "/"), answer.body["model"]["version"]
        if (asked, version) not in expected:
            champion = load_version(settings, registered[version], 0)
            body = computed(champion, rows[asked], begun=False, explained=False)
            expected[asked, version] = orjson.loads(body)["probabilities"]
        said = (answer.body["game"]["game_id"], answer.body["probabilities"])
        if said != (asked, expected[asked, version]):
            return [f"I1: {asked} by version {version} was answered {said}"]
    return []


def _coherent(good: Sequence[Answer]) -> list[str]:
    """I2."""
    for answer in good:
        chances = [value or 0.0 for value in answer.body["probabilities"].values()]
        if not all(0 <= chance <= 1 for chance in chances) or abs(sum(chances) - 1) > 1e-9:
            return [f"I2: {chances}"]
    return []


def _true_age(good: Sequence[Answer], *, database: bool) -> list[str]:
    """I3: the service stands still at the moment of the build, so every age is 0; stale is what was or may be replaced."""
    wrong = [answer.body["age_s"] for answer in good if answer.body["age_s"] != 0]
    marked = [answer for answer in good if answer.body["stale"] and answer.body["cache"] != "stale"]
    return [
        *([f"I3: age {wrong[0]}"] if wrong else []),
        *([f"I3: {len(marked)} answers are stale though the database was there"] if marked and not database else []),
    ]


def _never_back(good: Sequence[Answer]) -> list[str]:
    """I4."""
    last: dict[tuple[int, str], int] = {}
    for answer in sorted(good, key=lambda one: one.at):
        who = (answer.client, answer.body["model"]["name"])
        version = answer.body["model"]["version"]
        if version < last.get(who, 0):
            return [f"I4: client {answer.client} went back to version {version}"]
        last[who] = version
    return []


def _logged_once(stage: Stage, good: Sequence[Answer]) -> list[str]:
    """I5: after recovery every answer is in the table once."""
    wanted = {answer.body["X-Request-ID"] for answer in good}
    found: list[str] = []

    def all_there() -> bool:
        with reading(stage.engine) as connection:
            found[:] = connection.execute(sa.select(predictions.c.request_id).where(~predictions.c.shadow)).scalars()
        return wanted <= set(found)

    if until(all_there, 30) == float("inf"):
        return [f"I5: {len(wanted - set(found))} of {len(wanted)} answers were not logged"]
    if len(found) != len(set(found)):
        return [f"I5: {len(found) - len(set(found))} answers were logged twice"]
    return []


def _only(answers: Sequence[Answer], allowed: Collection[int]) -> list[str]:
    """I7."""
    other = [answer.status for answer in answers if answer.status not in allowed]
    return [f"I7: {len(other)} answers with status {sorted(set(other))}"] if other else []
