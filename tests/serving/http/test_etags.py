"""If-None-Match as in RFC 9110."""

import pytest

from serving.http.etags import matches
from tests.serving.service import Running

GAME = "/v1/predictions/soccer/EPL/EPL-102"
TAG = 'W/"0123-stale"'


@pytest.mark.parametrize(
    "tags", [TAG, '"0123-stale"', "*", " * ", f'"a", {TAG}', f'{TAG},"b"', '"a" ,"0123-stale" , W/"c"']
)
def test_a_tag_matches_weak_or_strong_alone_or_in_a_list(tags: str) -> None:
    assert matches(tags, TAG)


@pytest.mark.parametrize(
    "tags",
    [
        *("", "**", "0123-stale", "W/0123-stale", '"0123', 'W/"0123"', '"0123-stale-more"', '"a 0123-stale"'),
        *('"a", "b"', 'w"0123-stale', '"0123"-stale"', "'0123-stale'"),
    ],
)
def test_a_part_of_a_tag_is_another_tag(tags: str) -> None:
    assert not matches(tags, TAG)


def test_a_caller_that_has_the_answer_gets_304(service: Running) -> None:
    tag = service.get(GAME).headers["etag"]
    opaque = tag.removeprefix("W/")
    for tags in (tag, opaque, "*", f'"other", {opaque}'):
        answer = service.get(GAME, headers={"If-None-Match": tags})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["cache-control"] == "private, no-cache"
    for unknown in (opaque[1:-1], f'"{opaque[1:5]}"', f'"x{opaque[1:]}', f'{opaque[:-1]}-stale"'):
        assert service.get(GAME, headers={"If-None-Match": unknown}).status_code == 200
    lines = [("If-None-Match", '"other"'), ("If-None-Match", opaque)]
    assert service.get(GAME, headers=lines).status_code == 304


def test_responses_that_change_with_time_are_revalidated(service: Running) -> None:
    games = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}
    answers = [
        service.get(GAME),
        service.post("/v1/predictions/batch", json=games),
        service.get("/v1/ranking"),
        service.get("/v1/matchups/soccer/EPL?home=Arsenal&away=Chelsea"),
    ]
    assert [answer.headers["cache-control"] for answer in answers] == ["private, no-cache"] * 4
