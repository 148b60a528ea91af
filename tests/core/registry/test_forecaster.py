"""A forecaster's short ways give the same numbers as the long ones, and its explanation sums to its forecast."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from core.registry.forecaster import Band, Calibration, Forecaster, ForecasterSpec, Head, ScoreSpread, log_softmax
from core.registry.linear import Linear
from core.registry.single_row import SingleRowPredictor

FEATURES = 12


def grown(classes: int, seed: int = 5) -> lightgbm.Booster:
    """A LightGBM model of an outcome with two or three classes, or of a number (1), on twelve features with gaps."""
    random = np.random.default_rng(seed)
    table = rows(600, seed)
    score = np.nan_to_num(table[:, 0] + 0.5 * table[:, 1]) + random.normal(size=600)
    usual = {"num_threads": 1, "verbose": -1, "num_leaves": 7, "seed": 1, "deterministic": True}
    match classes:
        case 1:
            parameters, target = {**usual, "objective": "regression"}, score
        case 2:
            parameters, target = {**usual, "objective": "binary"}, (score > 0).astype(float)
        case _:
            parameters = {**usual, "objective": "multiclass", "num_class": classes}
            target = np.digitize(score, (-0.5, 0.5)).astype(float)
    made = lightgbm.train(parameters, lightgbm.Dataset(table, target), num_boost_round=40)
    return lightgbm.Booster(model_str=made.model_to_string())


def rows(games: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    table = random.normal(size=(games, FEATURES)) * np.geomspace(0.1, 300, FEATURES)
    table[random.random(table.shape) < 0.05] = np.nan
    return table


def linear(outputs: int, seed: int, *, standards: int = 0) -> Linear:
    random, common = np.random.default_rng(seed), np.random.default_rng(standards)
    return Linear(
        means=tuple(common.normal(size=FEATURES)),
        scales=tuple(common.uniform(0.5, 100, size=FEATURES)),
        coefficients=tuple(tuple(row) for row in random.normal(size=(outputs, FEATURES)) / 5),
        intercepts=tuple(random.normal(size=outputs) / 5),
    )


def forecaster(classes: int, *, trees_weight: float = 0.3, standards: int = 0, band: Band | None = None) -> Forecaster:
    names = ("home", "draw", "away") if classes == 3 else ("home", "away")

    def head(outputs: int, seed: int) -> Head:
        linears = (linear(outputs, seed), linear(outputs, seed + 1, standards=standards))
        return Head(linears=linears, weights=(0.4, 0.6 - trees_weight), trees_weight=trees_weight)

    spec = ForecasterSpec(
        classes=names,
        features=tuple(f"feature_{number}@1" for number in range(FEATURES)),
        outcome=head(classes, 1),
        calibration=Calibration(slope=1.1, shifts=(*(0.1, -0.05)[: classes - 1], 0.0)),
        margin=head(1, 3),
        total=head(1, 5),
        shape=ScoreSpread(scores="goals", margin_deviation=2.0, total_deviation=2.0, dispersion=1.2, tie_rate=0.01),
        band=band,
    )
    return Forecaster(spec, {"outcome": grown(classes), "margin": grown(1), "total": grown(1, 6)})


def by_the_book(made: Forecaster, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities and mean margin, written as the definitions say, with scipy and Booster.predict."""
    spec, trees = made.spec, made._trees

    def said(model: Linear) -> np.ndarray:
        standardised = np.nan_to_num((table - np.array(model.means)) / np.array(model.scales), nan=0.0)
        return np.asarray(standardised @ np.array(model.coefficients).T + np.array(model.intercepts))

    head = spec.outcome
    blended = sum(w * special.log_softmax(said(m), axis=1) for w, m in zip(head.weights, head.linears, strict=True))
    answer = trees["outcome"].predict(table, num_threads=1)
    answer = answer if answer.ndim == 2 else np.column_stack((answer, 1 - answer))
    blended = blended + head.trees_weight * np.log(answer)
    calibrated = special.softmax(spec.calibration.slope * blended + np.array(spec.calibration.shifts), axis=1)
    margin = sum(w * said(m)[:, 0] for w, m in zip(spec.margin.weights, spec.margin.linears, strict=True))
    return calibrated, margin + spec.margin.trees_weight * trees["margin"].predict(table, num_threads=1)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_single_row_gives_the_very_bits_of_booster_predict_on_a_thousand_rows(classes: int) -> None:
    booster = grown(classes)
    kernel, table = SingleRowPredictor(booster), rows(1_000, 9)
    alone = np.array([kernel(row) for row in table])
    assert np.array_equal(alone, booster.predict(table, num_threads=1).reshape(1_000, -1))


def test_any_layout_and_number_type_of_a_row_gives_the_same_bits() -> None:
    booster = grown(3)
    kernel, table = SingleRowPredictor(booster), np.asfortranarray(np.round(rows(5, 2)))
    expected = booster.predict(table)
    for row, answer in zip(table, expected, strict=True):
        assert not row.flags.c_contiguous
        assert np.array_equal(kernel(row), answer)
        assert np.array_equal(kernel(row.astype(np.float32)), answer)
        assert np.array_equal(kernel(np.repeat(row, 2)[::2]), answer)


@pytest.mark.parametrize("shape", [(0,), (1,), (FEATURES - 1,), (FEATURES + 1,), (1, FEATURES), ()])
def test_a_row_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a row of 12 features"):
        SingleRowPredictor(grown(2))(np.zeros(shape))


