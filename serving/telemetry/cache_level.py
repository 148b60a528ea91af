"""Where the body of a prediction came from."""

from typing import Final, Literal, get_args

CacheLevel = Literal["local", "redis", "computed", "bypass", "stale"]
"""*local* and *redis* are hits. *bypass*: computed while Redis is unavailable; *stale*: the game's previous
body, because the new one takes too long."""

LEVELS: Final[tuple[CacheLevel, ...]] = get_args(CacheLevel)
"""Best first."""
