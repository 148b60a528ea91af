"""What was replaced leaves memory: no answer that is kept holds an old table of games or an old model."""

import gc
import weakref
from datetime import timedelta

from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.models import EPL, deploy, record_price
from tests.serving.service import MovingClock, eventually, settings_for, started

SELDOM, OFTEN = (f"/v1/predictions/soccer/EPL/EPL-{number}" for number in (102, 101))


def test_games_and_models_that_were_replaced_are_freed_although_answers_made_of_them_are_kept(world: World) -> None:
    clock = MovingClock()
    with started(settings_for(world.engine, world.store), clock) as running:
        slate, champions = running.service.slate, running.service.champions
        for path in (SELDOM, OFTEN):
            eventually(lambda path=path: running.get(path).json()["reasons"] is not None)  # type: ignore[misc]
            running.get(path)
        table, champion = weakref.ref(slate.table), weakref.ref(champions.loaded["EPL-results"])
        before = running.get(OFTEN).json()
        deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
        clock.moment = NOW + timedelta(minutes=1)
        record_price(world.engine, EPL, "EPL-101", 2.2, clock.moment)
        eventually(lambda: running.get(OFTEN).json()["model"]["version"] != before["model"]["version"])
        eventually(lambda: slate.table.checked["EPL"] == clock.moment)

        def is_freed() -> bool:
            gc.collect()
            return table() is None and champion() is None

        eventually(is_freed)
        assert ("soccer", "EPL", "EPL-102") in running.service.predictor._cached_answers
