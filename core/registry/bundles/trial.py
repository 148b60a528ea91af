"""The trial of a new bundle: its first reading, in a separate process that may crash, hang or use too much memory.

``try_bundle`` verifies the bundle and starts the process, ``python -P -m`` with this module, FOLDER, SHA256
and SECONDS. It gets no key and none of our settings: the SHA-256 of a manifest whose signature was checked is enough.
"""

import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.arrays import sum_in_order
from core.errors import DbsbmError, ServiceError
from core.registry.bundles.contents import Bundle, parse_bundle
from core.registry.bundles.files import read_undamaged, read_verified
from core.registry.forecaster import Forecast
from core.signing import Signer

TRIAL_SECONDS: Final = 60.0
TRIAL_BYTES: Final = 4 * 2**30
"""Address space of the process; a sound bundle needs a quarter of it."""
SLOWEST_ROW: Final = 0.050
"""Longest time that a forecast of one game may take [seconds]."""
TIMED_CALLS: Final = 5
COHERENCE: Final = 1e-9
INHERITED: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
"""The environment variables that the process gets; secrets are not among them."""
UNNEEDED: Final[dict[str, Any]] = {"pandas": None, "pyarrow": None, "sklearn": None}
"""LightGBM imports these if they are installed, which would take most of the process's time; None hides them."""


def try_bundle(folder: Path, expected_sha256: str, signer: Signer, *, seconds: float = TRIAL_SECONDS) -> None:
    """Verify the bundle, then read it and check its forecasts in a separate process.

    Raises SecurityError if it is not signed by us, ServiceError if the process fails, crashes, hangs, exceeds its
    memory or forecasts too slowly.
    """
    read_verified(folder, expected_sha256, signer)
    command = [
        sys.executable,
        "-P",  # files of the folder where the command runs are no modules: one called signal.py would be imported
        "-m",
        __name__,
        str(folder),
        expected_sha256,
        str(math.ceil(seconds)),
    ]
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {"OMP_NUM_THREADS": "1"}
    try:
        trial = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"Bundle {expected_sha256[:12]} hung for {seconds:.0f} s when tried.") from error
    if trial.returncode:
        last = (trial.stderr.strip().splitlines() or ["no message"])[-1][:300]
        raise ServiceError(f"Bundle {expected_sha256[:12]} failed its trial (exit {trial.returncode}): {last}")


def check_forecasts(bundle: Bundle) -> None:
    """Raise ServiceError when a forecast is no coherent set of numbers, or takes too long."""
    rows = np.vstack((bundle.golden_rows, np.full(len(bundle.manifest.features), np.nan)))
    for forecast in bundle.forecaster.predict(rows):
        _must_be_coherent(bundle, forecast)
    took = min(_seconds_of_one_row(bundle) for _ in range(TIMED_CALLS))
    if took > SLOWEST_ROW:
        limit = f"{SLOWEST_ROW * 1e3:.0f} ms allowed"
        raise ServiceError(f"Bundle {bundle.sha256[:12]} takes {took * 1e3:.0f} ms for one game, {limit}.")


def _must_be_coherent(bundle: Bundle, forecast: Forecast) -> None:
    outcome = forecast.outcome
    chances = (outcome.home, outcome.draw, outcome.away)
    if not all(map(math.isfinite, (*chances, forecast.margin, forecast.total))):
        raise ServiceError(f"Bundle {bundle.sha256[:12]} gives a forecast that is not a number.")
    if not all(0 <= chance <= 1 for chance in chances) or abs(sum_in_order(chances) - 1) > COHERENCE:
        raise ServiceError(f"Bundle {bundle.sha256[:12]} gives probabilities that are not: {chances}.")


def _seconds_of_one_row(bundle: Bundle) -> float:
    began = time.perf_counter()
    bundle.forecaster.predict(bundle.golden_rows[:1])
    return time.perf_counter() - began


def _limit_this_process(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _folder, _expected, _seconds = sys.argv[1:]
    _limit_this_process(int(_seconds))
    sys.modules.update(UNNEEDED)
    try:
        check_forecasts(parse_bundle(_expected, read_undamaged(Path(_folder), _expected)))
    except DbsbmError as error:
        sys.exit(str(error))
