"""Read-only files that bind root as well: the kernel lets root past them by a capability, which a thread can lay down.

https://man7.org/linux/man-pages/man7/capabilities.7.html
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """A context in which this thread, and those that it starts, may write only what a file's mode lets it write."""
    header, sets = _Header(VERSION_3, 0), (_Sets * 2)()
    libc = ctypes.CDLL(None, use_errno=True)
    _require_success(libc.capget(ctypes.byref(header), sets))
    before = sets[0].effective
    sets[0].effective = before & ~(1 << CAP_DAC_OVERRIDE)
    _require_success(libc.capset(ctypes.byref(header), sets))
    try:
        yield
    finally:
        sets[0].effective = before
        _require_success(libc.capset(ctypes.byref(header), sets))


def _require_success(answer: int) -> None:
    if answer != 0:
        raise OSError(ctypes.get_errno(), "the capabilities of this thread could not be changed")
