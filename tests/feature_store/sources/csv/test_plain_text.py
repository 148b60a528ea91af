"""Signs of typography become numbers; what is no number in the declared notation stays what it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.sources.csv.plain_text import MISSING, plain_number, spellings_of_missing


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("\u221221.5", -21.5), ("\u22123½", -3.5), ("47½", 47.5), ("½", 0.5), ("\u2212¼", -0.25), ("+2¾", 2.75), ("3 ½", 3.5),
        ("\u20093.5\u202f", 3.5), ("\u2212\u00a03.5", -3.5), ("1\u202f250", 1250.0), ("\u2013110", -110.0), ("\uff0b155", 155.0),
        ("\u00a0110", 110.0), ("\u2011110", -110.0), ("1\u2009250½", 1250.5),
    ],
)  # fmt: skip
def test_signs_fractions_and_spaces(written: str, number: float) -> None:
    assert float(plain_number(written)) == number


@pytest.mark.parametrize("written", ["", "-", "½½", "3.5½", "1 2", "1\u00a02", "3½4", "abc", "--3", "1,5", "3 1/2"])
def test_what_is_no_number_stays_none(written: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        float(plain_number(written))


@given(st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))
def test_every_number_comes_back(number: float) -> None:
    text = f"{number:.3f}"
    assert float(plain_number(text.replace("-", "\u2212"))) == number
    assert float(plain_number(text.replace(".", ","), ",")) == number


def test_words_for_a_missing_value_count_in_every_case_and_with_every_dash() -> None:
    written = {spelling for word in MISSING for spelling in spellings_of_missing(word)}
    assert written > {"na", "NAN", "Null", "nat", r"\N", "--", "-", "\u2212", "\u2010", "\u2011", "\u2012", "\u2013"}
    assert spellings_of_missing("k.A.") == {"k.A.", "k.a.", "K.A."}
