"""Pictures of a run, drawn without a screen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.betting.odds import FloatArray
from training.metrics import Indices
from training.walk import Forecasts

BINS = 10


def reliability_picture(blocks: Sequence[Forecasts], title: str, path: Path) -> Path:
    """Said against seen for every class, with 95 % Wilson bars and the number of games per bin; returns the path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    decided = outcomes >= 0
    classes = blocks[0].games.classes
    calibrated = np.concatenate([block.probabilities for block in blocks])[decided]
    raw = np.concatenate([block.uncalibrated for block in blocks])[decided]
    figure = Figure(figsize=(4.2 * len(classes), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(classes), height_ratios=(3, 1), sharex=True, squeeze=False)
    for index, name in enumerate(classes):
        happened = outcomes[decided] == index
        said, seen, low, high, counts = _reliability(calibrated[:, index], happened)
        upper, lower = axes[0][index], axes[1][index]
        upper.plot((0, 1), (0, 1), color="0.7", linewidth=1)
        upper.errorbar(said, seen, yerr=(seen - low, high - seen), fmt="o", capsize=2, label="calibrated")
        raw_said, raw_seen, *_ = _reliability(raw[:, index], happened)
        upper.plot(raw_said, raw_seen, "x", color="0.5", label="raw")
        upper.set(title=name, xlim=(0, 1), ylim=(0, 1), ylabel="share seen" if index == 0 else "")
        upper.legend(loc="upper left", frameon=False)
        lower.bar(said, counts, width=0.06, color="0.6")
        lower.set(xlabel="probability said", ylabel="games" if index == 0 else "")
    figure.suptitle(f"{title}: {int(decided.sum()):,} games forecast before they began")
    figure.savefig(path, dpi=110)
    return path


def _reliability(
    said: FloatArray, happened: Indices
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Per bin of equally many games: mean said, share seen, its Wilson bounds, and the number of games."""
    order = np.array_split(np.argsort(said, kind="stable"), min(BINS, len(said)))
    counts = np.array([len(part) for part in order], dtype=np.float64)
    means = np.array([said[part].mean() for part in order])
    seen = np.array([happened[part].mean() for part in order])
    z = 1.96
    centre = (seen + z**2 / (2 * counts)) / (1 + z**2 / counts)
    reach = z / (1 + z**2 / counts) * np.sqrt(seen * (1 - seen) / counts + z**2 / (4 * counts**2))
    return means, seen, np.minimum(centre - reach, seen), np.maximum(centre + reach, seen), counts
