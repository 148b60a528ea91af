"""Search as the user types, on realistic pairings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.games.team_search import TeamSearch

PAIRINGS = (
    ("Manchester United", "Brighton & Hove Albion"),
    ("Nottingham Forest", "Manchester City"),
    ("Wolverhampton Wanderers", "Newcastle United"),
    ("Mansfield Town", "Kidderminster Harriers"),
    ("Los Angeles Lakers", "Oklahoma City Thunder"),
    ("Minnesota Timberwolves", "Chicago Bulls"),
    ("Boston Celtics", "Golden State Warriors"),
    ("Borussia Mönchengladbach", "1. FC Köln"),
    ("Bodø/Glimt", "Malmö FF"),
    ("Atlético Madrid", "Celta Vigo"),
    ("FC Richmond Chicago", "Arsenal"),
    ("Chelsea", "Arsenal"),
)
INDEX = TeamSearch(PAIRINGS)


def search(text: str) -> list[int]:
    """Return the positions of the pairings, best first."""
    scores = INDEX.find(text)
    return sorted(scores, key=lambda number: (-scores[number], number))


@pytest.mark.parametrize(
    ("text", "best"),
    [
        *(("man", {0, 1, 3}), ("man u", {0}), ("manc", {0, 1}), ("man c", {1}), ("MAN UNI", {0})),
        *(("wolv", {2}), ("laker", {4}), ("los", {4}), ("chi", {5}), ("celt", {6, 9}), ("bul", {5}), ("hov", {0})),
        *(("wolverhamton", {2}), ("lakres", {4}), ("mancester untied", {0}), ("arsnal", {10, 11}), ("brihgton", {0})),
        *(("koln", {7}), ("KÖLN", {7}), ("monchen", {7}), ("bodo", {8}), ("atletico", {9}), ("atlético m", {9})),
        *(("chelsea arsenal", {11}), ("arsenal v chelsae", {11}), ("man u vs brighton", {0}), ("ars chel", {11})),
    ],
)
def test_the_intended_pairing_comes_first(text: str, best: set[int]) -> None:
    assert set(search(text)[: len(best)]) == best


@pytest.mark.parametrize("text", ["zzzzqqqq", "xyz", "q", "!?", " ", "arsenal zzzzzzzzzz"])
def test_a_text_without_a_match_finds_nothing(text: str) -> None:
    assert search(text) == []


def test_the_first_word_of_a_name_counts_more_than_a_later_one() -> None:
    assert search("chi")[0] == 5
    assert search("chi")[-1] == 10


@given(st.sampled_from(sorted({name for pairing in PAIRINGS for name in pairing})), st.data())
def test_every_prefix_of_a_name_finds_its_games(name: str, data: st.DataObject) -> None:
    typed = name[: data.draw(st.integers(3, len(name)))]
    own = {number for number, pairing in enumerate(PAIRINGS) if name in pairing}
    assert own <= set(search(typed))


@given(st.text(max_size=100))
def test_any_text_is_accepted(text: str) -> None:
    assert all(0 < score <= 1 for score in INDEX.find(text).values())
