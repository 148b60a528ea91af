"""The lean serving environment: built from requirements/serving.txt, one answer by a model with trees, its memory."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.serving.conftest import filled_world
from tests.serving.models import EPL, deploy

HERE = Path(__file__).parents[3]
FOLDER = HERE / ".cache" / "serving"
UV = HERE / ".tools" / "bin" / "uv"
GAME = "/v1/predictions/soccer/EPL/EPL-101"
MOST_MEGABYTES = 150


def installed() -> Path:
    """Return the interpreter of an environment with the requirements of serving alone."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, FOLDER], check=True)
    requirements = HERE / "requirements" / "serving.txt"
    subprocess.run(
        [UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", requirements], check=True, cwd=HERE
    )
    return python


def run() -> None:
    """Print memory, time and imports of one response."""
    python = installed()
    with tempfile.TemporaryDirectory() as folder, filled_world(Path(folder)) as world:
        deploy(world.engine, world.store, EPL, "prices", with_trees=True)
        address = world.engine.url.render_as_string(hide_password=False)
        command = [python, "-m", "tests.serving.lean", address, world.store, GAME]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=HERE)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    report = json.loads(done.stdout.splitlines()[-1])
    verdict = "within" if report["resident_mb"] <= MOST_MEGABYTES and not report["heavy"] else "BEYOND"
    print(
        f"lean install: status {report['status']}, heavy imports {report['heavy'] or 'none'}, "
        f"{report['resident_mb']} MB resident ({verdict} {MOST_MEGABYTES} MB), {report['seconds']} s to the answer"
    )


if __name__ == "__main__":
    run()
