"""Of two builds at once the later moment stays, whoever writes last."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive import store as archive
from feature_store.rows import build as building
from feature_store.rows.build import build
from feature_store.rows.online import watermarks
from feature_store.rows.replay import coming_rows
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY

EPL = Leagues(BUILT_IN).get("EPL")
EARLIER = FIRST_DAY + timedelta(days=30)
LATER = EARLIER + timedelta(days=1)


def test_a_build_that_was_overtaken_leaves_the_later_rows(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.record(database, EPL, crowded_facts(3, games=40), source="test", recorded_at=FIRST_DAY)
    build(database, EPL, EARLIER - timedelta(days=1))
    overtaken = []

    def slowly(*arguments: Any) -> Any:
        if not overtaken and arguments[3] == EARLIER:
            overtaken.append(build(database, EPL, LATER))
        return coming_rows(*arguments)

    monkeypatch.setattr(building, "coming_rows", slowly)
    assert build(database, EPL, EARLIER).changed == 0
    assert overtaken
    assert watermarks(database) == {"EPL": LATER}


def test_an_earlier_moment_can_be_asked_for_afterwards(database: Engine) -> None:
    archive.record(database, EPL, crowded_facts(3, games=40), source="test", recorded_at=FIRST_DAY)
    moments: list[datetime] = []
    for moment in (LATER, EARLIER):
        build(database, EPL, moment)
        moments.append(watermarks(database)["EPL"])
    assert moments == [LATER, EARLIER]
