"""Rows F15 to F19: bundles that must be refused, and many promotions."""

import json
import os
import pickle
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from core.registry.bundles.files import GOLDEN, SPEC
from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import Load
from tests.chaos.world import MODEL, Change
from tests.core.bundles import forged, remanifested
from tests.core.registry.test_bundle_safety import THEIRS, Canary, damaged

Spoil = Callable[[Path], str | None]

REFUSED = re.compile(r'"event": "champion refused')


class Offering:
    """Promotes one champion after another under load, and counts the outcomes."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.offered: list[int] = []
        self.missed: list[str] = []
        self.reasons: set[str] = set()

    def offer(self, name: str, spoil: Spoil, **spec: object) -> None:
        """Promote a damaged version and wait until every worker has refused it; record damage that was not refused."""
        before = self._stage.metric("dbsbm_model_load_failures_total")
        number = self._stage.models.add(spoil=spoil, **spec)
        self._stage.models.promote(number)
        self.offered.append(number)

        def refused() -> bool:
            return self._stage.metric("dbsbm_model_load_failures_total") - before >= self._stage.workers

        if until(refused, 60) == float("inf"):
            self.missed.append(name)
        error = self._stage.ask("/readyz")[1]["models"][MODEL]["error"] or {}
        self.reasons.add(str(error.get("code")))

    def judge(self, outcome: Outcome, service_before: set[int], rejections: int, load: Load) -> None:
        """Check the criteria of F15 to F18."""
        stage = self._stage
        served = {answer.body["model"]["version"] for answer in load.answers if answer.status == 200}
        logged = len(REFUSED.findall(stage.log())) - rejections
        outcome.traffic(load.answers, within=250, bare=load.bare)
        outcome.report(
            f"{len(self.offered)} offered, {logged} rejections logged by {stage.workers} workers ({', '.join(sorted(self.reasons))})"
        )
        outcome.expect(not self.missed, f"not refused by every worker: {', '.join(self.missed[:5])}")
        outcome.expect(not served & set(self.offered), f"versions {sorted(served & set(self.offered))} answered")
        outcome.expect(logged >= len(self.offered), f"{logged} rejections in the log")
        outcome.expect(set(stage.service.workers()) == service_before, "a worker died")
        outcome.wrong += broken_invariants(stage, load.answers)


def _offered(stage: Stage, outcome: Outcome, offers: Callable[[Offering], None]) -> None:
    """Promote the damaged versions under load, check the outcomes, and promote a valid version."""
    alive, rejections = set(stage.service.workers()), len(REFUSED.findall(stage.log()))
    offering = Offering(stage)
    with stage.load(rate=50) as load:
        offers(offering)
    offering.judge(outcome, alive, rejections, load)
    sound = stage.wait_for_generation(stage.models.swap().generation)
    outcome.report(f"a valid version answered {sound:.1f} s after")
    outcome.expect(sound <= 15, f"the sound version answered {sound:.1f} s after")


@row("F15", "bundles with flipped bits, cut short, with other child indices, each made champion")
def bundles_damaged(stage: Stage, scale: float, outcome: Outcome) -> None:
    random = Random(15)

    def spoil(folder: Path) -> None:
        target = folder / random.choice(["outcome.lgb"] * 3 + [SPEC, GOLDEN])
        whole = target.read_bytes()
        harmed = whole
        while harmed == whole:
            harmed = damaged(whole, random) if target.suffix == ".lgb" else _flipped(whole, random)
        target.write_bytes(harmed)

    def offers(offering: Offering) -> None:
        for number in range(max(20, int(400 * scale))):
            offering.offer(f"damage {number}", spoil, with_trees=True)

    _offered(stage, outcome, offers)


def _flipped(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << random.randrange(8))]) + content[place + 1 :]


@row("F16", "bundles signed by others, unsigned, an older one replayed, a link, a path that leads out of the folder")
def bundles_forged(stage: Stage, scale: float, outcome: Outcome) -> None:
    bundle_signer, store = stage.models.signer, stage.world.store
    older = store / stage.offline.champion(stage.models.changes[0].version).version.bundle_sha256

    def signed_by_others(folder: Path) -> str:
        return forged(folder, SPEC, (folder / SPEC).read_bytes().replace(b"1.0", b"1.1"), THEIRS)

    def unsigned(folder: Path) -> str:
        sha256 = forged(folder, SPEC, (folder / SPEC).read_bytes() + b" ", bundle_signer)
        (folder / "manifest.sig").write_bytes(b"")
        return sha256

    def replayed(folder: Path) -> None:
        for file in older.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())

    def linked(folder: Path) -> None:
        (folder / SPEC).rename(store / f"outside-{folder.name}")
        (folder / SPEC).symlink_to(store / f"outside-{folder.name}")

    def leading_out(folder: Path) -> str:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        (store / "outside.json").write_bytes((folder / SPEC).read_bytes())
        manifest["files"]["../outside.json"] = manifest["files"].pop(SPEC)
        return remanifested(folder, manifest, bundle_signer)

    def offers(offering: Offering) -> None:
        for spoil in (signed_by_others, unsigned, replayed, linked, leading_out):
            offering.offer(spoil.__name__, spoil)

    _offered(stage, outcome, offers)


@row("F17", "pickles in the place of every kind of file, with a valid signature and without")
def bundles_pickled(stage: Stage, scale: float, outcome: Outcome) -> None:
    canary = stage.world.store / "canary"
    content = pickle.dumps(Canary(canary))

    def planted(name: str, signed: bool) -> Spoil:
        def spoil(folder: Path) -> str | None:
            if signed:
                return forged(folder, name, content, stage.models.signer)
            (folder / name).write_bytes(content)
            return None

        return spoil

    def offers(offering: Offering) -> None:
        for name in ("model.pkl", "model.joblib", "model.skops", "outcome.lgb", SPEC, GOLDEN):
            for signed in (True, False):
                offering.offer(f"{name} {signed}", planted(name, signed), with_trees=True)

    _offered(stage, outcome, offers)
    outcome.expect(not canary.exists(), "a pickle was opened: the canary exists")
    pickle.loads(content)
    outcome.expect(canary.exists(), "the canary cannot be seen")
    outcome.report("the canary file was not touched")
    canary.unlink(missing_ok=True)


@row(
    "F18",
    "signed bundles that are slow, claim 2 GB, answer with no numbers, have wrong columns, contradict their golden rows",
)
def bundles_unfit(stage: Stage, scale: float, outcome: Outcome) -> None:
    bundle_signer = stage.models.signer

    def edited(name: str, change: Callable[[dict], None]) -> Spoil:
        def spoil(folder: Path) -> str:
            content = json.loads((folder / name).read_bytes())
            change(content)
            return forged(folder, name, json.dumps(content).encode(), bundle_signer)

        return spoil

    def huge(folder: Path) -> None:
        os.truncate(folder / GOLDEN, 2 * 2**30)

    unfit: dict[str, Spoil] = {
        "slow": edited(
            SPEC,
            lambda spec: spec["shape"].update(scores="points", margin_deviation=100_000.0, total_deviation=100_000.0),
        ),
        "huge": huge,
        "no numbers": edited(SPEC, lambda spec: spec["calibration"].update(slope=float("nan"))),
        "wrong columns": edited(SPEC, lambda spec: spec["outcome"]["linears"][0].update(means=[0.0])),
        "other features": edited(SPEC, lambda spec: spec.update(features=spec["features"][::-1])),
        "golden rows": edited(SPEC, lambda spec: spec["calibration"].update(slope=1.5)),
    }

    def offers(offering: Offering) -> None:
        for name, spoil in unfit.items():
            offering.offer(name, spoil)

    _offered(stage, outcome, offers)


@row("F19", "4 writers swap the champion among 6 versions, all at once")
def swaps(stage: Stage, scale: float, outcome: Outcome) -> None:
    numbers = [stage.models.add() for _ in range(6)]
    for number in numbers:
        stage.wait_for_generation(stage.models.promote(number).generation)
    count, before = max(15, int(100 * scale)), stage.rss()
    made: list[Change] = []

    def write(seed: int) -> None:
        random = Random(seed)
        for _ in range(count):
            made.append(stage.models.promote(random.choice(numbers)))
            time.sleep(0.1)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    with stage.load() as load:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        last = max(change.generation for change in made)
        agreed = stage.wait_for_generation(last)
        time.sleep(1)
    grown = max(new - old for new, old in zip(stage.rss(), before, strict=True))
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(f"{len(made)} swaps; all workers agree after {agreed:.1f} s; at most {grown} MB more per worker")
    outcome.expect(len(made) == 4 * count, f"{len(made)} swaps were made")
    outcome.expect(agreed <= 10, f"the workers agreed after {agreed:.1f} s")
    outcome.expect(grown <= 20, f"a worker grew by {grown} MB")
    outcome.wrong += broken_invariants(stage, load.answers)
