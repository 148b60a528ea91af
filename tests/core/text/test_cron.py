"""Cron expressions that Prefect would take are accepted, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect._internal.schemas.validators import validate_cron_string

from core.text.cron import is_cron


@pytest.mark.parametrize(
    "text",
    [
        "0 6 * * *",
        "*/15 * * * *",
        "0 0-6/2 1,15 * *",
        "30 5 * JAN-mar Mon-fri",
        "5/10 * * * 7",
        "0 6 29 2 *",
        "0 6 31 2 1",
    ],
)
def test_expressions_that_are_due_at_some_time(text: str) -> None:
    assert is_cron(text)


PIECES = st.lists(st.sampled_from([*"0123456789*,/-", "mon", "feb", "x"]), min_size=1, max_size=4).map("".join)


@given(st.tuples(PIECES, PIECES, PIECES, PIECES, PIECES).map(" ".join))
def test_what_is_accepted_is_accepted_by_prefect(text: str) -> None:
    if is_cron(text):
        assert validate_cron_string(text) == text
