"""The champions in memory. A new one replaces the old one by a single assignment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from core.betting.leagues import League
from core.errors import ServiceError
from core.registry.bundles.contents import Bundle
from core.registry.deployment import Version, model_name
from core.registry.forecaster import Forecast
from core.registry.manifest import BundleManifest
from feature_store.features.sets import FeatureSet
from feature_store.rows.online import OnlineRow

Variant = Literal["results", "prices"]


@dataclass(frozen=True)
class Champion:
    """A model version that is loaded and can forecast."""

    version: Version
    generation: int
    bundle: Bundle
    features: FeatureSet

    @property
    def model(self) -> str:
        return self.version.model

    @property
    def manifest(self) -> BundleManifest:
        return self.bundle.manifest

    @cached_property
    def identity(self) -> str:
        """Model, version, and the beginnings of the hashes of bundle and features: part of every cache key."""
        bundle, features = self.bundle.sha256[:12], self.manifest.fingerprint[:12]
        return f"{self.model}:{self.version.version}:{bundle}:{features}"

    @property
    def ties(self) -> Literal["draw", "push"]:
        """Meaning of level scores to this model: an outcome of their own, or the stake returned."""
        return "draw" if len(self.bundle.forecaster.spec.classes) == 3 else "push"

    def forecast(self, row: OnlineRow) -> Forecast:
        """Return the model's forecast of a game. Raises DataIntegrityError for a row of another feature set."""
        (forecast,) = self.forecasts([row])
        return forecast

    def forecasts(self, rows: Sequence[OnlineRow]) -> list[Forecast]:
        """Return the forecasts of many games: the same values, much cheaper. Raises as ``forecast`` does."""
        return self.bundle.forecaster.predict([row.pick(self.features) for row in rows])


class Champions:
    """The loaded champions by model name. Changes are atomic for readers in other threads."""

    def __init__(self, loaded: Mapping[str, Champion] | None = None) -> None:
        self._loaded: Mapping[str, Champion] = loaded or {}
        self.edition = object()
        """Another object after every change, for whoever must know of changes and keep no champion. Read it before
        ``loaded``: it changes after it."""

    @property
    def loaded(self) -> Mapping[str, Champion]:
        return self._loaded

    def generation(self, model: str) -> int | None:
        """Return the generation of the deployment record that is loaded for the model; None if none is."""
        champion = self._loaded.get(model)
        return None if champion is None else champion.generation

    def put(self, champion: Champion) -> None:
        """Add the champion, or replace the model's current one."""
        self._replace(self.with_champion(champion).loaded)

    def with_champion(self, champion: Champion) -> "Champions":
        """Return a copy of these champions with this one added."""
        return Champions({**self._loaded, champion.model: champion})

    def set_generation(self, model: str, generation: int) -> None:
        """Follow a deployment record that has a new generation with the same champion."""
        self._replace({**self._loaded, model: replace(self._loaded[model], generation=generation)})

    def drop(self, model: str) -> None:
        """Remove a model that is no longer deployed."""
        self._replace({name: champion for name, champion in self._loaded.items() if name != model})

    def _replace(self, loaded: Mapping[str, Champion]) -> None:
        self._loaded = loaded
        self.edition = object()

    def for_row(self, row: OnlineRow) -> Champion:
        """Return the champion for this game: that of prices if the game has any, else that of results alone.

        Raises ServiceError if the league has none.
        """
        return self._first(row.league, ("prices", "results") if row.priced else ("results",))

    def for_league(self, league: League) -> Champion:
        """Return the champion for a game without prices. Raises ServiceError if the league has none."""
        return self._first(league.key, ("results",))

    def _first(self, league: str, variants: tuple[Variant, ...]) -> Champion:
        for variant in variants:
            champion = self._loaded.get(model_name(league, variant))
            if champion is not None:
                return champion
        hint = f"Run `dbsbm train --league {league}`, then `dbsbm promote {model_name(league, 'results')}`."
        raise ServiceError(f"There is no champion for {league} yet.", hint=hint, league=league)
