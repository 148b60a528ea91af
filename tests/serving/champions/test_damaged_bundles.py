"""A hundred damaged bundles are promoted under a running service: none is loaded, and answers continue."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from core.errors import ExternalServiceError
from core.registry.bundles.store import bundle_store
from core.registry.deployment import Version
from serving.assembly import Timings
from serving.champions.loader import load_version
from tests.core.bundles import forged
from tests.core.registry.test_bundle_safety import damaged
from tests.serving.conftest import World
from tests.serving.models import EPL, deploy, key_of_bundles, promote, written
from tests.serving.service import Running, eventually, settings_for, started

pytestmark = pytest.mark.slow

GAME = "/v1/predictions/soccer/EPL/EPL-102"
TREES = "outcome.lgb"
BUNDLES = 100
FORGED_EVERY = 25
"""Every so many bundles the damaged one is signed again, so that only the trial detects it; that takes two seconds."""


def damage(store: Path, version: Version, number: int) -> Version:
    """Damage a file of the version's bundle: a flipped bit, a cut, or a wrong child index. Returns the version."""
    folder, random = store / version.bundle_sha256, Random(number)
    if number % FORGED_EVERY == 0:
        whole = (folder / TREES).read_bytes()
        sha256 = forged(folder, TREES, whole.replace(b"left_child=", b"left_child=1000000 ", 1), key_of_bundles(store))
        folder.rename(store / sha256)
        return replace(version, bundle_sha256=sha256)
    target = folder / TREES if number % 2 else random.choice(sorted(folder.iterdir()))
    whole = target.read_bytes()
    changed = damaged(whole, random) if target.name == TREES else _flipped_or_cut(whole, random)
    assert changed != whole
    target.write_bytes(changed)
    return version


def _flipped_or_cut(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    flipped = content[:place] + bytes([content[place] ^ (1 << random.randrange(7))]) + content[place + 1 :]
    return random.choice([flipped, content[:place]])


@contextmanager
def asked_meanwhile(running: Running) -> Iterator[list[tuple[int, int | None]]]:
    """Status and version of every answer during the block."""
    answers: list[tuple[int, int | None]] = []
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.wait(0.005):
            answer = running.get(GAME)
            answers.append((answer.status_code, answer.json().get("model", {}).get("version")))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        stopping.set()
        asking.join()


def test_a_hundred_damaged_bundles_change_no_answer(world: World) -> None:
    def refuse_download(*_arguments: object) -> None:
        raise ExternalServiceError("MLflow does not respond.")

    settings = settings_for(world.engine, world.store)
    store = replace(bundle_store(settings), download=refuse_download)
    load = partial(load_version, store, trial_seconds=5.0)
    with started(settings, load=load, timings=Timings(check_champions=0.02)) as running:
        with asked_meanwhile(running) as answers:
            for number in range(2, BUNDLES + 2):
                lean = 0.3 + number / 1_000
                version = written(world.store, EPL, number=number, home_lean=lean, with_trees=True)
                promote(world.engine, damage(world.store, version, number))
                eventually(lambda number=number: _refused(running) == number)  # type: ignore[misc]
            before_last = len(answers)
            deploy(world.engine, world.store, EPL, number=BUNDLES + 2, home_lean=0.9, with_trees=True)
            eventually(lambda: answers[-1] == (200, BUNDLES + 2))
        assert set(answers[:before_last]) == {(200, 1)}
        assert set(answers) == {(200, 1), (200, BUNDLES + 2)}
        seen = {
            code: running.metric("dbsbm_model_load_failures_total", model="EPL-results", code=code)
            for code in ("SECURITY_ERROR", "SERVICE_ERROR")
        }
        assert seen["SERVICE_ERROR"] >= BUNDLES // FORGED_EVERY
        assert sum(seen.values()) >= BUNDLES
        assert running.service.champion_follower.failures == {}


def _refused(running: Running) -> int | None:
    refusal = running.service.champion_follower.failures.get("EPL-results")
    return None if refusal is None else refusal.version
