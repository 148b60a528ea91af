"""Every measure beside every yardstick, on the same games; and what leaves training as plain values."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core import scoring
from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.library.sample import sample_batches
from training.datasets.assembly import dataset_of
from training.evaluation.importance import importance_of
from training.evaluation.scores import evaluate, held_out
from training.fitting.recipe import RECIPES
from training.runs.model_card import card_html
from training.runs.pictures import draw_all
from training.runs.run_record import subject_of
from training.runs.trained_model import TrainedModel, fit_and_evaluate

EPL = Leagues(BUILT_IN).get("EPL")
MEASURES = {"log_loss", "brier", "ranked_probability", "accuracy", "calibration_error", "margin_error", "total_error"}


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    recipe = replace(RECIPES["results"], rounds=10)
    return fit_and_evaluate(recipe, dataset_of(EPL, sample_batches(Leagues(BUILT_IN))[EPL]))


@pytest.fixture(scope="module")
def pictures(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    importance = importance_of(trained.fitted, trained.tested_rows())
    return draw_all(trained.blocks, importance, "EPL-results", tmp_path_factory.mktemp("pictures"))


def test_every_measure_stands_beside_every_yardstick_that_has_it(trained: TrainedModel) -> None:
    found = {(one.measure, one.yardstick) for one in trained.evaluation.comparisons}
    assert {measure for measure, _ in found} == MEASURES
    for measure in MEASURES - {"margin_error", "total_error"}:
        assert {yardstick for known, yardstick in found if known == measure} >= {"base_rate", "elo", "market"}
    assert {("margin_error", "elo"), ("margin_error", "base_rate"), ("total_error", "base_rate")} <= found


def test_a_comparison_is_the_mean_of_paired_differences_with_weeks_as_clusters(trained: TrainedModel) -> None:
    blocks = trained.blocks
    outcomes = np.concatenate([block.games.outcomes for block in blocks])
    model = scoring.log_losses(np.concatenate([block.probabilities for block in blocks]), outcomes)
    elo = scoring.log_losses(np.concatenate([block.elo for block in blocks]), outcomes)
    weeks = scoring.weeks(np.concatenate([block.games.starts for block in blocks]))
    (found,) = (one for one in trained.evaluation.comparisons if (one.measure, one.yardstick) == ("log_loss", "elo"))
    assert found.difference == pytest.approx((model - elo).mean())
    assert found.error == pytest.approx(scoring.standard_error(model - elo, weeks))
    assert found.difference == pytest.approx(found.model - found.other)


def test_the_base_rates_margin_is_the_mean_so_far(trained: TrainedModel) -> None:
    block = trained.blocks[0]
    before = trained.dataset.select(trained.dataset.starts < block.games.starts.min() - 86_400)
    margin, total = block.expected["base_rate"]
    assert margin == pytest.approx(before.margins.mean())
    assert total == pytest.approx(before.totals.mean())
    assert block.learnt == len(before)


def test_seasons_alone_weigh_up_to_all_together(trained: TrainedModel) -> None:
    seasons = trained.evaluation.by_season
    weights = [season.games for season in seasons]
    together = np.average([season.scores[0].log_loss for season in seasons], weights=weights)
    assert together == pytest.approx(trained.evaluation.scores[0].log_loss)
    curves = trained.evaluation.season_metrics()
    assert [step for step, _ in curves["season_model_log_loss"]] == [1, 2, 3]


def test_what_is_registered_is_valid_json_and_mlflow_gets_finite_numbers_only(trained: TrainedModel) -> None:
    text = json.dumps(trained.evaluation.to_json(), allow_nan=False)
    assert json.loads(text)["seasons"] == list(trained.evaluation.seasons)
    assert np.isfinite(list(trained.evaluation.metrics().values())).all()
    assert "log_loss_minus_market_error" in trained.evaluation.metrics()


def test_held_out_losses_are_those_of_the_decided_games(trained: TrainedModel) -> None:
    kept = held_out(trained.blocks)
    assert kept.losses.mean() == pytest.approx(trained.evaluation.scores[0].log_loss)
    assert len(set(kept.game_ids)) == len(kept) == trained.evaluation.scores[0].games
    assert set(kept.learnt.tolist()) == {block.learnt for block in trained.blocks}


def test_a_game_without_a_price_is_no_game_for_the_market(trained: TrainedModel) -> None:
    block = trained.blocks[0]
    closing = block.games.closing.copy()
    closing[:5] = np.nan
    evaluation = evaluate([replace(block, games=replace(block.games, closing=closing))])
    market, where_priced = evaluation.score("market"), evaluation.score("model_where_priced")
    assert market is not None
    assert where_priced is not None
    assert market.games == where_priced.games == len(block.games) - 5


def test_margin_and_total_stand_beside_the_opening_lines_of_the_games_that_have_them(trained: TrainedModel) -> None:
    block = trained.blocks[0]
    games = block.games
    margin, total = np.full(len(games), np.nan), np.full(len(games), np.nan)
    margin[:3] = games.margins[:3] + np.array([1.0, -2.0, 3.0])
    total[:2] = games.totals[:2] + np.array([0.5, -1.5])
    found = {
        (one.measure, one.yardstick): one
        for one in evaluate(
            [replace(block, games=replace(games, opening_margin=margin, opening_total=total))]
        ).comparisons
    }
    for question, number, other in (("margin", 3, 2.0), ("total", 2, 1.0)):
        one = found[f"{question}_error", "opening"]
        said = [getattr(forecast, question) for forecast in block.forecasts[:number]]
        assert one.games == number
        assert one.other == pytest.approx(other)
        assert one.model == pytest.approx(np.abs(getattr(games, f"{question}s")[:number] - said).mean())
        assert one.difference == pytest.approx(one.model - other)


def test_the_card_shows_margin_and_total_beside_opening_and_closing_lines(trained: TrainedModel) -> None:
    block = trained.blocks[0]
    games = replace(block.games, opening_margin=block.games.margins + 1, opening_total=block.games.totals + 2)
    shown = replace(trained, evaluation=evaluate([replace(block, games=games)]))
    page = card_html(subject_of(shown, "EPL-results", datetime(2024, 6, 1, tzinfo=UTC), None), [])
    for said in ("margin, opening line", "total, opening line", "total, closing line", "total, base rate"):
        assert said in page, said


def test_the_same_forecasts_give_the_same_pictures(trained: TrainedModel, pictures: list[Path], tmp_path: Path) -> None:
    assert [path.stem for path in pictures] == [
        "reliability", "log-loss-over-time", "calibration-by-odds", "feature-importance",
    ]  # fmt: skip
    again = draw_all(trained.blocks, importance_of(trained.fitted, trained.tested_rows()), "EPL-results", tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in pictures]


def test_importance_shares_sum_to_one_and_ratings_carry_most(trained: TrainedModel) -> None:
    importance = importance_of(trained.fitted, trained.tested_rows())
    assert importance.contribution.sum() == pytest.approx(1)
    first = importance.names[int(importance.contribution.argmax())]
    assert "rating" in first or "margin" in first


def test_the_card_shows_what_the_model_is_its_scores_and_its_limits(
    trained: TrainedModel, pictures: list[Path]
) -> None:
    warned = replace(trained, warnings=("season 2020: <script>few</script> games",))
    subject = subject_of(warned, "EPL-results", datetime(2024, 6, 1, tzinfo=UTC), "b" * 64)
    page = card_html(subject, pictures)
    for said in ("b" * 64, trained.dataset.snapshot_sha256, trained.recipe.label, subject.code_version,
                 f"{trained.evaluation.scores[0].log_loss:.4f}", "closing price", "does not use the price",
                 "no line-ups", "part 4"):  # fmt: skip
        assert said in page, said
    assert page.count("data:image/png;base64,") == len(pictures)
    assert "&lt;script&gt;few" in page
    assert "<script" not in page
    assert "://" not in page, "nothing is requested over the network"
