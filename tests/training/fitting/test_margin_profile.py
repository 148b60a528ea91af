"""Key numbers and overtime are learnt where a sport has them, and are nothing where it has none."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from core.betting.scores import Outcome
from core.registry.forecaster import ScoreSpread
from feature_store.archive.facts import FactBatch, GameFact, Result
from feature_store.features.sets import EVERYTHING
from feature_store.sources.csv.reader import read_csv
from tests.conftest import NOW
from tests.core.betting.one_game import goal_scores, point_scores
from training.datasets.assembly import Dataset, dataset_of
from training.fitting.fit import assemble, learn
from training.fitting.margin_profile import expected_margins, margin_weights, overtime_share, with_margin_profile
from training.fitting.recipe import RECIPES

LEAGUES = Leagues(BUILT_IN)
NHL, NFL, NBA = (LEAGUES.get(name) for name in ("NHL", "NFL", "NBA"))
POINTS = ScoreSpread(scores="points", margin_deviation=13, total_deviation=13, dispersion=1, tie_rate=0.0)


def drawn(weights: tuple[float, ...], games: int) -> np.ndarray:
    """Margins of games between even sides."""
    law = point_scores(1.5, 45, 13, 13, weights).with_outcome(Outcome(0.55, 0.0, 0.45)).margins
    zero = len(law) // 2
    return np.random.default_rng(5).choice(np.arange(-zero, zero + 1), games, p=law)


def expected(games: int) -> np.ndarray:
    return expected_margins([(games, point_scores(1.5, 45, 13, 13))])


def test_expected_margins_count_every_game_on_either_side() -> None:
    counts = expected_margins([(100, goal_scores(1.5, 1.0)), (50, goal_scores(6, 5))])
    assert counts.sum() == pytest.approx(150)
    scores = goal_scores(1.5, 1.0)
    zero = len(scores.grid) - 1
    alone = expected_margins([(1, scores)])
    assert alone[:2] == pytest.approx([scores.outcome.draw, scores.margins[zero + 1] + scores.margins[zero - 1]])


def test_key_numbers_are_found_again() -> None:
    truth = (1.0, 0.7, 0.8, 2.5, 1.0, 0.6, 1.1, 1.8)
    found = np.array(margin_weights(drawn(truth, 40_000), expected(40_000)))
    assert found[1:8] / found[20] == pytest.approx(np.array(truth[1:8]), rel=0.12)
    assert found[0] == 1


def test_a_smooth_sport_has_no_key_numbers() -> None:
    assert np.abs(np.array(margin_weights(drawn((), 5_000), expected(5_000))) - 1).max() < 0.1


def test_few_games_move_the_weights_little() -> None:
    few, many = (np.array(margin_weights(drawn((1, 1, 1, 2.5), games), expected(games))) for games in (150, 20_000))
    assert 1 <= few[3] < many[3]


def test_weights_end_where_hardly_a_game_is_expected() -> None:
    assert len(margin_weights(drawn((), 500), expected(500))) < len(margin_weights(drawn((), 50_000), expected(50_000)))


def played(finals: list[tuple[int, int]], regulation: list[tuple[int, int] | None]) -> Dataset:
    batch = FactBatch()
    for number, (final, before) in enumerate(zip(finals, regulation, strict=True)):
        start = NOW - timedelta(days=1000 - number)
        batch.games.append(GameFact(f"g{number}", start, 2023, start, False, "a", "b", False, False, "final"))
        ended = start + timedelta(hours=3)
        batch.results.append(Result(f"g{number}", ended, ended, *final, *(before or (None, None))))
    return dataset_of(NHL, batch)


def test_the_share_of_overtime_counts_games_won_by_one() -> None:
    by_one = [((3, 2), (2, 2))] * 60 + [((2, 3), (2, 3))] * 40
    finals, regulation = zip(*by_one, *[((5, 1), (5, 1))] * 100, strict=True)
    assert overtime_share(played(list(finals), list(regulation))) == pytest.approx(0.6)


def test_there_is_no_share_without_regulation_scores_or_where_overtime_ends_otherwise() -> None:
    assert overtime_share(played([(3, 2)] * 100, [None] * 100)) is None
    assert overtime_share(played([(3, 2)] * 30, [(2, 2)] * 30)) is None
    assert overtime_share(played([(110, 104), (105, 104)] * 50, [(100, 100)] * 100)) is None


def hockey(games: int, seed: int) -> Dataset:
    """A league in which every other game won by one went past regulation, and no game is won by three."""
    random = np.random.default_rng(seed)
    finals, regulation = [], []
    for _ in range(games):
        low, lead = int(random.integers(0, 4)), int(random.choice([1, 1, 2, 4]))
        final = (low + lead, low) if random.random() < 0.55 else (low, low + lead)
        finals.append(final)
        regulation.append((low, low) if lead == 1 and random.random() < 0.5 else final)
    return played(finals, regulation)  # type: ignore[arg-type]


@pytest.mark.parametrize(("own", "lent", "basis"), [(300, 500, "pooled"), (230, 0, "elo"), (300, 0, "own")])
def test_every_basis_knows_overtime_and_key_numbers(own: int, lent: int, basis: str) -> None:
    lender = (replace(hockey(lent, 2), league=LEAGUES.get("NHL").model_copy(update={"key": "OTHER"})),) if lent else ()
    dataset = replace(hockey(own, 1), lenders=lender)
    found, lessons = dataset.lessons(np.inf)
    assert (found, len(lessons)) == (basis, own + lent)
    recipe = replace(RECIPES["results"], rounds=3).of(dataset)
    shape = assemble(recipe, lessons, learn(recipe, lessons, found), [], found).spec.shape
    assert shape.overtime_share == overtime_share(lessons) == pytest.approx(0.5, abs=0.1)
    assert shape.margin_weights[3] < 0.6 < shape.margin_weights[1]
    assert shape.distribution(0.2, 5.5).regulation.outcome.draw > 0.15


def real(name: str, folder: Path) -> Dataset:
    league = LEAGUES.get(name)
    return dataset_of(league, read_csv(folder / f"{name}.csv.gz", LEAGUES).batches[league])


def gains(dataset: Dataset, smooth: ScoreSpread, first: int) -> np.ndarray:
    """Log likelihood of the exact margins of later seasons, with the profile of the earlier ones minus without."""
    margin, total = dataset.values[:, [EVERYTHING.names.index(name) for name in ("margin_slow", "total_slow")]].T
    known = ~np.isnan(margin)
    before, after = known & (dataset.seasons < first), np.flatnonzero(known & (dataset.seasons >= first))[:400]
    shape = with_margin_profile(smooth, dataset.select(before), margin[before], total[before])

    def said(law: ScoreSpread, game: int) -> float:
        scores = law.distribution(margin[game], total[game])
        home = scores.outcome.decided_home
        tilted = scores.with_outcome(Outcome(home * (1 - law.tie_rate), law.tie_rate, (1 - home) * (1 - law.tie_rate)))
        return float(np.log(tilted.margins[len(tilted.grid) - 1 + int(dataset.margins[game])]))

    return np.array([said(shape, game) - said(smooth, game) for game in after])


def test_nfl_margins_are_likelier_with_the_key_numbers_of_earlier_seasons(development_data: Path) -> None:
    nfl = POINTS.model_copy(update={"tie_rate": 0.002})
    found = gains(real("NFL", development_data), nfl, 2017)
    assert found.mean() > 0.05
    assert found.mean() > 3 * found.std() / np.sqrt(len(found))


@pytest.mark.slow
def test_nhl_margins_are_likelier_too_and_half_the_games_won_by_one_went_past_regulation(
    development_data: Path,
) -> None:
    dataset = real("NHL", development_data)
    goals = ScoreSpread(scores="goals", margin_deviation=2.5, total_deviation=2.3, dispersion=1.0, tie_rate=0.0)
    found = gains(dataset, goals, 2016)
    assert found.mean() > 2 * found.std() / np.sqrt(len(found))
    assert overtime_share(dataset) == pytest.approx(0.505, abs=0.005)
    assert overtime_share(real("NBA", development_data)) is None
