"""Keeping freed memory, on Linux with glibc: the largest single cost of a forward pass on a CPU, and free to remove.

glibc gives blocks over 32 MB back to the kernel as soon as they are freed, so each batch faults its activations in anew: half
of a plain loop's time is spent in the kernel. With these settings the memory stays with the process (whose resident size then
stays near its peak). Set UNFREEZE_ALLOCATOR=off to leave glibc as it is. No-op on other systems.
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> bool:
    """Applies the settings to this process; call before the first large allocation. True where they were applied."""
    if sys.platform != "linux" or os.environ.get("UNFREEZE_ALLOCATOR") == "off":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 256 << 20}
    return all(mallopt(option, value) for option, value in settings.items())
