"""The demo: the whole pipeline on real games of an installed package, without any other service.

The clock is fixed at the kick-off of the last day of the 2023-24 season: models are trained on the games before it,
the server forecasts the games of that day, and neither sees their results.
"""

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import httpx
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.clock import FixedClock
from core.database.engines import open_database
from core.registry.bundles.store import BundleStore, bundle_store
from core.registry.deployment import Version, deployments, model_name
from core.settings import Settings, load_settings
from feature_store.archive import store as archive
from feature_store.features.sets import EVERYTHING
from feature_store.rows.build import build
from feature_store.sources.library.sample import COUNTRIES, sample_batches
from flows.cli.output import Output, table
from migrations import schema
from training.datasets.assembly import Dataset, load_dataset
from training.fitting.recipe import RECIPES, Recipe
from training.promotion.promote import promote
from training.runs.registration import register
from training.runs.train import find_trained_version
from training.runs.trained_model import TrainedModel, fit_and_evaluate

MOMENT: Final = datetime(2024, 5, 19, 15, tzinfo=UTC)
FOLDER: Final = Path("mlruns/demo")
LEAGUE: Final = "EPL"
HOME, AWAY = "Arsenal", "Everton"
LOADING_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 0.1


@dataclass(frozen=True)
class DemoModel:
    """One model of the demo: fitted now, or registered by an earlier run."""

    recipe: Recipe
    dataset: Dataset
    registered: Version | None
    trained: TrainedModel | None

    @property
    def name(self) -> str:
        return model_name(self.dataset.league.key, self.recipe.variant)


