"""The promotion gate, the rule by which a challenger becomes champion. Pure: versions and losses in, checks out.

A challenger passes when all of this holds.

1. *Enough games*: 100 or more that it had not learnt from.
2. *Beats the base rate* on them.
3. *Calibrated*: its calibration error is at most .015 above that of a perfect forecast plus two standard deviations of
   the latter.
4. *Not worse than the champion*, on 100 or more games that neither had learnt from and before which both had learnt
   from about as many games (``held_out.pair``):

   - A **rival** (another recipe, other features, or no later results) carries the burden of proof. Its mean log loss
     minus the champion's, plus the one-sided 95 % bound of its standard error (the games of a week as one cluster,
     Student's t), must not exceed the tolerance of .002: with 95 % confidence it is not worse by more than that. It
     must also have a better mean, or results that the champion did not know.
   - A **refresh** (same recipe, same features, later results) is a procedure that has passed already, on more data. It
     needs less proof, but it must not look worse: its mean log loss must not be above the champion's, and with one
     standard error added not above it by more than .002. With the whole burden of proof a league of a season or two
     would keep its first model for years. A refresh that is as good as the champion is refused by chance in about half
     of all cases, in more where the games carry little evidence; the champion stays, and the next refresh is judged
     afresh. If fewer than 100 games are fair to both, as is usual in a young league, the same is required of their
     gains on the base rate, each on its own games. That is weak evidence: at 120 to 190 games a refresh that is worse
     by .02 passes with up to five of 50 seeds, one better by .02 with 14 to 31.
   - A **successor** (the champion cannot be used any more, because the code computes other features) is refused if it
     looks worse by more than .002 on those games. If there are fewer than 100 it passes: there is no other model.

   By chance alone a rival that is worse by exactly .002 passes once in twenty times, and one that is worse by .002 and
   two standard errors once in seven thousand; a refresh that is worse by .002 and two standard errors passes once in
   seven hundred times. A rival whose advantage is three standard errors less .002 passes nine times in ten. Proof of
   being better is not required: few improvements of the size that is usual in this field would pass.
5. *Coherent*, *fast* and *blind to the future*: see ``bundle_checks``.

The first version of a model is judged without 4. A challenger that beats the closing price by more than two standard
errors passes, but the verdict says so: an advantage of that size is more often a leak than skill.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from scipy.stats import t

from core import scoring
from core.registry.deployment import Version
from core.registry.held_out import HeldOut, PairedLosses, pair

FEWEST_GAMES: Final = 100
CALIBRATION_SLACK: Final = 0.015
TOLERANCE: Final = 0.002
"""Difference in log loss that counts as equal: what separates the best models from the closing price."""
CONFIDENCE: Final = 0.95
SUSPECT: Final = 2.0
"""Standard errors beyond which a model that beats the closing price is suspect."""


@dataclass(frozen=True)
class Check:
    """One condition of the rule with the numbers it was decided on."""

    name: str
    passed: bool
    numbers: str


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on a challenger."""

    model: str
    version: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, eq=False)
class Contender:
    """A version with its losses on the games it had not learnt from."""

    version: Version
    losses: HeldOut
    note: str = ""
    """Which losses are missing, and why."""
    usable: bool = True
    """Whether this code computes the features it was made of."""


def judge(challenger: Contender, champion: Contender | None, bundle_checks: Sequence[Check] = ()) -> Verdict:
    """Apply the rule; ``bundle_checks`` are the checks of the bundle itself."""
    checks = own_checks(challenger.version.scores)
    if champion is not None:
        compared = comparison_check(challenger, champion)
        checks.append(replace(compared, numbers="; ".join(filter(None, (compared.numbers, champion.note)))))
    return Verdict(challenger.version.model, challenger.version.version, (*checks, *bundle_checks))


def own_checks(scores: Mapping[str, Any]) -> list[Check]:
    """The conditions that do not depend on the champion."""
    model, base_rate = _score(scores, "model"), _score(scores, "base_rate")
    floor, luck = float(scores["calibration_floor"]), 2 * float(scores["calibration_deviation"])
    market = next((score for score in scores["scores"] if score["name"] == "market"), None)
    suspicion = [] if market is None else _suspicion(market["difference"], market["difference_error"])
    return [
        *suspicion,
        Check(
            "enough games", model["games"] >= FEWEST_GAMES, f"{model['games']} held-out games, {FEWEST_GAMES} needed"
        ),
        Check(
            "beats the base rate",
            model["log_loss"] < base_rate["log_loss"],
            f"log loss {model['log_loss']:.4f}, base rate {base_rate['log_loss']:.4f}",
        ),
        Check(
            "calibrated",
            model["calibration_error"] <= floor + luck + CALIBRATION_SLACK,
            f"calibration error {model['calibration_error']:.3f}, perfect {floor:.3f} ± {luck:.3f}, "
            f"slack {CALIBRATION_SLACK}",
        ),
    ]


