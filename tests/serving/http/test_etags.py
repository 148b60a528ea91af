"""If-None-Match as RFC 9110 has it."""

import pytest

from serving.http.etags import matches
from tests.serving.service import Running

GAME = "/v1/predictions/soccer/EPL/EPL-102"
TAG = 'W/"0123-stale"'


@pytest.mark.parametrize(
    "known", [TAG, '"0123-stale"', "*", " * ", f'"a", {TAG}', f'{TAG},"b"', '"a" ,"0123-stale" , W/"c"']
)
def test_a_tag_is_known_weak_or_strong_alone_or_in_a_list(known: str) -> None:
    assert matches(known, TAG)


@pytest.mark.parametrize(
    "known",
    [
        *("", "**", "0123-stale", "W/0123-stale", '"0123', 'W/"0123"', '"0123-stale-more"', '"a 0123-stale"'),
        *('"a", "b"', 'w"0123-stale', '"0123"-stale"', "'0123-stale'"),
    ],
)
def test_a_part_of_a_tag_is_another_tag(known: str) -> None:
    assert not matches(known, TAG)


def test_a_caller_who_knows_the_answer_is_told_so(service: Running) -> None:
    tag = service.get(GAME).headers["etag"]
    opaque = tag.removeprefix("W/")
    for known in (tag, opaque, "*", f'"other", {opaque}'):
        answer = service.get(GAME, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["cache-control"] == "private, no-cache"
    for unknown in (opaque[1:-1], f'"{opaque[1:5]}"', f'"x{opaque[1:]}', f'{opaque[:-1]}-stale"'):
        assert service.get(GAME, headers={"If-None-Match": unknown}).status_code == 200
    lines = [("If-None-Match", '"other"'), ("If-None-Match", opaque)]
    assert service.get(GAME, headers=lines).status_code == 304


def test_answers_that_are_true_for_a_moment_say_so(service: Running) -> None:
    games = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}
    answers = [
        service.get(GAME),
        service.post("/v1/predictions/batch", json=games),
        service.get("/v1/ranking"),
        service.get("/v1/matchups/soccer/EPL?home=Arsenal&away=Chelsea"),
    ]
    assert [answer.headers["cache-control"] for answer in answers] == ["private, no-cache"] * 4
