"""Exact margins with and without the weights learnt from earlier seasons, and hockey's sixty-minute market.

Expected margins and totals are the slow ratings' own, so what is measured is the shape alone.
"""

import numpy as np
from numpy.typing import NDArray

from core.betting.leagues import BUILT_IN, Leagues
from core.betting.scores import Outcome, ScoreDistribution
from core.registry.forecaster import ScoreSpread
from feature_store.features.sets import EVERYTHING
from feature_store.sources.csv.reader import read_csv
from tests.conftest import DEVELOPMENT_DATA
from training.datasets.assembly import Dataset, dataset_of
from training.fitting.margin_profile import with_margin_profile

LEAGUES = Leagues(BUILT_IN)
TESTED = {"NFL": 2015, "NBA": 2016, "MLB": 2016, "NHL": 2015, "EPL": 2019, "LALIGA": 2019, "BUNDESLIGA": 2019}
"""League, and the first of the seasons that are tested; all earlier ones are learnt from."""
MOST_GAMES = 2_000
DIGITS = 1e-12


def run() -> None:
    if not DEVELOPMENT_DATA.is_dir():
        print(f"no development data at {DEVELOPMENT_DATA}")
        return
    print(
        f"{'league':<11} {'games':>5} {'log likelihood of the margin':>30} {'gain':>18}  weights of margins 1, 2, 3, ..."
    )
    for name, first in TESTED.items():
        _league(name, first)


def _league(name: str, first: int) -> None:
    league = LEAGUES.get(name)
    dataset = dataset_of(league, read_csv(DEVELOPMENT_DATA / f"{name}.csv.gz", LEAGUES).batches[league])
    expected = dataset.values[:, [EVERYTHING.names.index(column) for column in ("margin_slow", "total_slow")]]
    known = ~np.isnan(expected).any(axis=1)
    before = known & (dataset.seasons < first)
    after = np.flatnonzero(known & (dataset.seasons >= first))[:MOST_GAMES]
    smooth = _smooth(dataset.select(before), *expected[before].T)
    shape = with_margin_profile(smooth, dataset.select(before), *expected[before].T)
    plain, weighted = ([_law(law, *expected[game]) for game in after] for law in (smooth, shape))
    said = [
        np.array([_margin(law, dataset.margins[game]) for law, game in zip(laws, after, strict=True)])
        for laws in (plain, weighted)
    ]
    gain = said[1] - said[0]
    weights = " ".join(f"{weight:.2f}" for weight in shape.margin_weights[1:11])
    print(
        f"{name:<11} {len(after):>5} {said[0].mean():>18.4f} -> {said[1].mean():.4f} "
        f"{gain.mean():>+10.4f} ± {_error(gain):.4f}  {weights}"
    )
    if shape.overtime_share is not None:
        _sixty_minutes(dataset, before, after, weighted)


def _smooth(learnt: Dataset, margin: NDArray[np.float64], total: NDArray[np.float64]) -> ScoreSpread:
    scored = np.concatenate((learnt.home_scores, learnt.away_scores))
    expected = np.maximum(np.concatenate((total + margin, total - margin)) / 2, 0.05)
    return ScoreSpread(
        scores=learnt.league.scores,
        margin_deviation=float(np.std(learnt.margins - margin)),
        total_deviation=float(np.std(learnt.totals - total)),
        dispersion=float(max(((scored - expected) ** 2).mean() / expected.mean(), 1.0)),
        tie_rate=float((learnt.margins == 0).mean()),
    )


def _law(shape: ScoreSpread, margin: float, total: float) -> ScoreDistribution:
    scores = shape.distribution(margin, total)
    home, decided = scores.outcome.decided_home, 1 - shape.tie_rate
    return scores.with_outcome(Outcome(home * decided, shape.tie_rate, (1 - home) * decided))


def _margin(law: ScoreDistribution, margin: float) -> float:
    return float(np.log(max(law.margins[len(law.grid) - 1 + int(margin)], DIGITS)))


def _sixty_minutes(
    dataset: Dataset, before: NDArray[np.bool_], after: NDArray[np.int64], laws: list[ScoreDistribution]
) -> None:
    """Log loss of the three-way result after regulation, beside its base rate and beside the moneyline's shares."""
    regulation = {
        r.game_id: (r.home_score_regulation or 0) - (r.away_score_regulation or 0) for r in dataset.facts.results
    }
    margins = np.sign([regulation[game_id] for game_id in dataset.game_ids]).astype(int)
    ended = 1 - margins[after]
    rates = np.bincount(1 - margins[before], minlength=3) / before.sum()
    outcomes = [law.regulation.outcome for law in laws]
    ours = np.array([(outcome.home, outcome.draw, outcome.away) for outcome in outcomes])
    split = np.array([(law.outcome.decided_home, 1.0, 1 - law.outcome.decided_home) for law in laws])
    split *= [1 - rates[1], rates[1], 1 - rates[1]]
    games = np.arange(len(after))
    losses = {"ours": ours, "base rate": np.tile(rates, (len(after), 1)), "moneyline beside a constant draw": split}
    print(f"  sixty minutes: {rates[1]:.3f} level before, {(ended == 1).mean():.3f} level now, {ours[:, 1].mean():.3f} forecast; "
          + ", ".join(f"{name} {-np.log(said[games, ended]).mean():.4f}" for name, said in losses.items()))  # fmt: skip
    difference = -np.log(ours[games, ended]) + np.log(split[games, ended])
    print(f"  ours minus moneyline beside a constant draw: {difference.mean():+.4f} ± {_error(difference):.4f}")


def _error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
