"""Moments enter as aware UTC or not at all."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import FixedClock, SystemClock, midnight, parse_date, parse_moment
from core.errors import ValidationError

NOON = datetime(2024, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-04", datetime(2024, 5, 4, tzinfo=UTC)),
        ("2024-05-04T12:00", NOON),
        ("2024-05-04 12:00:00", NOON),
        ("2024-05-04T12:00Z", NOON),
        ("2024-05-04T14:00+02:00", NOON),
        ("  2024-05-04T08:00-04:00\n", NOON),
        ("2024-05-04T12:00:00.000001Z", NOON + timedelta(microseconds=1)),
    ],
)
def test_a_moment_without_a_zone_is_utc_and_any_other_is_moved_there(text: str, moment: datetime) -> None:
    parsed = parse_moment(text)
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2024-13-01", "2024-05-04T25:00", "0001-01-01T00:00+05:00", "04/05/2024"]
)
def test_what_is_no_moment_is_named_with_the_field_and_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match="--through: expected a date or time such as") as refused:
        parse_moment(text, field="--through")
    assert refused.value.facts == {"field": "--through"}
    assert repr(text) in refused.value.message


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_writing_a_moment_and_parsing_it_gives_it_back(moment: datetime) -> None:
    in_utc = moment.astimezone(UTC)
    assert parse_moment(in_utc.isoformat()) == in_utc


def test_a_date_is_a_date_and_nothing_else() -> None:
    assert parse_date(" 2024-05-04 ") == date(2024, 5, 4)
    with pytest.raises(ValidationError, match="--from: expected a date such as"):
        parse_date("2024-05-04T12:00", field="--from")


def test_a_day_begins_at_midnight_utc() -> None:
    assert midnight(date(2024, 5, 4)) == datetime(2024, 5, 4, tzinfo=UTC)


def test_a_fixed_clock_stands_still_and_the_systems_clock_is_in_utc() -> None:
    assert FixedClock(NOON).now() == FixedClock(NOON).now() == NOON
    assert SystemClock().now().utcoffset() == timedelta(0)
