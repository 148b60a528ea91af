"""The page that ``make bench-models`` writes: every figure is measured, except those of the reference pipeline."""

import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from core.scoring import standard_error
from tests.bench.training.anchors import ANCHORS, Measured

PAGE: Final = Path(__file__).parents[3] / "docs" / "results-models.md"


@dataclass(frozen=True)
class Effort:
    """What a whole run took."""

    seconds: float
    peaks: Sequence[float]
    """Most memory of each process, the parent's last [MiB]."""
    arguments: str
    """How the command was called, beside its name."""

    def __str__(self) -> str:
        parts = " + ".join(f"{peak:.0f}" for peak in self.peaks)
        processes = {1: "one process", 2: "two processes"}.get(len(self.peaks) - 1, f"{len(self.peaks) - 1} processes")
        return (
            f"The whole run, tuning and final models included, took {self.seconds:.0f} s in {processes};"
            f" peak memory {parts} (parent) = {sum(self.peaks):.0f} MiB."
        )


def page(results: Sequence[Measured], prices: Sequence[Measured], effort: Effort) -> str:
    """The page in Markdown, from both variants of the same leagues."""
    command = "make bench-models" + (f' ARGS="{effort.arguments}"' if effort.arguments else "")
    lines = [
        "# Forecasts beside the reference figures",
        "",
        *_wrapped(
            f"Written by `{command}` at {_commit() or 'no commit'}, {datetime.now(UTC):%Y-%m-%d}. Walk-forward by season"
            " on the development data: every season is forecast by models tuned, fitted, blended and calibrated on"
            " earlier games only. Log loss, smaller is better; ± is one standard error of the paired difference, with"
            " the games of a week as one cluster. *Reference*: what the reference pipeline measured on the same seasons."
            f" Market: the closing price, de-vigged by the power method. {effort}"
        ),
        "",
        *_who_wins(results, prices),
        *_pooled(results, prices),
        *_calibration(results, prices),
        *_models(results, prices),
        *_devig_methods(results),
    ]
    return "\n".join((*lines, ""))


def _wrapped(text: str) -> list[str]:
    """The text as lines of Markdown of at most 120 characters."""
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def _commit() -> str:
    return subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=PAGE.parent
    ).stdout.strip()


def _who_wins(results: Sequence[Measured], prices: Sequence[Measured]) -> list[str]:
    lines = [
        "## Who wins",
        "",
        (
            "| league, seasons | games | base rate | Elo | opening | market | **no price** | reference: past odds |"
            " no price - market | **with price** | reference | with price - market |"
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
    return [*lines, ""]


def _pooled(results: Sequence[Measured], prices: Sequence[Measured]) -> list[str]:
    games = np.array([one.evaluation.scores[0].games for one in results])
    past_odds = float(games @ [ANCHORS[one.league].past_odds for one in results] / games.sum())
    own_loss = float(games @ [one.evaluation.scores[0].log_loss for one in results] / games.sum())
    lines = [
        "Pooled, every game counting the same:",
        "",
        f"- no price {own_loss:.5f}, reference with past odds {past_odds:.5f}: {own_loss - past_odds:+.5f}",
    ]
    for name, group in (("no price", results), ("with price", prices)):
        for yardstick in ("market", "opening price", "Elo"):
            count, loss, difference, error = _together(group, "model", yardstick)
            lines.append(f"- {name} - {yardstick}: {difference:+.5f} ± {error:.5f} ({loss:.5f} on {count:,} games)")
    return [*lines, ""]


def _together(group: Sequence[Measured], name: str, other: str) -> tuple[int, float, float, float]:
    """Games for which both are known, the first one's log loss, its mean difference, and that one's error."""
    losses, others = (np.concatenate([one.losses[said] for one in group]) for said in (name, other))
    weeks = np.concatenate([one.weeks + number * 10**6 for number, one in enumerate(group)])
    known = ~np.isnan(losses + others)
    if not known.any():
        return 0, float("nan"), float("nan"), float("nan")
    difference = (losses - others)[known]
    error = standard_error(difference, weeks[known])
    return len(difference), float(losses[known].mean()), float(difference.mean()), error


def _calibration(results: Sequence[Measured], prices: Sequence[Measured]) -> list[str]:
    lines = [
        "## Calibration, margin and total",
        "",
        *_wrapped(
            "ECE in ten bins beside its floor (what a perfect forecast shows at that many games); mean absolute errors of"
            " margin and total in points."
        ),
        "",
        (
            "| league | ECE no price (floor) | ECE with price (floor) | margin no price | with price | line | reference |"
            " total no price | with price | line | reference |"
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
            f" {priced.evaluation.margin_error:.2f} | {_error(own, 'margin')} | {anchor.margin or '-'} |"
            f" {own.evaluation.total_error:.2f} | {priced.evaluation.total_error:.2f} |"
            f" {_error(own, 'total')} | {anchor.total or '-'} |"
        )
    return [*lines, ""]


def _models(results: Sequence[Measured], prices: Sequence[Measured]) -> list[str]:
    lines = [
        "## Composition of the models",
        "",
        *_wrapped(
            "Shares in the blend of who wins: the few strongest features (no price) or the market (with price), all"
            " features, trees."
        ),
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
    return [*lines, ""]


def _devig_methods(results: Sequence[Measured]) -> list[str]:
    """The same closing prices by two de-vig methods."""
    lines = [
        "## The closing price by two de-vig methods",
        "",
        *_wrapped(
            "Log loss of the same prices on the same games; below 0 the multiplicative method is better than the power"
            " method."
        ),
        "",
        "| league | games | multiplicative | power | multiplicative - power |",
        "|" + " --- |" * 5,
    ]
    for name, group in (*((one.league, [one]) for one in results), ("pooled", results)):
        count, loss, difference, error = _together(group, "multiplicative", "market")
        lines.append(f"| {name} | {count:,} | {loss:.4f} | {loss - difference:.4f} | {difference:+.5f} ± {error:.5f} |")
    return lines


def _loss(one: Measured, name: str) -> str:
    score = one.evaluation.score(name)
    return "-" if score is None else f"{score.log_loss:.4f}"


def _error(one: Measured, question: str) -> str:
    """Mean absolute error of the market's line."""
    found = [c.other for c in one.evaluation.comparisons if (c.measure, c.yardstick) == (f"{question}_error", "market")]
    return f"{found[0]:.2f}" if found else "-"
