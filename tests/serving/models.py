"""A tiny league with real feature rows, and tiny real bundles, made without the training room."""

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.registry.bundles.contents import write_bundle
from core.registry.deployment import Version, deployment, install_champion, model_name, register
from core.registry.forecaster import Calibration, ForecasterSpec, Head, ScoreSpread
from core.registry.linear import Linear
from core.registry.pooling_weight import PoolingWeight
from core.settings import load_settings
from core.signing import Signer, signer
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import FEATURE_SETS, FeatureSet
from feature_store.rows.build import build
from serving.champions.loader import TRIAL_FOLDER
from tests.conftest import NOW

LEAGUES = Leagues(BUILT_IN)
EPL, NFL = LEAGUES.get("EPL"), LEAGUES.get("NFL")
TEAMS = {
    "EPL": ("Arsenal", "Chelsea", "Manchester United", "Wolverhampton Wanderers"),
    "NFL": ("Green Bay Packers", "Chicago Bears", "Dallas Cowboys", "Miami Dolphins"),
}
DAY = timedelta(days=1)
TRAINED_UNTIL = NOW - 2 * DAY
QUOTED_AT = NOW - timedelta(minutes=5)
"""Fresh for games that are about to begin, too."""
BELIEVED = PoolingWeight(devig="multiplicative", weight=0.9, error=0.02, games=5_000)


def fill(engine: Engine, league: League, now: datetime = NOW) -> None:
    """Five rounds of results, then coming games: two priced, one not, one with a team that never played."""
    teams = TEAMS[league.key]
    batch = FactBatch()
    pairs = [(home, away) for home in teams for away in teams if home != away]
    for number, (home, away) in enumerate(pairs * 2):
        start = NOW - (60 - 2 * number) * DAY
        batch.games.append(game(f"{league.key}-{number}", home, away, start, status="final"))
        home_score, away_score = (number * 3) % 4, (number * 2) % 3
        if league.scores == "points":
            home_score, away_score = 10 + 7 * home_score, 13 + 3 * away_score
        done = start + timedelta(hours=4)
        batch.results.append(Result(f"{league.key}-{number}", done, done, home_score, away_score))
    batch.games += [
        game(f"{league.key}-101", teams[0], teams[1], NOW + DAY),
        game(f"{league.key}-102", teams[2], teams[3], NOW + 2 * DAY),
        game(f"{league.key}-103", teams[1], "Newcomers", NOW + 3 * DAY),
        game(f"{league.key}/104", teams[1], teams[2], NOW + timedelta(minutes=10)),
    ]
    for game_id, odds_home in ((f"{league.key}-101", 1.8), (f"{league.key}/104", 2.4)):
        batch.quotes += prices(league, game_id, odds_home)
    archive.record(engine, league, batch, source="test", recorded_at=NOW)
    build(engine, league, now)


def game(game_id: str, home: str, away: str, start_at: datetime, *, status: str = "scheduled") -> GameFact:
    known_at = min(start_at - 10 * DAY, NOW - DAY)
    return GameFact(game_id, known_at, 2023, start_at, False, home, away, False, False, status)  # type: ignore[arg-type]


def price(league: League, game_id: str, odds_home: float, known_at: datetime = QUOTED_AT) -> Quote:
    draw = 3.6 if league.outcomes == 3 else None
    lines = {"total_line": 2.75} if league.scores == "goals" else {"spread_line": 3.0, "total_line": 44.5}
    return Quote(game_id, "book", "last", known_at, known_at, odds_home, draw, 2.9, **lines)


def prices(league: League, game_id: str, odds_home: float, known_at: datetime = QUOTED_AT) -> list[Quote]:
    """The same price of two books: as few as a value needs."""
    one = price(league, game_id, odds_home, known_at)
    return [one, one._replace(book="other")]


def record_price(engine: Engine, league: League, game_id: str, odds_home: float, now: datetime) -> None:
    """A new price of both books arrives and the feature store sees it."""
    batch = FactBatch(quotes=prices(league, game_id, odds_home, now))
    archive.record(engine, league, batch, source="test", recorded_at=now)
    build(engine, league, now)


