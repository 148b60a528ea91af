"""Where the body of a prediction came from."""

from typing import Final, Literal, get_args

Level = Literal["local", "redis", "computed", "bypass", "stale"]
"""*local* and *redis* are hits. *bypass*: computed while Redis is away; *stale*: the game's last body, while the one
that is due takes its time."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""The best first."""
