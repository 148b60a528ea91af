"""Who becomes champion: a written rule, a refusal with numbers, and one change of the deployment record.

The rule: a challenger needs at least 100 held-out games, a log loss no worse than the base rate's, and a
calibration error within .03 of what a perfect forecast would show; and beside a champion, a log loss that is
not worse by more than one standard error on the games both were scored on. Later issues sharpen it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.engine import Engine

from core.errors import ConflictError, ValidationError
from core.registry import deployment
from core.registry.deployment import Deployment, Version
from core.registry.tracking import Tracking

FEWEST_GAMES: Final = 100
CALIBRATION_SLACK: Final = 0.03


@dataclass(frozen=True)
class Check:
    """One line of the rule with the numbers it was decided on."""

    name: str
    passed: bool
    numbers: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a challenger."""

    model: str
    version: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def judge(challenger: Version, champion: Version | None) -> Verdict:
    """Apply the rule to the scores both versions were registered with."""
    model, base_rate = _score(challenger, "model"), _score(challenger, "base_rate")
    floor = float(challenger.scores["calibration_floor"])
    checks = [
        Check(
            "enough games", model["games"] >= FEWEST_GAMES, f"{model['games']} held-out games, {FEWEST_GAMES} needed"
        ),
        Check(
            "beats the base rate",
            model["log_loss"] <= base_rate["log_loss"],
            f"log loss {model['log_loss']:.4f}, base rate {base_rate['log_loss']:.4f}",
        ),
        Check(
            "calibrated",
            model["calibration_error"] <= floor + CALIBRATION_SLACK,
            f"calibration error {model['calibration_error']:.3f}, perfect {floor:.3f}, slack {CALIBRATION_SLACK}",
        ),
    ]
    if champion is not None:
        checks.append(_beside(challenger, champion))
    return Verdict(challenger.model, challenger.version, tuple(checks))


def _beside(challenger: Version, champion: Version) -> Check:
    """Both against the base rate of their own held-out games, because those games need not be the same."""
    gain, error = _gain(challenger)
    champions_gain, champions_error = _gain(champion)
    slack = (error**2 + champions_error**2) ** 0.5
    return Check(
        f"not worse than version {champion.version}",
        gain >= champions_gain - slack,
        f"gains {gain:.4f} on the base rate, the champion {champions_gain:.4f}, one standard error {slack:.4f}",
    )


def _gain(version: Version) -> tuple[float, float]:
    beside = _score(version, "base_rate")
    return -float(beside["difference"]), float(beside["difference_error"])


def _score(version: Version, name: str) -> Mapping[str, Any]:
    return next(score for score in version.scores["scores"] if score["name"] == name)


def promote(
    engine: Engine, tracking_uri: str, model: str, number: int | None, now: datetime
) -> tuple[Verdict, Deployment]:
    """Judge the challenger (or the version named) and make it champion if it passes.

    The deployment record decides; MLflow's aliases are mirrored afterwards. Raises ConflictError when the
    record changes meanwhile, ValidationError when there is nothing to promote.
    """
    seen = deployment.deployment(engine, model)
    wanted = number if number is not None else seen.challenger
    if wanted is None:
        raise ValidationError(f"{model} has no challenger.", hint="Train one with `dbsbm train`.", field="model")
    if wanted == seen.champion:
        raise ConflictError(f"{model} version {wanted} is the champion already.")
    challenger = deployment.version(engine, model, wanted)
    champion = None if seen.champion is None else deployment.version(engine, model, seen.champion)
    verdict = judge(challenger, champion)
    if not verdict.passed:
        return verdict, seen
    changed = deployment.install_champion(engine, seen, wanted, now)
    Tracking(tracking_uri).mirror(changed)
    return verdict, changed


def roll_back(engine: Engine, tracking_uri: str, model: str, now: datetime) -> Deployment:
    """Give the model its previous champion back. Raises ConflictError when there is none."""
    changed = deployment.roll_back(engine, model, now)
    Tracking(tracking_uri).mirror(changed)
    return changed
