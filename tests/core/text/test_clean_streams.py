"""What a process prints holds no secret and moves no cursor."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.clean_streams import CleanStream, terminal_of
from core.text.printable import printable
from core.text.redaction import conceal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Arsenal\x1b[2J", "Arsenal\\u001b[2J"),
        ("\x9b31m", "\\u009b31m"),
        ("a\rb\x07\x7f", "a\\u000db\\u0007\\u007f"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("half \ud800", "half \\ud800"),
        ("Śląsk Ω 日本 🏀\tx\n", "Śląsk Ω 日本 🏀\tx\n"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_no_control_character_is_left(text: str) -> None:
    assert {c for c in printable(text) if unicodedata.category(c) in ("Cc", "Cs")} <= {"\n", "\t"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_says_the_same_afterwards(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_a_stream_is_cleaned_whoever_writes() -> None:
    conceal("canary-stream")
    inner = io.StringIO()
    stream = CleanStream(inner)
    print("one canary-stream", "\x1b[1mtwo", file=stream)  # type: ignore[arg-type]
    stream.writelines(["three canary-stream\n"])
    stream.flush()
    assert inner.getvalue() == "one *** \\u001b[1mtwo\nthree ***\n"
    assert not stream.isatty()
    assert terminal_of(stream) is inner  # type: ignore[arg-type]
    assert terminal_of(inner) is inner
