"""The model card: one HTML page with what a model is, how well it forecasts, and its limits.

The page is self-contained (pictures are embedded, nothing is requested over the network) and prints on A4.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.datasets.assembly import Dataset
from training.evaluation.scores import Comparison, Evaluation, ForecasterScore
from training.fitting.recipe import Recipe

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
YARDSTICKS: Final = {
    "model": "model",
    "model_where_priced": "model, priced games only",
    "base_rate": "base rate",
    "elo": "Elo",
    "opening": "opening price",
    "market": "closing price",
}
MEASURES: Final = {
    "log_loss": "log loss",
    "brier": "Brier",
    "ranked_probability": "RPS",
    "accuracy": "accuracy",
    "calibration_error": "ECE",
}
CAPTIONS: Final = {
    "reliability": "Forecast probability and observed frequency in ten bins of as many games, 95 % Wilson intervals.",
    "log-loss-over-time": "Log loss by month, and the cumulative log loss saved relative to the base rate.",
    "calibration-by-odds": "Selections by odds: observed frequency minus forecast probability.",
    "feature-importance": "Share of each feature in the size of the outcome's log-odds, and in the gain of the trees.",
}
SMALL_SAMPLE: Final = 500
"""Held-out games below which the card says that the sample is small."""


@dataclass(frozen=True, eq=False)
class RunSubject:
    """The model that a run and its card describe."""

    name: str
    recipe: Recipe
    dataset: Dataset
    evaluation: Evaluation
    known_by: datetime
    fingerprint: str
    code_version: str
    bundle_sha256: str | None
    """None for an experiment, which has no bundle."""
    warnings: Sequence[str]


def card_html(subject: RunSubject, pictures: Iterable[Path]) -> str:
    """The page as HTML text."""
    evaluation = subject.evaluation
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    ranked = subject.dataset.league.outcomes == 3
    return environment.get_template("card.html").render(
        subject=subject,
        league=subject.dataset.league,
        facts=_facts(subject),
        made_of=_made_of(subject),
        parameters=subject.recipe.parameters(),
        measures={key: name for key, name in MEASURES.items() if ranked or key != "ranked_probability"},
        scores=[(YARDSTICKS[score.name], score) for score in evaluation.scores],
        differences=_differences(evaluation),
        expectations=[
            (question, [one for one in evaluation.comparisons if one.measure == f"{question}_error"])
            for question in ("margin", "total")
        ],
        yardsticks=YARDSTICKS,
        seasons=[(season, _losses(season.scores)) for season in evaluation.by_season],
        pictures=[(CAPTIONS[path.stem], b64encode(path.read_bytes()).decode()) for path in pictures],
        limits=limits(subject),
    )


def limits(subject: RunSubject) -> list[str]:
    """The limits of the model, in sentences with their numbers."""
    league, evaluation = subject.dataset.league, subject.evaluation
    model = evaluation.scores[0]
    sentences = [
        (
            f"It uses the {len(subject.recipe.features.names)} features listed below and nothing else: no line-ups, "
            "injuries, suspensions, transfers, weather or news, except as far as a price that it uses reflects them."
        ),
        _about_prices(subject, _against(evaluation, "market")),
        (
            f"It was trained on what was known by {subject.known_by:%Y-%m-%d}; later changes in the league reach it "
            "only through results."
        ),
        (
            "A team without earlier games starts from the league's mean for new teams, and its forecasts are more "
            "certain than they should be."
        ),
    ]
    if league.outcomes == 2:
        sentences.append(
            f"Its two probabilities are of decided games, overtime included. Games that end level: {league.ties}."
        )
    if model.games < SMALL_SAMPLE:
        sentences.append(
            f"It was evaluated on {model.games} games; at that size differences of a few hundredths are noise."
        )
    if not evaluation.seasons[0].isdecimal():
        sentences.append("There are too few seasons to hold out whole ones: it was evaluated on parts of the calendar.")
    beyond = evaluation.calibration_floor + 2 * evaluation.calibration_deviation
    if model.calibration_error > beyond:
        sentences.append(
            f"Its calibration error of {model.calibration_error:.3f} is more than chance explains ({beyond:.3f})."
        )
    return sentences


def _about_prices(subject: RunSubject, market: Comparison | None) -> str:
    own = (
        "It uses the latest price of the game it forecasts, so it cannot show whether that price is wrong"
        if subject.recipe.variant == "prices"
        else "It does not use the price of the game it forecasts"
    )
    if market is None:
        return f"{own}. There were no closing prices to compare it with."
    verdict = "was no better than" if market.difference > 0 else "was better than"
    return (
        f"{own}. On {market.games:,} held-out games it {verdict} the closing price: log loss {market.difference:+.4f} "
        f"± {market.error:.4f} (one standard error)."
    )


def _against(evaluation: Evaluation, yardstick: str) -> Comparison | None:
    matching = (one for one in evaluation.comparisons if (one.measure, one.yardstick) == ("log_loss", yardstick))
    return next(matching, None)


def _made_of(subject: RunSubject) -> str:
    """Where the outcome's probabilities come from."""
    if subject.dataset.basis != "elo":
        return "a blend of linear models and LightGBM trees, calibrated on games they had not seen"
    if subject.recipe.variant == "prices":
        return "the market's own where a game has a price, with one slope; there are too few games to fit a model to"
    return "those of Elo ratings with standard parameters; there are too few games to fit a model to"


def _facts(subject: RunSubject) -> dict[str, Any]:
    dataset = subject.dataset
    return {
        "Bundle SHA-256": subject.bundle_sha256 or "none (an experiment)",
        "Data SHA-256": dataset.snapshot_sha256,
        "Feature fingerprint": subject.fingerprint,
        "Recipe": subject.recipe.label,
        "Rests on": f"{dataset.basis}: {dataset.rests_on}",
        "Code": subject.code_version,
        "Known by": f"{subject.known_by:%Y-%m-%d %H:%M} UTC",
        "Learnt from": f"{len(dataset):,} games, seasons {dataset.seasons.min()} to {dataset.seasons.max()}",
        "Held out": f"{subject.evaluation.scores[0].games:,} games of {', '.join(subject.evaluation.seasons)}",
    }


def _differences(evaluation: Evaluation) -> dict[str, Mapping[str, Comparison]]:
    """The comparisons by yardstick and measure."""
    differences: dict[str, dict[str, Comparison]] = {}
    for one in evaluation.comparisons:
        if one.measure in MEASURES:
            differences.setdefault(one.yardstick, {})[one.measure] = one
    return dict(differences)


def _losses(scores: Sequence[ForecasterScore]) -> dict[str, float]:
    return {score.name: score.log_loss for score in scores}
