"""What to install when a command needs a library that this machine lacks."""

from typing import Final

OPENMP: Final = "libgomp.so.1"


def missing_library(error: ImportError | OSError) -> str | None:
    """What is missing and how to install it; None if the error has another cause."""
    if OPENMP in str(error):
        return f"LightGBM needs the system's {OPENMP}. Install it: `apt-get install libgomp1`."
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        return f"{package} is not installed. Install everything: `pip install 'dbsbm-predictions[all]'`."
    return None
