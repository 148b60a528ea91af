"""The fast path and the routes take and refuse the same ids, and no path means another one to a route."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from core.settings import load_settings
from serving.app import create_app
from tests.serving.conftest import filled_world
from tests.serving.pair import Pair, running_pair

ENCODED = [f"%{code:02X}" for code in range(0x21)] + [
    "%7F",
    "%C2%85",
    "%C2%A0",
    "%E2%80%A8",
    "%E2%80%AE",
    "%ED%A0%80",
    "%FF",
]
"""Control characters, blanks, separators, a surrogate and bytes that are no UTF-8, as a URL has them."""

MIDDLES = [f"EPL{sign}-102" for sign in ENCODED]
ENDS = [f"EPL-102{sign}" for sign in ENCODED]
STARTS = [f"{sign}EPL-102" for sign in ENCODED]
OTHERS = [
    *("EPL-102", "epl-102", "EPL%2D102", "%45PL-102", "EPL/104", "EPL%2F104", "EPL//104", "EPL/104/", "./EPL-102"),
    *(
        "EPL-102/",
        "/EPL-102",
        "EPL-102/.",
        "EPL-102/..",
        "EPL-102;a",
        "EPL-102%3Fa",
        "EPL-102%23a",
        "EPL-102?",
        "EPL-102?a",
    ),
    *("EPL-102#a", "EPL+102", "EPL-102%", "EPL-102%zz", "EPL-102%2500", "EPL-102%250A", "EPL\\102", "EPL-102,EPL-101"),
    *(
        "",
        "%20",
        ".",
        "..",
        "%2E%2E",
        "*",
        "{game_id}",
        "EPL-102'",
        "EPL-102%22",
        "EPL-102:begun",
        "%C3%A9",
        "%F0%9F%8F%88",
    ),
    *("1" * 120, "1" * 121, "%C3%A9" * 120, "%C3%A9" * 121, "EPL-102" + "%20" * 113, "EPL-102" + "%20" * 114),
]
LEAGUES = [f"EPL{sign}" for sign in ENCODED] + [
    "epl",
    "premier%20league",
    "Premier%0ALeague",
    "%EF%BC%A5PL",
    "E" * 121,
    "",
]
SPORTS = [f"soccer{sign}" for sign in ENCODED] + ["SOCCER", "football", "Foot%0Aball", "s" * 33, ""]
PATHS = [f"/v1/predictions/soccer/EPL/{game}" for game in (*MIDDLES, *ENDS, *STARTS, *OTHERS)]
PATHS += [f"/v1/predictions/soccer/{league}/EPL-102" for league in LEAGUES]
PATHS += [f"/v1/predictions/{sport}/EPL/EPL-102" for sport in SPORTS]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with filled_world(tmp_path_factory.mktemp("spellings")) as world, running_pair(world) as pair:
        yield pair


@pytest.mark.server
def test_two_hundred_spellings_are_answered_alike_by_the_fast_path_and_the_routes(pair: Pair) -> None:
    assert len(PATHS) >= 200
    statuses: dict[str, bytes] = {}
    for path in PATHS:
        fast, slow = pair.exchange(pair.head(path))
        assert fast == slow, path
        statuses[path] = fast[9:12]
    assert {statuses[f"/v1/predictions/soccer/EPL/{game}"] for game in ("EPL-102", "EPL%2D102", "EPL/104")} == {b"200"}
    assert {statuses[f"/v1/predictions/soccer/EPL/{game}"] for game in (*MIDDLES, *ENDS, *STARTS)} == {b"404"}
    assert set(statuses.values()) <= {b"200", b"400", b"404", b"422"}


@pytest.mark.server
def test_no_route_answers_for_a_path_with_a_control_character(pair: Pair) -> None:
    app = create_app(load_settings(_env_file=None))
    routes = [context.original_route for context in iter_route_contexts(app.routes)]
    plain = {route.path_format for route in routes if isinstance(route, APIRoute) and "{" not in route.path_format}
    assert {"/metrics", "/healthz", "/v1/games", "/docs"} <= plain
    for path in sorted(plain):
        for sign in ("%0A", "%0D", "%00", "%7F"):
            for response in pair.exchange(pair.head(path + sign)):
                assert response.startswith(b"HTTP/1.1 404"), path + sign
                assert b'"detail":"Path not found."' in response