def test_threads_do_not_mix_their_rows() -> None:
    booster, table = grown(3), rows(400, 4)
    kernel, expected = SingleRowPredictor(booster), booster.predict(table)

    def repeated(number: int) -> bool:
        return all(np.array_equal(kernel(table[number]), expected[number]) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(repeated, range(400)))


def test_the_kernel_keeps_its_booster_alive() -> None:
    import gc

    booster = grown(2)
    row = rows(1, 1)[0]
    expected, kernel = booster.predict([row])[0], SingleRowPredictor(booster)
    del booster
    gc.collect()
    assert kernel(row)[0] == expected


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("standards", [0, 1])
def test_the_folded_forecaster_says_what_its_definition_says(classes: int, standards: int) -> None:
    made, table = forecaster(classes, standards=standards), rows(50, 8)
    probabilities, margins = by_the_book(made, table)
    assert np.abs(made.probabilities(table) - probabilities).max() < 1e-12
    assert np.abs(made.mean("margin", table) - margins).max() < 1e-12


SHAPES = {
    "few goals": {"scores": "goals", "dispersion": 1.0},
    "scattered goals": {"scores": "goals", "dispersion": 1.2, "margin_weights": (1.1, 0.9, 1.05)},
    "played out": {"scores": "goals", "dispersion": 1.0, "margin_weights": (0.0, 1.6, 0.7), "overtime_share": 0.5},
    "points": {"scores": "points", "dispersion": 1.0},
    "key numbers": {"scores": "points", "dispersion": 1.0, "margin_weights": (0.1, 0.8, 0.9, 2.2)},
}


@pytest.mark.parametrize("games", [2, 7, 16, 65, 200])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_forecast_is_the_same_to_the_last_bit_whatever_it_is_made_with(classes: int, shape: str, games: int) -> None:
    plain = forecaster(classes)
    spec = plain.spec.model_copy(update={"shape": plain.spec.shape.model_copy(update=SHAPES[shape])})
    made, table = Forecaster(spec, plain._trees), rows(games, games)
    for row, together in list(zip(table, made.predict(table), strict=True))[:40]:
        (alone,) = made.predict([row])
        assert (alone.outcome, alone.margin, alone.total) == (together.outcome, together.margin, together.total)
        assert alone.interval == together.interval
        assert np.array_equal(alone.scores.grid, together.scores.grid)
        for scores in (alone.scores, together.scores):
            assert (scores.outcome, scores.margin_mean, scores.total_mean) == (alone.outcome, alone.margin, alone.total)


@given(arrays(np.float64, (3, 4), elements=st.floats(-700, 700)))
def test_log_softmax_is_scipys(scores: np.ndarray) -> None:
    assert np.allclose(log_softmax(scores), special.log_softmax(scores, axis=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("trees_weight", [0.0, 0.3])
@pytest.mark.parametrize("standards", [0, 1])
def test_baseline_and_effects_sum_to_the_log_odds_of_the_forecast(
    classes: int, trees_weight: float, standards: int
) -> None:
    made = forecaster(classes, trees_weight=trees_weight, standards=standards)
    for row in rows(20, 6):
        explained = made.explanation(row)
        (said,) = made.probabilities(row[None])
        total = explained.baseline + sum(item.effect for item in explained.contributions)
        assert total == pytest.approx(np.log(said[0] / said[-1]), abs=1e-9)
        assert [item.feature for item in explained.contributions] == [f"feature_{n}" for n in range(FEATURES)]


def test_the_average_row_of_a_linear_forecaster_has_nothing_to_explain() -> None:
    made = forecaster(2, trees_weight=0.0)
    unknown = made.explanation([np.nan] * FEATURES)
    assert [item.effect for item in unknown.contributions] == [0.0] * FEATURES


def spread(**changes: Any) -> Band:
    return Band(**{"chances": (0.4, 0.8), "low": (0.3, 0.75), "high": (0.5, 0.9), "method": "test", **changes})


@pytest.mark.parametrize("classes", [2, 3])
def test_an_interval_is_of_the_favourite_and_holds_its_chance(classes: int) -> None:
    made, table = forecaster(classes, band=spread()), rows(30, 7)
    for forecast, said in zip(made.predict(table), made.probabilities(table), strict=True):
        interval = forecast.interval
        assert interval is not None
        assert interval.selection == made.spec.classes[int(said.argmax())]
        chance = getattr(forecast.outcome, interval.selection)
        assert 0 <= interval.low <= chance + 1e-12
        assert chance <= interval.high + 1e-12 <= 1


def test_a_band_that_lies_beside_the_chance_is_stretched_to_it() -> None:
    low, high = spread(low=(0.6, 0.6), high=(0.62, 0.62))(np.array([0.4, 0.61, 0.8]))
    assert low.tolist() == [0.4, 0.6, 0.6]
    assert high.tolist() == [0.62, 0.62, 0.8]


def test_a_forecaster_made_without_a_band_gives_no_interval() -> None:
    assert [forecast.interval for forecast in forecaster(2).predict(rows(2, 1))] == [None, None]


def test_a_spec_with_a_band_survives_its_file() -> None:
    spec = forecaster(3, band=spread()).spec
    assert ForecasterSpec.model_validate_json(json.dumps(spec.model_dump(mode="json"))) == spec
