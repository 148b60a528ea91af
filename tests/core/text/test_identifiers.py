"""Ids and names hold no character that could end a line, drive a terminal or not be stored."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.identifiers import fault_of, has_unprintable

CATEGORIES = ("Cc", "Zl", "Zp", "Cs")


@given(st.text(st.characters(), min_size=1, max_size=30))
def test_a_text_without_fault_has_no_control_character_and_can_be_stored(text: str) -> None:
    if fault_of(text, 30):
        return
    assert not {unicodedata.category(sign) for sign in text} & set(CATEGORIES)
    assert text.encode().decode() == text == text.strip()
    assert not has_unprintable(text)
    assert len(text.splitlines()) == 1


@given(st.characters(categories=CATEGORIES), st.text("abc", max_size=3), st.text("abc", max_size=3))
def test_every_control_character_is_named_by_its_number(sign: str, before: str, after: str) -> None:
    fault = fault_of(f"{before}{sign}{after}", 30)
    assert fault == f"has the control character U+{ord(sign):04X} at position {len(before) + 1}"
    assert re.fullmatch("[ -~]+", fault)
    assert has_unprintable(f"{before}{sign}{after}")


@pytest.mark.parametrize(
    "name", ["EPL/104", "1035037", "Śląsk Wrocław", "日本 🏀", "1. FC Köln", "می\u200cکند", "a:b\\c'd\"e", "x" * 30]
)
def test_names_of_any_language_are_in_order(name: str) -> None:
    assert fault_of(name, 30) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "0 characters"),
        ("x" * 31, "31 characters"),
        (" a", "blank"),
        ("a\N{NO-BREAK SPACE}", "blank"),
        ("\u202ea", "202E"),
        ("a\u200f", "200F"),
        ("\ufeffa", "FEFF"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    assert fault in fault_of(text, 30)
