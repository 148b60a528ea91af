"""How far a model is believed against the market, as a bundle keeps it."""

from pydantic import BaseModel, ConfigDict, Field

from core.betting.odds import DevigMethod
from core.betting.value import Shrinkage


class Belief(BaseModel):
    """Learnt on games that the model had not seen, from their closing prices, as the back-test learns it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    devig: DevigMethod
    """How the margin is taken out of a price of this league."""
    weight: float = Field(ge=0, le=1)
    """0: the market alone; 1: the model alone."""
    error: float = Field(ge=0)
    """Standard error of the weight."""
    games: int
    """Priced games it was learnt on."""

    @property
    def shrinkage(self) -> Shrinkage:
        return Shrinkage(self.weight, self.error, self.games)

    def __str__(self) -> str:
        return f"belief beside the market {self.weight:.2f} ± {self.error:.2f} on {self.games:,} games"
