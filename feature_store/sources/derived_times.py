"""When a fact counts as known if its source does not say: one rule for every source without a clock.

Each fact gets the earliest moment at which it was safely known (docs/decisions/0001):

* a game two weeks before its start, which is the kick-off, or 16:00 UTC where only a date is given;
* an opening quote a day before the start, a closing one at the start;
* a result when the league's usual duration has passed, or at 10:00 UTC of the next day for a bare date.
"""

from datetime import timedelta
from typing import Final

LISTED_AHEAD: Final = timedelta(days=14)
"""Before its start a game was on the fixture list."""

OPENED_AHEAD: Final = timedelta(days=1)
"""Before the start opening prices were shown."""

DATE_START: Final = timedelta(hours=16)
"""After midnight UTC, the start of a game of which only the date is given."""

DATE_KNOWN: Final = timedelta(days=1, hours=10)
"""After midnight UTC of a bare date, the end of the game and the moment at which its result was known."""
