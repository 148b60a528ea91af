"""Recipes: what a training does. A run is reproducible from its recipe and the SHA-256 of its data."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from core.errors import ResourceNotFoundError
from core.text.nearest import nearest
from feature_store.features.sets import PRICES, RESULTS, FeatureSet, feature_set

if TYPE_CHECKING:
    from training.datasets.assembly import Dataset

LEARNING_VERSION: Final = 2
"""Increased whenever the code that learns, blends or calibrates gives other numbers: the same settings are another
recipe then, and versions of the old code do not count as trained. A test compares the numbers of a small league.
"""
TUNABLE: Final = ("regularisation", "rounds", "leaves", "learning_rate", "leaf_games")
"""Parameters that tuning chooses from the data; they are part of a recipe's identity only if it is not tuned."""
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "anchor_share": (0.01, 0.99),
    "prior_games": (0, 1_000_000),
    "regularisation": (1e-9, 1_000_000),
    "rounds": (1, 5_000),
    "leaves": (2, 1_024),
    "learning_rate": (0.001, 1),
    "leaf_games": (1, 100_000),
    "seed": (0, 2**31 - 1),
    "proving_seasons": (1, 100),
    "tune": (0, 10_000),
}
"""Smallest and largest value of each number of a recipe; beyond them the learners fail or learn nothing."""


@dataclass(frozen=True)
class Recipe:
    """One way to train a model of a league."""

    name: str
    variant: str
    """"results" models never see the price of the game they forecast; "prices" models do."""
    features: FeatureSet
    anchor: tuple[str, ...]
    """The few most important features of the outcome: the first learner sees only these.

    If they are the market's, that learner is the market's own probabilities with one slope.
    """
    favoured: tuple[str, ...]
    """Weakly penalised in the linear model of every feature; the first learner of the means sees only these."""
    anchor_share: float
    """Share of the first learner in the blend before there is evidence; the others share the rest."""
    prior_games: float
    """How many games of evidence that prior share counts for."""
    regularisation: float = 0.001
    """Inverse strength of the penalty on the features that are not favoured (scikit-learn's C)."""
    rounds: int = 80
    leaves: int = 4
    learning_rate: float = 0.04
    leaf_games: int = 150
    """Fewest games in a leaf."""
    seed: int = 20_240_501
    proving_seasons: int = 4
    """Seasons, counted back from the end, that are forecast from earlier ones for blending, calibration and scores."""
    tune: int = 0
    """Trials by which the tunable parameters are sought, on seasons before the proving ones; 0: none."""
    pooled_with: tuple[str, ...] = ()
    """Leagues, with the SHA-256 of their facts, from whose games a league with few of its own learns as well."""

    @property
    def label(self) -> str:
        """Name and digest: recipes of one name that differ have different labels.

        Tuned parameters do not count, nor do the archives of lending leagues: that they grow makes no other recipe.
        """
        content = self.parameters()
        content["pooled_with"] = ",".join(lender.partition(":")[0] for lender in self.pooled_with)
        if self.tune:
            content = {key: value for key, value in content.items() if key not in TUNABLE}
        return f"{self.name}:{sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]}"

    def parameters(self) -> dict[str, Any]:
        """Everything above as plain values, for the run's record."""
        lists = {name: ",".join(getattr(self, name)) for name in ("anchor", "favoured", "pooled_with")}
        learnt_by = {"learning_version": LEARNING_VERSION}
        return {**asdict(self), "features": ",".join(self.features.labels), **lists, **learnt_by}

    def of(self, dataset: "Dataset") -> "Recipe":
        """The recipe with only the features of the dataset's sport, and with the leagues that lend games."""
        lenders = tuple(f"{other.league.key}:{other.snapshot_sha256[:12]}" for other in dataset.lenders)
        return replace(self.in_sport(dataset.league.sport), pooled_with=lenders)

    def in_sport(self, sport: str) -> "Recipe":
        """The recipe with only the features that exist in the sport."""
        names = self.features.of(sport).names
        return replace(
            self,
            features=feature_set(self.features.name, names),
            anchor=tuple(name for name in self.anchor if name in names),
            favoured=tuple(name for name in self.favoured if name in names),
        )


PAST: Final = ("rating_gap", "price_rating_gap", "margin_slow", "margin_fast", "price_margin")
WEARY: Final = ("home_back_to_back", "away_back_to_back")
TOTALS: Final = ("total_slow", "price_total")
MARKET: Final = ("market_log_odds", "market_draw")
LINES: Final = ("market_margin", "market_total")

RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "results",
            "results",
            RESULTS,
            ("price_rating_gap", "price_margin", *WEARY),
            (*PAST, *WEARY, *TOTALS),
            anchor_share=1 / 3,
            prior_games=100,
        ),
        Recipe("prices", "prices", PRICES, MARKET, (*MARKET, *LINES), anchor_share=0.9, prior_games=3_000),
    )
}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises ResourceNotFoundError with the nearest names."""
    if name not in RECIPES:
        raise ResourceNotFoundError(f"There is no recipe {name!r}.", nearest=nearest(name, RECIPES) or tuple(RECIPES))
    return RECIPES[name]
