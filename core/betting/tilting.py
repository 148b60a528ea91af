"""How far exponential tilting goes on until the means are what they were."""

from typing import Final

TILTING_STEPS: Final = 30
TILTING_TOLERANCE: Final = 1e-10