def _suspicion(difference: float, error: float | None) -> list[Check]:
    """A warning if the closing price is beaten by more than any model has been seen to beat it for long."""
    if error is None or difference + SUSPECT * error >= 0:
        return []
    numbers = f"log loss {difference:+.4f} ± {error:.4f} against the closing price: look for a leak before you trust it"
    return [Check("better than the closing price", passed=True, numbers=numbers)]


def comparison_check(challenger: Contender, champion: Contender) -> Check:
    """The rule's fourth condition: the challenger compared with the champion."""
    new, old = challenger.version, champion.version
    later = _learnt_until(new) > _learnt_until(old)
    refresh = later and (new.recipe, new.features) == (old.recipe, old.features)
    name = f"not worse than version {old.version}"
    pairs = pair(challenger.losses, champion.losses)
    if not champion.usable:
        return _successor_check(name, pairs)
    if len(pairs) < FEWEST_GAMES:
        shown = f"{len(pairs)} games fair to both, {FEWEST_GAMES} needed"
        return _gain_check(name, shown, new, old) if refresh else Check(name, passed=False, numbers=shown)
    return _paired_check(name, pairs, later=later, refresh=refresh)


def _learnt_until(version: Version) -> datetime:
    """When the newest result it learnt from became known."""
    recorded = version.scores.get("learnt_until")
    return version.trained_until if recorded is None else datetime.fromisoformat(recorded)


def _successor_check(name: str, pairs: PairedLosses) -> Check:
    """A successor compared with a champion that cannot be used, by the losses the champion was registered with."""
    shown = f"it cannot be used any more: this code computes other features; {len(pairs)} games fair to both"
    if len(pairs) < FEWEST_GAMES:
        return Check(name, passed=True, numbers=f"{shown}, {FEWEST_GAMES} needed to compare")
    mean = float((pairs.first - pairs.second).mean())
    return Check(name, mean <= TOLERANCE, f"{shown}, log loss {mean:+.4f} against it; {TOLERANCE} is allowed")


def _paired_check(name: str, pairs: PairedLosses, *, later: bool, refresh: bool) -> Check:
    """The paired comparison of the challenger (first) with the champion (second)."""
    difference = pairs.first - pairs.second
    weeks = scoring.weeks(pairs.starts)
    mean, error = float(difference.mean()), scoring.standard_error(difference, weeks)
    shown = f"log loss {mean:+.4f} ± {error:.4f} against it on {len(pairs):,} games neither had learnt from"
    reach = float(t.ppf(CONFIDENCE, max(len(np.unique(weeks)) - 1, 1))) * error
    if refresh:
        return _refresh_check(name, shown, mean, error)
    if not later and mean >= 0:
        return Check(name, passed=False, numbers=f"{shown}; without later results it must be better")
    numbers = f"{shown}, at most {mean + reach:+.4f} (95 %); {TOLERANCE} is allowed"
    return Check(name, mean + reach <= TOLERANCE, numbers)


def _gain_check(name: str, shown: str, new: Version, old: Version) -> Check:
    """A refresh and the champion, each compared with the base rate of its own games."""
    ours, theirs = _score(new.scores, "base_rate"), _score(old.scores, "base_rate")
    error = math.hypot(*(math.nan if s["difference_error"] is None else s["difference_error"] for s in (ours, theirs)))
    gains = f"gain on the base rate {-ours['difference']:.4f}, the champion's {-theirs['difference']:.4f} ± {error:.4f}"
    return _refresh_check(name, f"{shown}; {gains}", float(ours["difference"] - theirs["difference"]), error)


def _refresh_check(name: str, shown: str, difference: float, error: float) -> Check:
    """A refresh must not look worse, and the weaker the evidence the better it must look."""
    return Check(
        name,
        difference <= 0 and difference + error <= TOLERANCE,
        f"{shown}; a refresh: 0 is allowed, and with one error added, {difference + error:+.4f}, {TOLERANCE}",
    )


def _score(scores: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(score for score in scores["scores"] if score["name"] == name)
