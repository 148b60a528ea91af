"""The process's memory: one heap for all threads, and what starting took given back (glibc; elsewhere nothing)."""

import ctypes
import gc
from typing import Final

M_ARENA_MAX: Final = -8


def share_one_heap() -> None:
    """Before threads begin: by default each gets a heap of its own, though only one at a time runs Python."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)


def settle() -> None:
    """What is here now stays: full collections over what libraries leave on the heap cost 80 ms each.
    And what was needed to make it goes back to the machine.
    """
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """What is not needed any more, after a peak, goes back to the machine; takes a few milliseconds."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
