"""The rule by which a challenger becomes champion. Pure: versions, losses and findings in, checks with numbers out.

A challenger passes when all of this holds.

1. *Enough games*: 100 or more that it had not learnt from.
2. *Beats the base rate* on them.
3. *Calibrated*: its calibration error is at most .015 above what a perfect forecast would show, give or take twice
   that forecast's own luck.
4. *Not worse than the champion*, on the games that neither had learnt from, before which both had learnt from about as
   many (``held_out.pair``), 100 or more of them:

   - A **rival** (another recipe, other features, or no later results) carries the burden of proof. Its mean log loss
     minus the champion's, plus the one-sided 95 % reach of its standard error (the games of a week as one cluster,
     Student's t), must not exceed .002: with 95 % confidence it is not worse by more than that. And it must offer
     something: a better mean, or results that the champion could not know.
   - A **refresh** (same recipe, same features, later results) is the procedure that has earned its place already, on
     more data. It need not prove that much, but it must not look worse either: its mean log loss must not be above the
     champion's, and with one standard error added not above it by more than .002. Were the whole burden of proof its
     own, a league of a season or two would keep its first model for years. One that is as good as the champion is
     refused by bad luck in about half of all cases, in more where the games tell little; the champion it equals goes
     on, and the next refresh is judged anew. Where fewer than 100 games are fair to both, as a young league's often
     are, the same is asked of their gains on the base rate, each on its own games. So few games tell little: at 120 to
     190 of them a refresh that is worse by .02 passes in up to five of 50 seeds, one better by .02 in 14 to 31.
   - A **successor** (the champion cannot answer any more, because the code computes other features) is refused where
     it looks worse by more than .002 on those games. Where they are fewer than 100 it passes: nothing else answers.

   Chance alone lets a rival that is worse by exactly .002 pass once in twenty times, and one that is worse by .002 and
   two standard errors once in seven thousand; a refresh that is worse by .002 and two standard errors passes once in
   seven hundred times. A rival whose advantage is three standard errors less .002 passes nine times in ten. To be
   better beyond doubt is not asked: few improvements of the size that is usual in this field would ever be let in.
5. *Coherent*, *fast* and *blind to the future*: see ``examination``.

The first version of a model is judged without 4. A challenger that beats the closing price by more than two standard
errors passes, but the verdict says so: on such a scale that is a leak more often than a gift.
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
from core.registry.held_out import HeldOut, Pairs, pair

FEWEST_GAMES: Final = 100
CALIBRATION_SLACK: Final = 0.015
MARGIN: Final = 0.002
"""How much worse, in log loss, still counts as equal: what separates the best models from the closing price."""
CONFIDENCE: Final = 0.95
SUSPECT: Final = 2.0
"""Standard errors by which a model that beats the closing price is told apart from luck."""


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


@dataclass(frozen=True, eq=False)
class Contender:
    """A version and what it lost on the games it had not learnt from."""

    version: Version
    losses: HeldOut
    note: str = ""
    """What is missing of the losses, and why."""
    answers: bool = True
    """Whether this code computes the features it was made of."""


def judge(challenger: Contender, champion: Contender | None, examined: Sequence[Check] = ()) -> Verdict:
    """Apply the rule; ``examined`` are the checks that need the bundle itself."""
    checks = by_itself(challenger.version.scores)
    if champion is not None:
        compared = beside(challenger, champion)
        checks.append(replace(compared, numbers="; ".join(filter(None, (compared.numbers, champion.note)))))
    return Verdict(challenger.version.model, challenger.version.version, (*checks, *examined))


def by_itself(scores: Mapping[str, Any]) -> list[Check]:
    """What is asked of a version whatever it competes with."""
    model, base_rate = _score(scores, "model"), _score(scores, "base_rate")
    floor, luck = float(scores["calibration_floor"]), 2 * float(scores["calibration_deviation"])
    market = next((score for score in scores["scores"] if score["name"] == "market"), None)
    suspicion = [] if market is None else _suspected(market["difference"], market["difference_error"])
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


def _suspected(difference: float, error: float | None) -> list[Check]:
    """A word of warning where the closing price is beaten beyond what has ever been seen to hold."""
    if error is None or difference + SUSPECT * error >= 0:
        return []
    numbers = f"log loss {difference:+.4f} ± {error:.4f} beside the closing price: look for a leak before you trust it"
    return [Check("better than the closing price", passed=True, numbers=numbers)]


def beside(challenger: Contender, champion: Contender) -> Check:
    """The rule's fourth point."""
    new, old = challenger.version, champion.version
    later = _learnt_until(new) > _learnt_until(old)
    refresh = later and (new.recipe, new.features) == (old.recipe, old.features)
    name = f"not worse than version {old.version}"
    pairs = pair(challenger.losses, champion.losses)
    if not champion.answers:
        return _succeeding(name, pairs)
    if len(pairs) < FEWEST_GAMES:
        shown = f"{len(pairs)} games fair to both, {FEWEST_GAMES} needed"
        return _by_gain(name, shown, new, old) if refresh else Check(name, passed=False, numbers=shown)
    return _by_losses(name, pairs, later=later, refresh=refresh)


