"""Memory on a CPU that is given back to the operating system only when the process ends."""

from __future__ import annotations

import ctypes
import sys

#: Numbers of parameters in glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for what is asked for next; return whether it does.

    By default it gives large pieces back at once, and gets them anew from the operating system, which fills each page
    with zeros first. On a Xeon that was a tenth of a step of slowfast-small, three tenths of one of slowfast-r50, and
    half the time in which a batch is made ready for it. The process keeps the most that it ever held, as torch does on
    a GPU, and in pieces that do not always fit: a quarter to a third more for slowfast-r50, no more for the small
    models. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _MOST))
