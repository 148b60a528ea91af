"""The gate's rule: what passes, what is refused, with which numbers, and how seldom it errs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.registry.deployment import Version
from core.registry.held_out import HeldOut, pair
from training.promotion.gate import TOLERANCE, Check, Contender, Verdict, judge, own_checks

WHEN = datetime(2024, 5, 1, tzinfo=UTC)
START = datetime(2021, 9, 1, tzinfo=UTC).timestamp()
GAMES = 800


def version(number: int = 1, **changed: Any) -> Version:
    given = {"games": 500, "log_loss": 0.62, "base_rate": 0.68, "ece": 0.03, "floor": 0.03, "luck": 0.005} | changed
    scores = [
        {"name": "model", "games": given["games"], "log_loss": given["log_loss"], "calibration_error": given["ece"]},
        {
            "name": "base_rate",
            "log_loss": given["base_rate"],
            "difference": given["log_loss"] - given["base_rate"],
            "difference_error": 0.01,
        },
    ]
    return Version(
        model="NFL-results", version=number, sport="american_football", league="NFL", variant="results",
        recipe=changed.get("recipe", "results:1"), bundle_sha256="b" * 64, features=changed.get("features", "f" * 64),
        snapshot_sha256="s" * 64, trained_until=changed.get("until", WHEN), registered_at=WHEN, run_id="r",
        scores={
            "scores": scores, "calibration_floor": given["floor"], "calibration_deviation": given["luck"],
        },
    )  # fmt: skip


def losses(values: np.ndarray, first: int = 0, learnt: int = 2_000) -> HeldOut:
    numbers = np.arange(first, first + len(values))
    return HeldOut(
        game_ids=tuple(f"g{number}" for number in numbers),
        starts=START + numbers * 86_400.0 / 3,
        outcomes=np.zeros(len(values), dtype=np.int64),
        losses=values,
        learnt=np.full(len(values), learnt),
    )


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_a_good_first_model_passes() -> None:
    assert judge(Contender(version(), losses(np.full(500, 0.62))), None).passed


@pytest.mark.parametrize(
    ("changed", "line", "number"),
    [
        ({"games": 99}, "enough games", "99 held-out games"),
        ({"log_loss": 0.681}, "beats the base rate", "0.6810"),
        ({"ece": 0.056}, "calibrated", "0.056"),
    ],
)
def test_a_bad_first_model_is_refused_with_its_number(changed: dict[str, float], line: str, number: str) -> None:
    (check,) = [check for check in own_checks(version(**changed).scores) if not check.passed]
    assert check.name == line
    assert number in check.numbers


def test_a_finding_about_the_bundle_refuses_whatever_the_losses_say() -> None:
    slow = Check("fast", passed=False, numbers="a forecast takes 90 ms")
    assert failed(judge(Contender(version(), losses(np.full(500, 0.62))), None, [slow])) == ["fast"]


def test_only_games_that_both_have_not_learnt_from_and_with_the_same_result_are_compared() -> None:
    ours, theirs = losses(np.arange(10.0)), losses(np.arange(10.0) + 1, first=4)
    theirs.outcomes[0] = 1
    pairs = pair(ours, theirs)
    assert pairs.first.tolist() == [5, 6, 7, 8, 9]
    assert pairs.second.tolist() == [2, 3, 4, 5, 6]
    assert len(pair(ours, losses(np.arange(3.0), first=50))) == 0


def test_games_before_which_one_had_learnt_from_far_more_are_not_fair() -> None:
    assert len(pair(losses(np.arange(10.0)), losses(np.arange(10.0), learnt=1_910))) == 10
    assert len(pair(losses(np.arange(10.0)), losses(np.arange(10.0), learnt=1_890))) == 0


@pytest.mark.parametrize(
    ("log_loss", "passes"), [(0.60, True), (0.607, True), (0.61, False), (0.62, False), (0.64, False)]
)
def test_a_refresh_without_fair_games_is_judged_by_its_gain(log_loss: float, passes: bool) -> None:
    later = version(2, until=WHEN + timedelta(days=30), log_loss=log_loss)
    champion = Contender(version(1), losses(np.full(500, 0.62)))
    verdict = judge(Contender(later, losses(np.full(500, 0.62), learnt=4_000)), champion)
    assert verdict.passed is passes
    assert "0 games fair to both" in verdict.checks[-1].numbers


def test_too_few_shared_games_are_no_ground_for_a_change() -> None:
    verdict = judge(Contender(version(2), losses(np.full(500, 0.1))), Contender(version(1), losses(np.full(99, 0.9))))
    assert failed(verdict) == ["not worse than version 1"]
    assert "99 games" in verdict.checks[-1].numbers


def test_a_later_clock_is_no_later_data() -> None:
    same = losses(np.random.default_rng(1).exponential(0.6, GAMES))
    new = version(2, recipe="other", until=WHEN + timedelta(days=7))
    learnt = {"learnt_until": WHEN.isoformat()}
    old, new = (replace(one, scores={**one.scores, **learnt}) for one in (version(1), new))
    assert "it must be better" in judge(Contender(new, same), Contender(old, same)).checks[-1].numbers


@pytest.mark.parametrize(("worse", "games", "passes"), [(0.068, GAMES, False), (0.001, GAMES, True), (0.068, 99, True)])
def test_a_successor_of_a_champion_that_cannot_be_used_must_not_look_worse(
    worse: float, games: int, passes: bool
) -> None:
    before = np.random.default_rng(1).exponential(0.6, games)
    champion = Contender(version(1), losses(before), usable=False)
    verdict = judge(Contender(version(2, features="n" * 64), losses(before + worse)), champion)
    assert verdict.passed is passes
    assert f"cannot be used any more: this code computes other features; {games} games" in verdict.checks[-1].numbers


@pytest.mark.parametrize(("difference", "warned"), [(-0.01, True), (-0.005, False), (0.002, False)])
def test_a_model_that_beats_the_close_beyond_luck_comes_with_a_warning_of_a_leak(
    difference: float, warned: bool
) -> None:
    first = version()
    market = {"name": "market", "log_loss": 0.62 - difference, "difference": difference, "difference_error": 0.003}
    scores = {**first.scores, "scores": [*first.scores["scores"], market]}
    warnings = [check.numbers for check in own_checks(scores) if check.name == "better than the closing price"]
    assert [("look for a leak" in numbers) for numbers in warnings] == [True] * warned


def test_an_equal_rival_needs_later_data_to_pass() -> None:
    same = losses(np.random.default_rng(1).exponential(0.6, GAMES))
    champion = Contender(version(1), same)
    assert "it must be better" in judge(Contender(version(2, recipe="other"), same), champion).checks[-1].numbers
    later = version(2, recipe="other", until=WHEN + timedelta(days=7))
    assert judge(Contender(later, same), champion).passed


def duel(seed: int, effect: float, noise: float = 0.12, **challenger: Any) -> bool:
    """Whether a challenger whose log loss is by ``effect`` higher on average gets past the champion.

    The difference of a game has the spread seen between real recipes (results against Elo, NFL: .09), a part of it
    shared by a week's games.
    """
    random = np.random.default_rng(seed)
    champions = random.exponential(0.62, GAMES)
    weekly = random.normal(0, noise / 3, GAMES // 21 + 1)[np.arange(GAMES) // 21]
    challengers = champions + effect + weekly + random.normal(0, noise, GAMES)
    contender = Contender(version(2, **{"recipe": "other:2", **challenger}), losses(challengers))
    return judge(contender, Contender(version(1), losses(champions))).passed


REFRESH = {"recipe": "results:1", "until": WHEN + timedelta(days=30)}
KINDS: dict[str, dict[str, Any]] = {"rival": {}, "rival on later data": {"until": REFRESH["until"]}, "refresh": REFRESH}


@pytest.mark.parametrize("noise", [0.04, 0.08, 0.12])
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_worse_challenger_is_never_promoted_and_a_better_one_in_45_of_50_seeds(
    kind: str, noise: float
) -> None:
    assert sum(duel(seed, +0.02, noise, **KINDS[kind]) for seed in range(50)) == 0
    assert sum(duel(seed, -0.02, noise, **KINDS[kind]) for seed in range(50)) >= 45


def test_an_equal_refresh_is_not_kept_out_for_ever_and_one_that_looks_worse_is_refused() -> None:
    """Differences of the same recipe on later data are small, because most of what was learnt is the same."""
    assert sum(duel(seed, 0.0, 0.02, **REFRESH) for seed in range(50)) >= 20
    steady = losses(np.random.default_rng(1).exponential(0.6, GAMES))
    worse = losses(steady.losses + 0.0005)
    assert judge(Contender(version(2, **REFRESH), steady), Contender(version(1), steady)).passed
    refused = judge(Contender(version(2, **REFRESH), worse), Contender(version(1), steady))
    assert failed(refused) == ["not worse than version 1"]
    assert "+0.0005" in refused.checks[-1].numbers


def test_a_rival_that_is_worse_by_just_the_margin_passes_about_as_often_as_the_rule_says() -> None:
    later = {"until": WHEN + timedelta(days=30)}
    assert 0.01 < np.mean([duel(seed, TOLERANCE, **later) for seed in range(400)]) < 0.11


def test_held_out_losses_survive_their_json() -> None:
    before = losses(np.random.default_rng(3).exponential(0.6, 50))
    after = HeldOut.from_json(before.to_json())
    assert after.game_ids == before.game_ids
    assert np.array_equal(after.starts, before.starts)
    assert np.allclose(after.losses, before.losses, atol=1e-6)
