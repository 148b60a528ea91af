"""The gate: what passes, what is refused, and with which numbers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.registry.deployment import Version
from training.promotion import judge

WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def version(number: int = 1, **changed: Any) -> Version:
    given = {"games": 500, "log_loss": 0.62, "gain": 0.06, "gain_error": 0.01, "ece": 0.03, "floor": 0.03} | changed
    scores = [
        {"name": "model", "games": given["games"], "log_loss": given["log_loss"], "calibration_error": given["ece"]},
        {
            "name": "base_rate",
            "log_loss": given["log_loss"] + given["gain"],
            "difference": -given["gain"],
            "difference_error": given["gain_error"],
        },
    ]
    return Version(
        model="NFL-results", version=number, sport="american_football", league="NFL", variant="results",
        recipe="results:1", bundle_sha256="b" * 64, features="f" * 64, snapshot_sha256="s" * 64, trained_until=WHEN,
        registered_at=WHEN, run_id="r", scores={"scores": scores, "calibration_floor": given["floor"]},
    )  # fmt: skip


def test_a_good_first_model_passes() -> None:
    assert judge(version(), None).passed


@pytest.mark.parametrize(
    ("changed", "line", "number"),
    [
        ({"games": 99}, "enough games", "99 held-out games"),
        ({"gain": -0.001}, "beats the base rate", "0.6200"),
        ({"ece": 0.09}, "calibrated", "0.090"),
    ],
)
def test_a_bad_first_model_is_refused_with_its_number(changed: dict[str, float], line: str, number: str) -> None:
    verdict = judge(version(**changed), None)
    assert not verdict.passed
    failed = [check for check in verdict.checks if not check.passed]
    assert [check.name for check in failed] == [line]
    assert number in failed[0].numbers


def test_a_challenger_clearly_worse_than_the_champion_is_refused() -> None:
    verdict = judge(version(2, gain=0.03), version(1, gain=0.06))
    assert [check.name for check in verdict.checks if not check.passed] == ["not worse than version 1"]


def test_a_challenger_within_the_noise_of_the_champion_may_replace_it() -> None:
    assert judge(version(2, gain=0.055), version(1, gain=0.06)).passed