def forecaster(
    league: League, features: FeatureSet, *, home_lean: float, with_trees: bool, belief: PoolingWeight | None = BELIEVED
) -> ForecasterSpec:
    """A linear model on the rating gap; ``home_lean`` shifts the home side's score, so that versions differ."""
    width, outcomes = len(features.names), league.outcomes
    goals = league.scores == "goals"

    def linear(outputs: Iterable[float], intercepts: Iterable[float]) -> Linear:
        rows = tuple((weight, *[0.0] * (width - 1)) for weight in outputs)
        return Linear(means=(0.0,) * width, scales=(100.0,) * width, coefficients=rows, intercepts=tuple(intercepts))

    signs = (0.4, 0.0, -0.4) if outcomes == 3 else (0.4, -0.4)
    return ForecasterSpec(
        classes=("home", "draw", "away") if outcomes == 3 else ("home", "away"),
        features=features.labels,
        outcome=head(linear(signs, (home_lean, *[0.0] * (outcomes - 1))), trees_weight=0.5 if with_trees else 0.0),
        calibration=Calibration(slope=1.0, shifts=(0.0,) * outcomes),
        margin=head(linear((0.5,), (0.3 if goals else 2.0,))),
        total=head(linear((0.0,), (2.7 if goals else 44.0,))),
        shape=ScoreSpread(
            scores=league.scores,
            margin_deviation=13.0,
            total_deviation=13.0,
            dispersion=1.0,
            tie_rate=0.0 if outcomes == 3 else 0.003,
        ),
        belief=belief,
    )


def head(linear: Linear, *, trees_weight: float = 0.0) -> Head:
    return Head(linears=(linear,), weights=(1 - trees_weight,), trees_weight=trees_weight)


def trees(league: League, names: tuple[str, ...]) -> dict[str, str]:
    """A LightGBM model of the outcome, grown on noise."""
    import lightgbm

    random = np.random.default_rng(7)
    table, outcomes = random.normal(size=(200, len(names))), random.integers(0, league.outcomes, 200)
    data = lightgbm.Dataset(table, outcomes, feature_name=list(names))
    parameters = {"objective": "multiclass", "num_class": league.outcomes, "verbose": -1, "num_threads": 1}
    return {"outcome": lightgbm.train(parameters, data, num_boost_round=3).model_to_string()}


def deploy(
    engine: Engine,
    store: Path,
    league: League,
    variant: str = "results",
    *,
    damaged: bool = False,
    promoted: bool = True,
    **about: Any,
) -> Version:
    """Write a bundle (``about`` as ``written`` has it), register it and make it champion, unless it is not ``promoted``."""
    version = written(store, league, variant, **about)
    if damaged:
        damage(store, version)
    else:
        share_trials(store)
    if promoted:
        return promote(engine, version)
    register(engine, version, version.registered_at)
    return version


def share_trials(store: Path) -> None:
    """Let the store keep its notes of trials where all the others do: the same bundle is tried once, not in every test."""
    notes = store / TRIAL_FOLDER
    if not notes.exists():
        notes.symlink_to(_trials(), target_is_directory=True)


@cache
def _trials() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="trials-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(
    store: Path,
    league: League,
    variant: str = "results",
    *,
    number: int = 1,
    home_lean: float = 0.3,
    with_trees: bool = False,
    fingerprint: str | None = None,
    labels: tuple[str, ...] | None = None,
    belief: PoolingWeight | None = BELIEVED,
    now: datetime = NOW,
) -> Version:
    """A bundle in the store that is not registered yet.

    A foreign ``fingerprint`` or foreign ``labels`` make it one of another feature set.
    """
    features = FEATURE_SETS[variant]
    spec = forecaster(league, features, home_lean=home_lean, with_trees=with_trees, belief=belief)
    if labels is not None:
        spec = spec.model_copy(update={"features": labels})
    stated = fingerprint or features.fingerprint(league.sport)
    sha256, _ = write_bundle(
        store,
        key_of_bundles(store),
        spec,
        trees(league, features.names) if with_trees else {},
        np.array([[10.0] * len(features.names), [np.nan] * len(features.names)]),
        model=model_name(league.key, variant),
        sport=league.sport,
        league=league.key,
        variant=variant,
        recipe="test",
        fingerprint=stated,
        snapshot_sha256="5" * 64,
        trained_until=TRAINED_UNTIL,
        games=24,
    )
    return Version(
        model=model_name(league.key, variant),
        version=number,
        sport=league.sport,
        league=league.key,
        variant=variant,
        bundle_sha256=sha256,
        features=stated,
        snapshot_sha256="5" * 64,
        trained_until=TRAINED_UNTIL,
        registered_at=now,
        run_id=f"run-{number}",
        recipe="test",
        scores={"log_loss": 0.98, "games": 24},
    )


def key_of_bundles(store: Path) -> Signer:
    """Return the signer of bundles in development."""
    return signer(load_settings(_env_file=None, bundle_dir=store), "bundle")


def promote(engine: Engine, version: Version) -> Version:
    """Register the version and make it champion; returns it."""
    register(engine, version, version.registered_at)
    install_champion(engine, deployment(engine, version.model), version.version, version.registered_at)
    return version


def damage(store: Path, version: Version) -> None:
    """Flip one bit of the bundle's model."""
    target = store / version.bundle_sha256 / "forecaster.json"
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(bytes(content))
