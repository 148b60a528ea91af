"""What the facts of one batch share."""

from datetime import datetime
from typing import NamedTuple


class Origin(NamedTuple):
    """What every row of a batch shares: its league, its source, and when the row was written."""

    sport: str
    league: str
    source: str
    recorded_at: datetime
