"""How a process is tuned that does nothing but serve; called by its entry points, never by the app itself."""

import gc
import os
import sys
from typing import Final

from serving.runtime.heap import use_one_arena

SWITCH_SECONDS: Final = 0.0005
"""After which a thread gives the interpreter's lock to another one that waits. By default a background thread keeps it
for 5 ms, and every request waits as long."""

YOUNG_OBJECTS: Final = 20_000
"""Objects made before the collector looks at them; by default so few that entries waiting for a log are looked at."""


def tune_process() -> None:
    """Call once, before anything is opened.

    LightGBM's default threads spin beside a busy neighbour: the 99th percentile of one row is then 16 ms, not 0.2.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    use_one_arena()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
