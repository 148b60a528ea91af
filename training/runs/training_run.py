"""One training or experiment, decided before it begins: which league, which recipe, which data, and where it goes."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core.betting.leagues import League, Leagues
from core.registry.bundles.store import BundleStore
from training.fitting.recipe import Recipe, recipe_named

OnStage = Callable[[str, str], None]
"""Called with the name and the result of each stage that is done."""
OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many of its steps are done, and how many there are."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training is made of and where its result goes."""

    league: League
    recipe: Recipe
    store: BundleStore
    """Bundles, MLflow and the signing key; an experiment uses MLflow alone."""
    known_by: datetime
    """Only facts known by this moment are used."""
    now: datetime
    """The present, for what is recorded."""
    accept: Collection[str] = ()
    """Refusals of the quality checks that somebody takes responsibility for, by name; the run's tags repeat them."""
    others: Iterable[League] = ()
    """Leagues from whose games one with few of its own learns too, if sport and outcomes are the same."""


def resolve_run(
    leagues: Leagues,
    store: BundleStore,
    league: str,
    recipe: str,
    *,
    now: datetime,
    known_by: datetime | None = None,
    accept: Collection[str] = (),
    tune: int = 0,
) -> TrainingRun:
    """The run that these names and options ask for; without ``known_by`` it uses everything known now.

    ``tune`` is the number of trials by which the recipe's parameters are sought. Raises ResourceNotFoundError with the
    nearest names for a league or a recipe that does not exist.
    """
    return TrainingRun(
        league=leagues.get(league),
        recipe=replace(recipe_named(recipe), tune=tune),
        store=store,
        known_by=known_by or now,
        now=now,
        accept=accept,
        others=leagues,
    )
