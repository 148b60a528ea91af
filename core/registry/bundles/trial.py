"""The throw-away process in which a new bundle is read for the first time: it may die, hang or swell without harm.

``try_bundle`` verifies and starts it; the process is ``python -m core.registry.bundles.trial FOLDER SHA256
SECONDS``. It is given no key and none of our settings: the SHA-256 of a manifest whose signature was checked says as
much.
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

from core.errors import DbsbmError, ServiceError
from core.registry.bundles.contents import Bundle, parsed
from core.registry.bundles.files import undamaged, verified
from core.registry.forecaster import Forecast
from core.signing import Signer

TRIAL_SECONDS: Final = 60.0
TRIAL_BYTES: Final = 4 * 2**30
"""Address space of the process; a sound bundle needs a quarter of it."""
SLOWEST_ROW: Final = 0.050
"""A forecast of one game may take this long [seconds]."""
TIMED_CALLS: Final = 5
COHERENCE: Final = 1e-9
INHERITED: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
"""All that the process sees of the environment; secrets are not among them."""
UNNEEDED: Final[dict[str, Any]] = {"pandas": None, "pyarrow": None, "sklearn": None}
"""LightGBM imports these where they are installed, which would take most of the process's time; None hides them."""


def try_bundle(folder: Path, expected_sha256: str, signer: Signer, *, seconds: float = TRIAL_SECONDS) -> None:
    """Verify the bundle, then read and question it in a throw-away process.

    Raises SecurityError if it is not ours, ServiceError if it fails, dies, hangs, swells or is too slow.
    """
    verified(folder, expected_sha256, signer)
    command = [
        sys.executable,
        "-m",
        "core.registry.bundles.trial",
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


def question(bundle: Bundle) -> None:
    """Raises ServiceError when a forecast is no coherent set of numbers, or takes too long."""
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
        raise ServiceError(f"Bundle {bundle.sha256[:12]} answers with something that is no number.")
    if not all(0 <= chance <= 1 for chance in chances) or abs(sum(chances) - 1) > COHERENCE:
        raise ServiceError(f"Bundle {bundle.sha256[:12]} answers with chances that are none: {chances}.")


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
        question(parsed(_expected, undamaged(Path(_folder), _expected)))
    except DbsbmError as error:
        sys.exit(str(error))
