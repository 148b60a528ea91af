"""Splits by date only: every block of games is forecast by models fitted on games before it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ServiceError, ValidationError
from training.datasets.assembly import Dataset

FEWEST_SEASONS = 4
PARTS = 6
FEWEST_BEFORE = 10
"""Fewest games before a block."""
GAP = 86_400.0
"""Seconds between the start of the last game learnt from and the first forecast, so that every result was known."""


@dataclass(frozen=True, eq=False)
class Block:
    """Games forecast together, and the earlier games that may be learnt from. Both are masks over the dataset."""

    name: str
    before: NDArray[np.bool_]
    games: NDArray[np.bool_]


def proving_blocks(dataset: Dataset, seasons: int) -> list[Block]:
    """The last ``seasons`` seasons, each after all that came before it.

    A league with fewer than four seasons is cut by date into six parts of equally many games instead; the first two are
    only learnt from. Raises ServiceError if no season or part has enough games before it, naming the seasons that
    overlap if that is the reason.
    """
    present = sorted(set(dataset.seasons.tolist()))
    if len(present) >= FEWEST_SEASONS:
        first = max(len(present) - seasons, 1)
        blocks = [block for season in present[first:] if (block := _season(dataset, season)) is not None]
        if not blocks:
            raise _nothing_before(dataset, present[first:])
        return blocks
    edges = np.quantile(dataset.starts, np.linspace(0, 1, PARTS + 1))
    edges[-1] += 1
    blocks = [
        Block(f"part {part + 1}", dataset.starts < edges[part] - GAP, _between(dataset, edges[part], edges[part + 1]))
        for part in range(2, PARTS)
    ]
    blocks = [block for block in blocks if block.before.sum() >= FEWEST_BEFORE and block.games.any()]
    if not blocks:
        msg = f"{dataset.league.key}: {len(dataset)} games lie too close together to forecast some from earlier ones."
        raise ServiceError(msg, hint="Back-fill more seasons with `dbsbm backfill`.", reason="games_too_close")
    return blocks


def season_blocks(dataset: Dataset, seasons: Iterable[int], proving: int) -> tuple[list[Block], list[Block]]:
    """Blocks for a walk through the named seasons: those that only serve as proof, and those asked for.

    Raises ValidationError naming a season that is missing or has too few games before it.
    """
    wanted = sorted(set(seasons))
    present = sorted(set(dataset.seasons.tolist()))
    missing = [season for season in wanted if season not in present]
    if missing:
        msg = f"seasons: no games of {missing[0]}; the archive has {present[0]} to {present[-1]}."
        raise ValidationError(msg, field="seasons")
    asked = []
    for season in wanted:
        block = _season(dataset, season)
        if block is None:
            msg = f"seasons: fewer than {FEWEST_BEFORE} games before {season} to learn from."
            raise ValidationError(msg, field="seasons")
        asked.append(block)
    earlier = [season for season in present if wanted[0] - proving <= season < wanted[0]]
    between = [season for season in present if wanted[0] < season < wanted[-1] and season not in wanted]
    proof = [block for season in (*earlier, *between) if (block := _season(dataset, season)) is not None]
    return proof, asked


def _season(dataset: Dataset, season: int) -> Block | None:
    games = dataset.seasons == season
    before = dataset.starts < dataset.starts[games].min() - GAP
    return Block(str(season), before, games) if before.sum() >= FEWEST_BEFORE else None


def _nothing_before(dataset: Dataset, seasons: list[int]) -> ServiceError:
    """The error for seasons of which none can be forecast from games before it, with the reason."""
    overlapping = [season for season, _ in overlapping_seasons(dataset)]
    names = ", ".join(map(str, overlapping or seasons))
    reason = "begin before an earlier one has ended" if overlapping else "are all there is to forecast"
    msg = (
        f"{dataset.league.key}: seasons {names} {reason}, and none has {FEWEST_BEFORE} games before its first one to"
        " learn from."
    )
    return ServiceError(
        msg,
        hint="Check the games' seasons, or back-fill more with `dbsbm backfill`.",
        reason="seasons_overlap" if overlapping else "nothing_before",
    )


def overlapping_seasons(dataset: Dataset) -> Iterator[tuple[int, int]]:
    """Seasons that begin before an earlier one has ended, with the number of earlier seasons' games still to come."""
    for season in sorted(set(dataset.seasons.tolist()))[1:]:
        first = dataset.starts[dataset.seasons == season].min()
        left = int(((dataset.seasons < season) & (dataset.starts >= first)).sum())
        if left:
            yield season, left


def _between(dataset: Dataset, start: float, end: float) -> NDArray[np.bool_]:
    return np.asarray((dataset.starts >= start) & (dataset.starts < end))
