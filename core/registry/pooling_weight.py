"""The weight of a model beside the market, as a bundle holds it."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from core.betting.odds import DevigMethod
from core.betting.value import Shrinkage


class PoolingWeight(BaseModel):
    """The model's weight in the logarithmic opinion pool with the market.

    Learnt on games that the model had not seen, from their closing prices, as the betting backtest learns it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    devig: DevigMethod
    """How the overround is taken out of a price of this league."""
    weight: float = Field(ge=0, le=1)
    """0: the market alone; 1: the model alone."""
    error: float = Field(ge=0)
    """Standard error of the weight."""
    games: int
    """Number of priced games it was learnt on."""
    books: Mapping[str, float] = Field(default={}, exclude_if=lambda books: not books)
    """Weight of each book in the consensus, 1 on average; left out where no book has earned one."""

    @property
    def shrinkage(self) -> Shrinkage:
        return Shrinkage(self.weight, self.error, self.games)

    def __str__(self) -> str:
        return f"weight beside the market {self.weight:.2f} ± {self.error:.2f} on {self.games:,} games"
