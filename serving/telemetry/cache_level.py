"""Where the body of a prediction came from."""

from typing import Final, Literal, get_args

CacheLevel = Literal["local", "redis", "computed", "bypass", "stale"]
"""*local* and *redis* are hits. *bypass*: computed while Redis is away; *stale*: the game's last body, while the one
that is due takes its time."""

LEVELS: Final[tuple[CacheLevel, ...]] = get_args(CacheLevel)
"""The best first."""
