"""Every league's forecasts, with and without the price, beside all yardsticks and the anchors of the reference pipeline.

``make bench-models`` walks each league of the development data forward by season, as ``dbsbm backtest`` does, fits the
final models too, and writes docs/results-models.md. Nothing in that page is typed by hand but the anchors.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.csv_archive import read_csv
from tests.conftest import DEVELOPMENT_DATA
from training import metrics
from training.dataset import Dataset, dataset_of
from training.evaluation import Evaluation, evaluate
from training.recipe import RECIPES, Recipe
from training.splits import season_blocks
from training.train import fit
from training.tuning import tuned
from training.walk import Forecasts, walk_forward

PAGE: Final = Path(__file__).parents[2] / "docs" / "results-models.md"


@dataclass(frozen=True)
class Anchor:
    """What the reference pipeline measured on the same seasons (issue's reference, models.md)."""

    seasons: tuple[int, ...]
    elo: float
    past_odds: float
    with_price: float
    margin: float | None = None
    total: float | None = None


ANCHORS: Final = {
    "NFL": Anchor((2018, 2019, 2020), 0.6301, 0.6196, 0.6086, 10.26, 10.98),
    "NBA": Anchor((2017, 2018), 0.6164, 0.6106, 0.5942, 10.08, 14.89),
    "MLB": Anchor((2016, 2017), 0.6836, 0.6819, 0.6735),
    "NHL": Anchor((2016, 2017), 0.6723, 0.6690, 0.6695),
    "EPL": Anchor((2020, 2021), 0.9921, 0.9816, 0.9697),
    "LALIGA": Anchor((2020, 2021), 1.0040, 0.9961, 0.9859),
    "BUNDESLIGA": Anchor((2020, 2021), 1.0067, 0.9950, 0.9851),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """One league and variant."""

    league: str
    evaluation: Evaluation
    blocks: Sequence[Forecasts]
    seconds: float
    shares: tuple[float, ...]
    """Of the outcome's learners in the last season's forecaster: anchor or market, every feature, trees."""
    story: str


def measured(key: str, dataset: Dataset, recipe: Recipe, seasons: Sequence[int]) -> Measured:
    """Tune, walk forward through the seasons, and fit the model of every game as ``dbsbm train`` would."""
    began = time.monotonic()
    proof, asked = season_blocks(dataset, seasons, recipe.proving_seasons)
    chosen = tuned(recipe.of(dataset), dataset, [*proof, *asked])
    blocks, _ = walk_forward(chosen.recipe, dataset, [*proof, *asked], asked=[block.name for block in asked])
    head = fit(recipe, dataset).fitted.spec.outcome
    seconds = time.monotonic() - began
    return Measured(key, evaluate(blocks), blocks, seconds, (*head.weights, head.trees_weight), chosen.story)


def pooled(
    results: Sequence[Measured], yardstick: Callable[[Forecasts], np.ndarray]
) -> tuple[int, float, float, float]:
    """Games, the model's log loss on them, its mean difference from the yardstick, and that one's standard error."""
    losses, differences, clusters = [], [], []
    for number, one in enumerate(results):
        for block in one.blocks:
            said, outcomes = yardstick(block), block.games.outcomes
            known = (outcomes >= 0) & ~np.isnan(said).any(axis=1)
            own = metrics.log_losses(block.probabilities[known], outcomes[known])
            losses.append(own)
            differences.append(own - metrics.log_losses(said[known], outcomes[known]))
            clusters.append(metrics.weeks(block.games.starts[known]) + number * 10**6)
    difference = np.concatenate(differences)
    error = metrics.standard_error(difference, np.concatenate(clusters))
    return len(difference), float(np.concatenate(losses).mean()), float(difference.mean()), error


def _loss(one: Measured, name: str) -> str:
    score = one.evaluation.score(name)
    return "-" if score is None else f"{score.log_loss:.4f}"


def _error(one: Measured, question: str, name: str) -> str:
    found = [c.other for c in one.evaluation.comparisons if (c.measure, c.yardstick) == (f"{question}_error", name)]
    return f"{found[0]:.2f}" if found else "-"


def page(results: Sequence[Measured], prices: Sequence[Measured], *, seconds: float, peak: float, trials: int) -> str:
    """The page in Markdown."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=PAGE.parent
    ).stdout.strip()
    command = "make bench-models" + (f' ARGS="--tune {trials}"' if trials else "")
    lines = [
        "# Forecasts beside the anchors",
        "",
        (
            f"Written by `{command}` at {commit or 'no commit'}, {datetime.now(UTC):%Y-%m-%d}. Walk-forward by season on the"
            " development data: every season is forecast by models fitted, blended and calibrated on earlier games only."
            " Log loss, smaller is better; ± is one standard error of the paired difference, a week's games as one cluster."
            " *Anchor*: what the reference pipeline measured on the same seasons. Market: the closing price, power method."
            f" All of it, the final models included, took {seconds:.0f} s in one process; peak memory {peak:.0f} MiB."
        ),
        "",
        "## Who wins",
        "",
        (
            "| league, seasons | games | base rate | Elo | opening | market | **no price** | anchor: past odds |"
            " no price - market | **with price** | anchor | with price - market |"
        ),
        "|" + " --- |" * 12,
    ]
    for own, priced in zip(results, prices, strict=True):
        anchor = ANCHORS[own.league]
        market = own.evaluation.score("market"), priced.evaluation.score("market")
        beside = [f"{score.difference:+.4f} ± {score.difference_error:.4f}" if score else "-" for score in market]
        lines.append(
            f"| {own.league} {anchor.seasons[0]}-{anchor.seasons[-1] % 100} | {own.evaluation.scores[0].games:,} |"
            f" {_loss(own, 'base_rate')} | {_loss(own, 'elo')} | {_loss(own, 'opening')} | {_loss(own, 'market')} |"
            f" **{_loss(own, 'model')}** | {anchor.past_odds:.4f} | {beside[0]} |"
            f" **{_loss(priced, 'model')}** | {anchor.with_price:.4f} | {beside[1]} |"
        )
    lines += ["", "Pooled, every game counting the same:", ""]
    games = np.array([one.evaluation.scores[0].games for one in results])
    past_odds = float(games @ [ANCHORS[one.league].past_odds for one in results] / games.sum())
    own_loss = float(games @ [one.evaluation.scores[0].log_loss for one in results] / games.sum())
    lines.append(f"- no price {own_loss:.5f}, anchor past odds {past_odds:.5f}: {own_loss - past_odds:+.5f}")
    for name, group in (("no price", results), ("with price", prices)):
        for yardstick, said in (("market", _closing), ("opening price", _opening), ("Elo", _elo)):
            count, loss, difference, error = pooled(group, said)
            lines.append(f"- {name} - {yardstick}: {difference:+.5f} ± {error:.5f} ({loss:.5f} on {count:,} games)")
    lines += [
        "",
        "## Calibration, margin and total",
        "",
        "ECE in ten bins beside its floor (what a perfect forecast shows at that many games); mean absolute errors in points.",
        "",
        (
            "| league | ECE no price (floor) | ECE with price (floor) | margin no price | with price | line | anchor |"
            " total no price | with price | line | anchor |"
        ),
        "|" + " --- |" * 11,
    ]
    for own, priced in zip(results, prices, strict=True):
        anchor = ANCHORS[own.league]
        calibration = [
            f"{one.evaluation.scores[0].calibration_error:.3f} ({one.evaluation.calibration_floor:.3f})"
            for one in (own, priced)
        ]
        lines.append(
            f"| {own.league} | {calibration[0]} | {calibration[1]} | {own.evaluation.margin_error:.2f} |"
            f" {priced.evaluation.margin_error:.2f} | {_error(own, 'margin', 'market')} | {anchor.margin or '-'} |"
            f" {own.evaluation.total_error:.2f} | {priced.evaluation.total_error:.2f} |"
            f" {_error(own, 'total', 'market')} | {anchor.total or '-'} |"
        )
    lines += [
        "",
        "## What the models are made of",
        "",
        "Shares in the blend of who wins: the few strong features (no price) or the market (with price), all features, trees.",
        "",
        "| league | no price | seconds | with price | seconds | tuning |",
        "|" + " --- |" * 6,
    ]
    for own, priced in zip(results, prices, strict=True):
        shares = [" ".join(f"{share:.2f}" for share in one.shares) for one in (own, priced)]
        lines.append(
            f"| {own.league} | {shares[0]} | {own.seconds:.0f} | {shares[1]} | {priced.seconds:.0f} |"
            f" {own.story}; with price {priced.story} |"
        )
    return "\n".join((*lines, ""))


def _closing(block: Forecasts) -> np.ndarray:
    return block.games.closing


def _opening(block: Forecasts) -> np.ndarray:
    return block.games.opening


def _elo(block: Forecasts) -> np.ndarray:
    return block.elo


def main() -> None:
    """Measure everything, print the page and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", type=int, default=0, help="trials per league and variant")
    parser.add_argument("--leagues", default=",".join(ANCHORS))
    parser.add_argument("--output", type=Path, default=PAGE)
    asked = parser.parse_args()
    if not DEVELOPMENT_DATA.is_dir():
        print(f"bench-models: skipped, no development data at {DEVELOPMENT_DATA}")
        return
    began = time.monotonic()
    leagues = Leagues(BUILT_IN)
    variants: dict[str, list[Measured]] = {name: [] for name in RECIPES}
    for key in asked.leagues.split(","):
        league = leagues.get(key)
        dataset = dataset_of(league, read_csv(DEVELOPMENT_DATA / f"{key}.csv.gz", leagues).batches[league])
        for name, recipe in RECIPES.items():
            found = measured(key, dataset, replace(recipe, tune=asked.tune), ANCHORS[key].seasons)
            variants[name].append(found)
            print(f"{key} {name}: {_loss(found, 'model')} in {found.seconds:.0f} s", file=sys.stderr, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.monotonic() - began
    text = page(variants["results"], variants["prices"], seconds=seconds, peak=peak, trials=asked.tune)
    asked.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
