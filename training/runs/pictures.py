"""Pictures of a run, drawn without a display: the same bytes for the same forecasts, legible at 700 pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from core import scoring
from core.arrays import FloatArray
from training.evaluation.importance import Importance
from training.evaluation.walk_forward import Forecasts

BINS: Final = 10
Z: Final = 1.96
SHOWN_FEATURES: Final = 15
ODDS_BANDS: Final = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, np.inf)
FEWEST_IN_BAND: Final = 20
FEWEST_IN_MONTH: Final = 15
MODEL, MARKET, PLAIN, FAINT = "#1f5fa8", "#c2571a", "#5d6a75", "#c9d0d6"
LINE_COLOURS: Final = {"model": MODEL, "market": MARKET, "elo": "#4f8f5b", "base_rate": PLAIN}
NAMES: Final = {"model": "model", "market": "market (close)", "elo": "Elo", "base_rate": "base rate"}
STYLE: Final = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a949c",
    "axes.grid": True,
    "grid.color": "#e6eaed",
    "axes.axisbelow": True,
    "axes.titlesize": 11.5,
    "legend.frameon": False,
}


def draw_all(blocks: Sequence[Forecasts], importance: Importance, title: str, folder: Path) -> list[Path]:
    """Draw every picture of a run as a PNG file in the folder; returns the paths in the order of the card."""
    return [
        reliability_picture(blocks, title, folder / "reliability.png"),
        losses_picture(blocks, title, folder / "log-loss-over-time.png"),
        odds_bands_picture(blocks, title, folder / "calibration-by-odds.png"),
        importance_picture(importance, title, folder / "feature-importance.png"),
    ]


def reliability_picture(blocks: Sequence[Forecasts], title: str, path: Path) -> Path:
    """Draw forecast against observed for every class, with 95 % Wilson bars and games per bin; returns the path."""
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    decided = outcomes >= 0
    classes = blocks[0].games.classes
    calibrated = np.concatenate([block.probabilities for block in blocks])[decided]
    raw = np.concatenate([block.uncalibrated for block in blocks])[decided]
    raw = raw / raw.sum(axis=1, keepdims=True)
    with rc_context(STYLE):
        figure = _figure(max(2.9 * len(classes), 7.4), 4.6)
        axes = figure.subplots(2, len(classes), height_ratios=(3.2, 1), sharex="col", squeeze=False)
        for index, name in enumerate(classes):
            happened = (outcomes[decided] == index).astype(np.float64)
            upper, lower = axes[0][index], axes[1][index]
            upper.plot((0, 1), (0, 1), color=FAINT, linewidth=1.2, zorder=1)
            raw_forecast, raw_observed, *_ = _reliability(raw[:, index], happened)
            upper.plot(raw_forecast, raw_observed, "x", color=PLAIN, markersize=6, label="before calibration")
            forecast, observed, low, high, counts = _reliability(calibrated[:, index], happened)
            bars = (observed - low, high - observed)
            upper.errorbar(
                forecast, observed, yerr=bars, fmt="o", color=MODEL, markersize=5, capsize=2, label="calibrated"
            )
            reach = min(1.0, max(float(forecast.max()), float(high.max())) * 1.06)
            upper.set(title=f"{name} wins" if name != "draw" else name, xlim=(0, reach), ylim=(0, reach))
            bins = np.linspace(0, reach, 21)
            lower.hist(calibrated[:, index], bins=bins, color=FAINT)
            lower.set(xlabel="forecast probability")
            if index == 0:
                upper.set(ylabel="observed frequency")
                upper.legend(loc="upper left", handletextpad=0.3, borderpad=0.1)
                lower.set(ylabel="games")
            upper.annotate(
                f"{int(counts.min())} to {int(counts.max())} games per point",
                (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=9, color=PLAIN,
            )  # fmt: skip
        return _save(figure, f"{title}: calibration on {int(decided.sum()):,} games not seen before", path)


def losses_picture(blocks: Sequence[Forecasts], title: str, path: Path) -> Path:
    """Draw the log loss by month, and its cumulative gain on the base rate, beside the yardsticks; returns the path."""
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    order = np.argsort(np.concatenate([block.games.starts for block in blocks]), kind="stable")
    order = order[outcomes[order] >= 0]
    starts = np.concatenate([block.games.starts for block in blocks])[order]
    losses = {
        name: scoring.log_losses(np.concatenate(parts)[order], outcomes[order])
        for name, parts in {
            "base_rate": [block.base_rate for block in blocks],
            "elo": [block.elo for block in blocks],
            "market": [block.games.closing for block in blocks],
            "model": [block.probabilities for block in blocks],
        }.items()
    }
    months = starts.astype("datetime64[s]").astype("datetime64[M]")
    names, place = np.unique(months, return_inverse=True)
    with rc_context(STYLE):
        figure = _figure(7.6, 5.4)
        upper, lower = figure.subplots(2, 1, height_ratios=(1.3, 1))
        for name, values in losses.items():
            present = ~np.isnan(values)
            if not present.any():
                continue
            style: dict[str, Any] = {
                "color": LINE_COLOURS[name],
                "label": NAMES[name],
                "linewidth": 2.0 if name == "model" else 1.3,
            }
            counts = np.bincount(place[present], minlength=len(names))
            sums = np.bincount(place[present], values[present], len(names))
            enough = np.flatnonzero(counts >= FEWEST_IN_MONTH)
            upper.plot(enough, sums[enough] / counts[enough], marker="o", markersize=3, **style)
            if name != "base_rate":
                gained = np.cumsum(np.where(present, losses["base_rate"] - values, 0.0))
                lower.plot(np.arange(len(gained)), gained, **style)
        every = max(1, -(-len(names) // 9))
        upper.set_xticks(np.arange(len(names))[::every], [str(name) for name in names[::every]], rotation=0, fontsize=9)
        upper.set(ylabel="log loss by month", title=f"months with {FEWEST_IN_MONTH} or more games; lower is better")
        upper.legend(ncols=4, loc="best", handlelength=1.4, columnspacing=1.2)
        lower.axhline(0, color=LINE_COLOURS["base_rate"], linewidth=1)
        lower.set(xlabel="games, in order of time", ylabel="log loss saved, cumulative", xlim=(0, len(order)))
        lower.set_title("cumulative gain on the base rate; higher is better")
        return _save(figure, f"{title}: log loss over time", path)


def odds_bands_picture(blocks: Sequence[Forecasts], title: str, path: Path) -> Path:
    """Draw observed frequency minus forecast probability by band of decimal odds; returns the path.

    The bands are those of the closing price without its overround, or of the model's fair odds if no game has a price.
    """
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    market = np.concatenate([block.games.closing for block in blocks])
    model = np.concatenate([block.probabilities for block in blocks])
    priced = (outcomes >= 0) & ~np.isnan(market).any(axis=1)
    forecasts = {"model": model, "market": market} if priced.any() else {"model": model}
    chosen = priced if priced.any() else outcomes >= 0
    happened = np.eye(model.shape[1])[outcomes[chosen]].ravel()
    basis = forecasts.get("market", model)[chosen].ravel()
    band = np.digitize(1 / np.clip(basis, 1e-9, 1), ODDS_BANDS[1:-1])
    bands = [number for number in range(len(ODDS_BANDS) - 1) if (band == number).sum() >= FEWEST_IN_BAND]
    with rc_context(STYLE):
        figure = _figure(7.6, 4.4)
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        upper.axhline(0, color=FAINT, linewidth=1.2)
        for shift, (name, probabilities) in zip((-0.13, 0.13), forecasts.items(), strict=False):
            own = probabilities[chosen].ravel()
            points = [_band_gap(own[band == number], happened[band == number]) for number in bands]
            gap, reach = np.array(points).reshape(-1, 2).T * 100
            at = np.arange(len(bands)) + (shift if len(forecasts) > 1 else 0)
            upper.errorbar(at, gap, yerr=reach, fmt="o", color=LINE_COLOURS[name], capsize=3, label=NAMES[name])
        upper.set(ylabel="observed minus forecast [% points]")
        upper.legend(loc="best", ncols=2)
        lower.bar(np.arange(len(bands)), [(band == number).sum() for number in bands], color=FAINT, width=0.6)
        lower.set(ylabel="selections", xlabel=f"decimal odds, {'closing price' if priced.any() else 'by the model'}")
        lower.set_xticks(np.arange(len(bands)), [_band_name(number) for number in bands], fontsize=9)
        return _save(figure, f"{title}: calibration by odds, with 95 % intervals", path)


def importance_picture(importance: Importance, title: str, path: Path) -> Path:
    """Draw the most important features, by contribution and by gain; returns the path."""
    order = np.argsort(-importance.contribution, kind="stable")[:SHOWN_FEATURES][::-1]
    with rc_context(STYLE):
        figure = _figure(7.6, 0.32 * len(order) + 1.5)
        axis = figure.subplots()
        places = np.arange(len(order))
        trees = bool(importance.gain.any())
        shift = 0.2 if trees else 0.0
        axis.barh(
            places + shift,
            importance.contribution[order] * 100,
            0.38 if trees else 0.6,
            color=MODEL,
            label="mean |contribution|" if trees else "mean |contribution| (the trees have no share)",
        )
        if trees:
            axis.barh(places - shift, importance.gain[order] * 100, 0.38, color=FAINT, label="gain of the trees alone")
        axis.set_yticks(places, [importance.names[place].replace("_", " ") for place in order])
        axis.grid(visible=False, axis="y")
        axis.set(xlabel="share [%]")
        axis.legend(loc="lower right")
        rest = len(importance.names) - len(order)
        heading = f"{title}: feature importance for the outcome"
        return _save(figure, f"{heading} ({rest} more features)" if rest else heading, path)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, heading: str, path: Path) -> Path:
    figure.suptitle(heading, fontsize=12, fontweight="bold", x=0.01, ha="left")
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(path, dpi=120, metadata=metadata)
    return path


def _reliability(
    forecast: FloatArray, happened: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Per bin of equally many games: mean forecast, observed share, its Wilson bounds, and the number of games."""
    order = np.array_split(np.argsort(forecast, kind="stable"), min(BINS, len(forecast)))
    counts = np.array([len(part) for part in order], dtype=np.float64)
    means = np.array([forecast[part].mean() for part in order])
    seen = np.array([happened[part].mean() for part in order])
    centre = (seen + Z**2 / (2 * counts)) / (1 + Z**2 / counts)
    reach = Z / (1 + Z**2 / counts) * np.sqrt(seen * (1 - seen) / counts + Z**2 / (4 * counts**2))
    return means, seen, np.minimum(centre - reach, seen), np.maximum(centre + reach, seen), counts


def _band_gap(forecast: FloatArray, happened: FloatArray) -> tuple[float, float]:
    """Mean of observed minus forecast, and half the width of its 95 % interval if the forecasts are right."""
    reach = Z * np.sqrt((forecast * (1 - forecast)).sum()) / len(forecast)
    return float((happened - forecast).mean()), float(reach)


def _band_name(number: int) -> str:
    low, high = ODDS_BANDS[number], ODDS_BANDS[number + 1]
    if np.isinf(high):
        return f"over {low:g}"
    return f"to {high:g}" if number == 0 else f"{low:g}-{high:g}"
