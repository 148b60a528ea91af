"""What was meant is found among many names, and a look-up compares a bounded number of them."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.nearest import FEW, NEIGHBOURS, NameIndex, _Order, nearest

RANDOM = Random(7)
WORDS = ["".join(RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(5_000)]
INDEX = NameIndex(WORDS)


@given(st.sampled_from(range(len(WORDS))), st.sampled_from("0123456789"), st.sampled_from(["first", "last", "none"]))
def test_a_name_with_one_wrong_letter_at_an_end_is_found_among_thousands(place: int, sign: str, wrong: str) -> None:
    name = WORDS[place]
    typed = {"first": sign + name[1:], "last": name[:-1] + sign, "none": name.upper()}[wrong]
    assert INDEX.find(typed)[0] == place


@given(st.text(max_size=200), st.lists(st.text(max_size=5), max_size=100))
def test_a_look_up_compares_a_bounded_number_of_names(text: str, names: list[str]) -> None:
    assert len(_Order(sorted(names), range(len(names))).near(text)) <= 2 * NEIGHBOURS
    found = NameIndex(names).find(text)
    assert len(found) <= 3
    assert len(set(found)) == len(found)


def test_a_name_is_found_by_its_spellings() -> None:
    names = [f"Team {number} v Team {number + 1} G{number}" for number in range(10 * FEW)]
    index = NameIndex(names, [(f"G{number}", number) for number in range(len(names))])
    assert index.find("G123")[0] == 123


@pytest.mark.parametrize("count", [3, 5 * FEW])
def test_nothing_is_suggested_for_what_is_like_no_name(count: int) -> None:
    assert nearest("東京", WORDS[:count]) == nearest("", WORDS[:count]) == ()