def _learnt_until(version: Version) -> datetime:
    """When the newest result it learnt from was known."""
    said = version.scores.get("learnt_until")
    return version.trained_until if said is None else datetime.fromisoformat(said)


def _succeeding(name: str, pairs: Pairs) -> Check:
    """A successor beside a champion that cannot answer any more, by the losses that one was registered with."""
    shown = f"it cannot answer any more: this code computes other features; {len(pairs)} games fair to both"
    if len(pairs) < FEWEST_GAMES:
        return Check(name, passed=True, numbers=f"{shown}, {FEWEST_GAMES} needed to compare")
    mean = float((pairs.first - pairs.second).mean())
    return Check(name, mean <= MARGIN, f"{shown}, log loss {mean:+.4f} beside it; {MARGIN} is allowed")


def _by_losses(name: str, pairs: Pairs, *, later: bool, refresh: bool) -> Check:
    """The paired comparison of the challenger (first) with the champion (second)."""
    difference = pairs.first - pairs.second
    weeks = scoring.weeks(pairs.starts)
    mean, error = float(difference.mean()), scoring.standard_error(difference, weeks)
    shown = f"log loss {mean:+.4f} ± {error:.4f} beside it on {len(pairs):,} games neither had learnt from"
    reach = float(t.ppf(CONFIDENCE, max(len(np.unique(weeks)) - 1, 1))) * error
    if refresh:
        return _refreshed(name, shown, mean, error)
    if not later and mean >= 0:
        return Check(name, passed=False, numbers=f"{shown}; without later results it must gain something")
    return Check(name, mean + reach <= MARGIN, f"{shown}, at most {mean + reach:+.4f} (95 %); {MARGIN} is allowed")


def _by_gain(name: str, shown: str, new: Version, old: Version) -> Check:
    """A refresh and its champion, each beside the base rate of its own games."""
    ours, theirs = _score(new.scores, "base_rate"), _score(old.scores, "base_rate")
    error = math.hypot(*(math.nan if s["difference_error"] is None else s["difference_error"] for s in (ours, theirs)))
    gains = f"gain on the base rate {-ours['difference']:.4f}, the champion's {-theirs['difference']:.4f} ± {error:.4f}"
    return _refreshed(name, f"{shown}; {gains}", float(ours["difference"] - theirs["difference"]), error)


def _refreshed(name: str, shown: str, lost: float, error: float) -> Check:
    """A refresh must not look worse, and the less the games tell the better it must look."""
    return Check(
        name,
        lost <= 0 and lost + error <= MARGIN,
        f"{shown}; a refresh: 0 is allowed, and with one error added, {lost + error:+.4f}, {MARGIN}",
    )


def _score(scores: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(score for score in scores["scores"] if score["name"] == name)
