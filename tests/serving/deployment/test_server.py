"""The service on a real port, and its client."""

import socket
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.errors import ApiError, NetworkError, OperationTimeoutError
from serving.client import PredictionClient
from serving.server import running_server, serve
from tests.services import free_port
from tests.serving.conftest import World
from tests.serving.service import MovingClock, settings_for


def test_client_calls_every_route_of_a_running_server(world: World) -> None:
    settings = settings_for(world.engine, world.store)
    with running_server(settings, MovingClock()) as url, PredictionClient(url) as client:
        (game,) = client.games("wolverhampton", limit=1)
        prediction = client.prediction(game["sport"], game["league"], game["game_id"])
        assert prediction["game"] == game
        assert client.prediction("soccer", "EPL", "EPL/104")["game"]["game_id"] == "EPL/104"
        batch = client.batch([("soccer", "EPL", "EPL-101"), ("soccer", "EPL", "none")])
        assert ["prediction" in item for item in batch] == [True, False]
        assert client.matchup("soccer", "EPL", "Arsenal", "Chelsea")["model"]["name"] == "EPL-results"
        assert client.price(("soccer", "EPL", "EPL-101"), "total", "over", line=2.5, odds=-110)["offer"]
        assert {model["model"] for model in client.models()} == {"EPL-results"}
        with pytest.raises(ApiError, match="There is no league 'ELP'") as refused:
            client.prediction("soccer", "ELP", "1")
        assert (refused.value.facts["status"], refused.value.facts["service_code"]) == (404, "NOT_FOUND_ERROR")
    with PredictionClient(url) as client, pytest.raises(NetworkError, match="is unreachable"):
        client.models()


def test_client_does_not_wait_for_a_silent_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with (
            PredictionClient(f"http://127.0.0.1:{port}", timeout=0.1) as client,
            pytest.raises(OperationTimeoutError, match="did not respond in time"),
        ):
            client.models()


def test_a_port_in_use_is_an_error_that_names_it(sqlite_database: Engine, tmp_path: Path) -> None:
    settings = settings_for(sqlite_database, tmp_path)
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        refused = pytest.raises(NetworkError, match=f"127.0.0.1:{port}")
        with refused, running_server(settings, MovingClock(), port=port):
            pass
        with pytest.raises(NetworkError, match=f"127.0.0.1:{port}"):
            serve(settings, MovingClock(), host="127.0.0.1", port=port)
