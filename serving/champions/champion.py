"""The champions in memory: verified, tried in a throw-away process, then swapped in by one reference."""

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
    """One model version, ready to answer."""

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
        """What level scores mean to this model: an outcome of their own, or a stake returned."""
        return "draw" if len(self.bundle.forecaster.spec.classes) == 3 else "push"

    def forecast(self, row: OnlineRow) -> Forecast:
        """What the model expects of the game. Raises DataIntegrityError for a row of another feature set."""
        (forecast,) = self.forecasts([row])
        return forecast

    def forecasts(self, rows: Sequence[OnlineRow]) -> list[Forecast]:
        """What the model expects of many games: the same as of each, much cheaper. Raises as ``forecast`` does."""
        return self.bundle.forecaster.predict([row.pick(self.features) for row in rows])


class Champions:
    """The champions that answer now, by model name. Readers see the old table or the new one, never a half."""

    def __init__(self, loaded: Mapping[str, Champion] | None = None) -> None:
        self._loaded: Mapping[str, Champion] = loaded or {}

    @property
    def loaded(self) -> Mapping[str, Champion]:
        return self._loaded

    def generation(self, model: str) -> int | None:
        """Of the deployment record by which the model answers; None if it does not."""
        champion = self._loaded.get(model)
        return None if champion is None else champion.generation

    def put(self, champion: Champion) -> None:
        """Let this champion answer from now on."""
        self._loaded = self.with_champion(champion).loaded

    def with_champion(self, champion: Champion) -> "Champions":
        """What these would be with this one among them."""
        return Champions({**self._loaded, champion.model: champion})

    def move(self, model: str, generation: int) -> None:
        """The deployment record moved on without changing the champion."""
        self._loaded = {**self._loaded, model: replace(self._loaded[model], generation=generation)}

    def drop(self, model: str) -> None:
        """A model that is deployed no more."""
        self._loaded = {name: champion for name, champion in self._loaded.items() if name != model}

    def of_row(self, row: OnlineRow) -> Champion:
        """The champion for this game: the one that knows prices if there are any, else the one on results alone.

        Raises ServiceError when the league has none.
        """
        priced = row.prices is not None and row.prices.home is not None
        return self._first(row.league, ("prices", "results") if priced else ("results",))

    def of_league(self, league: League) -> Champion:
        """The champion for a game that nobody priced. Raises ServiceError when the league has none."""
        return self._first(league.key, ("results",))

    def _first(self, league: str, variants: tuple[Variant, ...]) -> Champion:
        for variant in variants:
            champion = self._loaded.get(model_name(league, variant))
            if champion is not None:
                return champion
        hint = f"Run `dbsbm train --league {league}`, then `dbsbm promote {model_name(league, 'results')}`."
        raise ServiceError(f"There is no champion for {league} yet.", hint=hint, league=league)
