"""The process's heap: one for all threads, and memory given back (glibc; elsewhere nothing happens)."""

import ctypes
import gc
from typing import Final

M_ARENA_MAX: Final = -8


def use_one_arena() -> None:
    """Call before threads begin: by default each gets a heap of its own, though only one at a time runs Python."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)


def freeze() -> None:
    """Exclude what is in memory now from garbage collection, and give back what making it took.

    Full collections over what libraries leave on the heap take 80 ms each.
    """
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Return free memory to the machine, after a peak; takes a few milliseconds."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