def demo_settings(port: int) -> Settings:
    """Settings that touch nothing outside mlruns/demo: SQLite, no Redis, a model store of its own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return load_settings(
        dbsbm_env="development",
        log_level="WARNING",
        database_url=f"sqlite:///{FOLDER}/dbsbm.db",
        mysql_host=None,
        redis_url=None,
        redis_host=None,
        mlflow_tracking_uri=f"sqlite:///{FOLDER}/mlflow.db",
        bundle_dir=FOLDER / "bundles",
        port=port,
    )


def run_demo(settings: Settings, leagues: Leagues, out: Output, *, now: datetime, keep_serving: bool) -> dict[str, Any]:
    """Build everything, forecast a real game through the server and show it; with ``keep_serving``, until stopped."""
    engine = open_database(settings.database)
    schema.upgrade(engine)
    out.stage("data", _load_sample(engine, leagues))
    models = _fit_models(engine, settings, leagues, out)
    versions = _register_models(engine, settings, models, out, now)
    out.stage("promote", _promote_models(engine, settings, leagues, models, now))
    for key in COUNTRIES.values():
        build(engine, leagues.get(key), MOMENT)
    champions = _champions(engine)
    engine.dispose()
    return _forecast_and_serve(settings, versions, champions, out, keep_serving=keep_serving)


def _load_sample(engine: Engine, leagues: Leagues) -> str:
    added = total = 0
    for league, batch in sample_batches(leagues).items():
        added += archive.record(engine, league, batch, source="sports-betting", recorded_at=MOMENT).added
        total += len(batch.games)
    return f"{total} real games of {' and '.join(COUNTRIES.values())} 2023-24, {added:,} new facts"


def _fit_models(engine: Engine, settings: Settings, leagues: Leagues, out: Output) -> list[DemoModel]:
    datasets = [load_dataset(engine, leagues.get(key), MOMENT) for key in COUNTRIES.values()]
    rows = sum(len(dataset) for dataset in datasets)
    out.stage("features", f"{len(EVERYTHING.names)} features of {rows} finished games, each as of its kick-off")
    models = []
    pairs = [(dataset, recipe) for dataset in datasets for recipe in RECIPES.values()]
    for number, (dataset, recipe) in enumerate(pairs):
        out.working(f"{dataset.league.key} {recipe.name}", number, len(pairs))
        registered = find_trained_version(engine, recipe, dataset)
        if registered is not None and not bundle_store(settings).holds(registered):
            registered = None
        models.append(DemoModel(recipe, dataset, registered, None if registered else fit_and_evaluate(recipe, dataset)))
    fitted = [model.trained.evaluation for model in models if model.trained]
    if not fitted:
        out.stage("train", "0 new models: the same data and recipes are trained already")
        out.stage("calibrate", "0 new models")
        return models
    first = fitted[0]
    out.stage("train", f"{len(fitted)} models, {models[0].name} log loss {first.raw_log_loss:.3f} before calibration")
    out.stage("calibrate", f"log loss {first.scores[0].log_loss:.3f} on {first.scores[0].games} held-out games")
    return models


def _register_models(
    engine: Engine, settings: Settings, models: Sequence[DemoModel], out: Output, now: datetime
) -> list[Version]:
    versions = []
    for number, model in enumerate(models):
        out.working(f"registering {model.name}", number, len(models))
        versions.append(model.registered or _register(engine, bundle_store(settings), model, now))
    new = sum(model.trained is not None for model in models)
    out.stage("register", f"{new} new versions in MLflow, {len(versions)} models in all")
    return versions


def _register(engine: Engine, store: BundleStore, model: DemoModel, now: datetime) -> Version:
    assert model.trained is not None  # noqa: S101 - a model is either registered or just trained
    return register(engine, model.trained, store, known_by=MOMENT, now=now)


def _promote_models(
    engine: Engine, settings: Settings, leagues: Leagues, models: Sequence[DemoModel], now: datetime
) -> str:
    refused = []
    for model in models:
        if deployments(engine)[model.name].challenger is None:
            continue
        verdict, _, _ = promote(engine, leagues, bundle_store(settings), model.name, None, now)
        refused += [f"{model.name} ({check.name}: {check.numbers})" for check in verdict.checks if not check.passed]
    text = f"{len(_champions(engine))} champions"
    return f"{text}; the promotion gate refused {'; '.join(refused)}" if refused else text


def _champions(engine: Engine) -> frozenset[str]:
    return frozenset(record.model for record in deployments(engine).values() if record.champion is not None)


def _forecast_and_serve(
    settings: Settings, versions: Sequence[Version], champions: Set[str], out: Output, *, keep_serving: bool
) -> dict[str, Any]:
    from serving.client import PredictionClient
    from serving.server import running_server

    with running_server(settings, FixedClock(MOMENT), port=settings.port) as address:
        out.stage("serve", f"{address}  (documentation at {address}/docs)")
        _wait_for_champions(address, champions)
        with PredictionClient(address) as client:
            game = client.games(f"{HOME} {AWAY}", league=LEAGUE)[0]
            answer = client.prediction(game["sport"], game["league"], game["game_id"])
        path = f"{game['sport']}/{game['league']}/{game['game_id']}"
        out.line(_forecast_text(answer, versions))
        out.line(f"\nTry:  curl '{address}/v1/predictions/{path}'")
        if keep_serving:
            out.line("Serving until you press Ctrl-C. The clock is fixed at 2024-05-19 15:00 UTC.")
            _wait()
        return answer


def _wait_for_champions(address: str, champions: Set[str]) -> None:
    """Return once games and champions are loaded, which takes longer than listening; at the latest after a minute."""
    until = time.monotonic() + LOADING_SECONDS
    while time.monotonic() < until:
        response = httpx.get(f"{address}/readyz", timeout=LOADING_SECONDS)
        loaded = {model for model, about in response.json()["models"].items() if about["version"] is not None}
        if response.is_success and champions <= loaded:
            return
        time.sleep(RETRY_SECONDS)


def _wait() -> None:
    try:
        Event().wait()
    except KeyboardInterrupt:
        return


def _forecast_text(answer: dict[str, Any], versions: Sequence[Version]) -> str:
    """The forecast beside the market and the base rate, and the models' scores on held-out games."""
    game, probabilities, market = answer["game"], answer["probabilities"], answer["market"] or {}
    model = answer["model"]
    home_share, draw_share, away_share = _base_rate(versions, model["name"])
    rows = [
        ("forecast", *(f"{probabilities[side]:.3f}" for side in ("home", "draw", "away"))),
        ("market", *(f"{market[side]:.3f}" if market.get(side) else "-" for side in ("home", "draw", "away"))),
        ("base rate", f"{home_share:.3f}", f"{draw_share:.3f}", f"{away_share:.3f}"),
    ]
    teams = f"{game['home_team']} v {game['away_team']}, {game['start_at']}"
    heading = f"\n {teams}, by {model['name']} version {model['version']}"
    return "\n".join(
        (heading, table(("", "home", "draw", "away"), rows), "", _scores_table(versions), _comparison(versions))
    )


def _base_rate(versions: Sequence[Version], name: str) -> tuple[float, float, float]:
    version = next(version for version in versions if version.model == name)
    home, draw, away = version.scores["outcome_shares"]
    return home, draw, away


def _scores_table(versions: Sequence[Version]) -> str:
    rows = []
    for version in versions:
        losses = {score["name"]: score["log_loss"] for score in version.scores["scores"]}
        games = version.scores["scores"][0]["games"]
        rows.append(
            (version.model, games, *(f"{losses[name]:.3f}" for name in ("model", "base_rate", "elo", "market")))
        )
    return table(("log loss, held-out games", "games", "model", "base rate", "elo", "market"), rows)


def _comparison(versions: Sequence[Version]) -> str:
    """Sentences that name the models which a baseline beat."""
    lines = ["One season of two leagues is a small sample."]
    for baseline, sentence in (("market", "The market was better than"), ("elo", "Elo alone was better than")):
        worse = []
        for version in versions:
            losses = {score["name"]: score["log_loss"] for score in version.scores["scores"]}
            if losses["model"] > losses[baseline]:
                worse.append(version.model)
        if worse:
            lines.append(f"{sentence} {', '.join(worse)}.")
    if len(lines) == 1:
        lines.append("No baseline was better; with so few games that is as much luck as skill.")
    return " ".join(lines)
