"""Live quality: the roll-ups as scores per game, beside each yardstick on the same games."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from core.errors import ValidationError
from core.text.nearest import nearest
from serving.monitoring.answer_scores import BEFORE_START, MILLION
from serving.monitoring.tables import BIN_SUMS, SUMS, bins, rollups

DIMENSIONS: Final = ("league", "month", "odds_band", "lead_time")
"""By what the scores of a version may be split."""

EXPECTED_DEVIATION: Final = math.sqrt(2 / math.pi)
"""Mean absolute value of a normal variable, in standard deviations."""


@dataclass(frozen=True)
class Quality:
    """One version beside one yardstick, on the games that the yardstick covers; None where no game has the score."""

    model: str
    version: int
    shadow: bool
    part: tuple[str, ...]
    """The values of the dimensions by which the scores are split."""
    yardstick: str
    games: int
    answers: int
    servings: int
    model_log_loss: float | None
    log_loss: float | None
    model_brier: float | None
    brier: float | None
    model_ece: float | None
    ece: float | None
    ece_floor: float | None
    """What the model's calibration error would be by chance, if its probabilities were exact."""
    model_margin_error: float | None
    margin_error: float | None
    model_total_error: float | None
    total_error: float | None
    bets: int
    clv: float | None
    """Mean closing line value of the bets, per unit."""


def live_quality(engine: Engine, by: Sequence[str] = ()) -> list[Quality]:
    """The scores of every version, champion's and shadow's forecasts apart, split by the given dimensions.

    Forecasts that were first served after the start are left out, unless the scores are split by lead time. Raises
    ValidationError for another dimension.
    """
    for name in by:
        if name not in DIMENSIONS:
            raise ValidationError(
                f"by: expected one of {', '.join(DIMENSIONS)}, got {name!r}.",
                field="by",
                nearest=nearest(name, DIMENSIONS),
            )
    with reading(engine) as connection:
        sums = connection.execute(_summed(rollups, by, [name for name, _ in SUMS], ())).all()
        binned = connection.execute(_summed(bins, by, [name for name, _ in BIN_SUMS], ("outcome", "bin"))).all()
    width = 4 + len(by)
    by_part: dict[tuple[Any, ...], list[dict[str, int]]] = {}
    for row in binned:
        numbers = dict(zip((name for name, _ in BIN_SUMS), map(int, row[width + 2 :]), strict=True))
        by_part.setdefault(tuple(row[:width]), []).append({"outcome": row[width], **numbers})
    return [
        _quality(
            tuple(row[:width]),
            dict(zip((name for name, _ in SUMS), map(int, row[width:]), strict=True)),
            by_part.get(tuple(row[:width]), []),
        )
        for row in sums
    ]


def _summed(table: sa.Table, by: Sequence[str], names: Sequence[str], more: Sequence[str]) -> sa.Select[Any]:
    key = [table.c[name] for name in ("model", "version", "shadow", *by, "yardstick", *more)]
    lead = table.c.lead_time
    return (
        sa.select(*key, *(sa.func.sum(table.c[name]) for name in names))
        .where(lead != BEFORE_START if "lead_time" in by else lead == BEFORE_START)
        .group_by(*key)
        .order_by(*key)
    )


def _quality(key: tuple[Any, ...], sums: dict[str, int], cells: Sequence[dict[str, int]]) -> Quality:
    model, version, shadow, *part, yardstick = key
    decided, margins, totals = (sums[name] for name in ("decided", "margins", "totals"))
    return Quality(
        model=model,
        version=version,
        shadow=bool(shadow),
        part=tuple(part),
        yardstick=yardstick,
        games=sums["games"],
        answers=sums["answers"],
        servings=sums["servings"],
        model_log_loss=_mean(sums["model_log_loss"], decided),
        log_loss=_mean(sums["log_loss"], decided),
        model_brier=_mean(sums["model_brier"], decided),
        brier=_mean(sums["brier"], decided),
        model_margin_error=_mean(sums["model_margin_error"], margins),
        margin_error=_mean(sums["margin_error"], margins),
        model_total_error=_mean(sums["model_total_error"], totals),
        total_error=_mean(sums["total_error"], totals),
        bets=sums["bets"],
        clv=_mean(sums["clv"], sums["bets"]),
        model_ece=_calibration_error(cells, "model_"),
        ece=_calibration_error(cells, ""),
        ece_floor=_floor(cells),
    )


def _mean(total: int, count: int) -> float | None:
    return total / MILLION / count if count else None


def _calibration_error(cells: Sequence[dict[str, int]], side: str) -> float | None:
    """The same as ``scoring.calibration_error``: gaps of all bins by games, averaged over the outcomes."""
    games = sum(cell[f"{side}games"] for cell in cells)
    gaps = sum(abs(cell[f"{side}forecast"] - MILLION * cell[f"{side}happened"]) for cell in cells)
    return gaps / MILLION / games if games else None


def _floor(cells: Sequence[dict[str, int]]) -> float | None:
    """As ``scoring.calibration_floor``, with a normal instead of drawn outcomes in each bin."""
    games = sum(cell["model_games"] for cell in cells)
    deviations = sum(math.sqrt(cell["model_variance"] / MILLION) for cell in cells)
    return EXPECTED_DEVIATION * deviations / games if games else None
