"""The end of a service: whatever was served is logged, whatever signal or fault comes."""

import signal
import threading
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from core.database.transactions import reading
from serving.predictions.log import LogBatch, PredictionLog
from serving.predictions.tables import predictions
from tests.serving.conftest import World
from tests.serving.processes import served
from tests.serving.service import eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
ANSWERS = 40


def logged(world: World) -> int:
    with reading(world.engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one()


@pytest.mark.server
@pytest.mark.slow
def test_a_signal_that_stops_the_service_loses_nothing(world: World) -> None:
    """With a second one while it stops, as impatient people send it."""
    sent = 0
    for number in (signal.SIGHUP, signal.SIGQUIT):
        with served(world) as running:
            with httpx.Client(base_url=running.url) as client:
                assert {client.get(GAME).status_code for _ in range(ANSWERS)} == {200}
            sent += ANSWERS
            for process_signal in (signal.SIGUSR1, number, signal.SIGINT):
                running.process.send_signal(process_signal)
            assert running.process.wait(30) == 0
            assert "Finished server process" in running.said.read_text()
        assert logged(world) == sent


def test_what_the_database_does_not_take_in_time_goes_to_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last write hangs, as in a frozen database; it is taken twice once the database continues."""
    continues, settings = threading.Event(), settings_for(world.engine, world.store)
    insert: Callable[[PredictionLog, LogBatch], None] = PredictionLog._insert

    def hanging(log: PredictionLog, batch: LogBatch) -> None:
        continues.wait(60)
        insert(log, batch)

    with started(settings) as running:
        log = running.service.log
        eventually(lambda: running.get(GAME).json()["cache"] == "local")
        eventually(lambda: log.depth == 0)
        before = logged(world)
        monkeypatch.setattr(PredictionLog, "_insert", hanging)
        for _ in range(ANSWERS):
            running.get(GAME)
        releasing = threading.Thread(target=lambda: _release(log, continues))
        releasing.start()
    releasing.join()
    assert log.spooled() == ANSWERS
    monkeypatch.undo()
    with started(settings) as running:
        eventually(lambda: running.service.log.spooled() == 0)
    assert logged(world) == before + ANSWERS


def _release(log: PredictionLog, continues: threading.Event) -> None:
    try:
        eventually(lambda: log.spooled() == ANSWERS)
    finally:
        continues.set()
