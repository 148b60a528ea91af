"""What a training run does, written down: a run is reproducible from its recipe and its data's SHA-256."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from core.betting.leagues import nearest
from core.errors import ResourceNotFoundError
from feature_store.features import PRICES, RESULTS, FeatureSet


@dataclass(frozen=True)
class Recipe:
    """One way to make a model of a league."""

    name: str
    variant: str
    """"results" models never see the price of the game they forecast; "prices" models do."""
    features: FeatureSet
    anchor: tuple[str, ...]
    """The few features that carry most: one linear model sees only these, and is hardly penalised."""
    regularisation: float = 0.02
    """Inverse strength of the penalty on the linear model that sees every feature (scikit-learn's C)."""
    rounds: int = 120
    leaves: int = 7
    learning_rate: float = 0.04
    leaf_games: int = 60
    """Fewest games a leaf may stand on."""
    seed: int = 20_240_501
    proving_seasons: int = 4
    """Seasons, counted back from the end, that are forecast from earlier ones for blending, calibration and scores."""

    @property
    def label(self) -> str:
        """Name and digest: two recipes of one name that differ in anything have different labels."""
        content = json.dumps(self.parameters(), sort_keys=True)
        return f"{self.name}:{sha256(content.encode()).hexdigest()[:12]}"

    def parameters(self) -> dict[str, Any]:
        """Everything above as plain values, for the run's record."""
        return {**asdict(self), "features": ",".join(self.features.labels), "anchor": ",".join(self.anchor)}


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe("results", "results", RESULTS, ("rating_gap", "price_rating_gap", "margin_slow", "total_slow")),
        Recipe("prices", "prices", PRICES, ("market_log_odds", "market_draw", "market_margin", "market_total")),
    )
}


def recipe_named(name: str) -> Recipe:
    """Raises ResourceNotFoundError with the nearest names."""
    if name not in RECIPES:
        raise ResourceNotFoundError(f"There is no recipe {name!r}.", nearest=nearest(name, RECIPES) or tuple(RECIPES))
    return RECIPES[name]
