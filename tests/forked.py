"""Modules run as programs in processes forked from one that has the heavy libraries imported already.

Such a process has its own arguments, environment, folder, output and exit code, and may kill itself, as one that
``python -m`` starts; it only saves the seconds of processor time that the imports take. Prefect is not imported
beforehand: it reads its settings when it is imported. Tests of what an import itself costs or does start Python.
"""

import atexit
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PRELOADED: Final = "tests.preloaded"
FORKS: Final = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([PRELOADED])


@dataclass(frozen=True)
class Ended:
    """How a process ended; a negative return code is the signal that killed it."""

    returncode: int
    stdout: str
    stderr: str


def run_module(
    module: str,
    *arguments: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 240,
) -> Ended:
    """Run the module as ``python -m`` does and wait until it has ended. Raises TimeoutError after so many seconds."""
    sys.audit("tests.forked", module, *arguments)
    with tempfile.TemporaryDirectory() as place:
        outputs = Path(place, "stdout"), Path(place, "stderr")
        given = (module, arguments, folder or Path.cwd(), dict(os.environ if environment is None else environment))
        process = FORKS.Process(target=_become, args=(*given, outputs))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            msg = f"{module} {' '.join(arguments)} did not end within {timeout:.0f} s"
            raise TimeoutError(msg)
        stdout, stderr = (output.read_text(encoding="utf-8") for output in outputs)
        return Ended(process.exitcode, stdout, stderr)


def _become(
    module: str, arguments: tuple[str, ...], folder: Path, environment: dict[str, str], outputs: tuple[Path, Path]
) -> None:
    assert PRELOADED in sys.modules, "the process that forks could not import the heavy libraries"
    for number, output in enumerate(outputs, start=1):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
