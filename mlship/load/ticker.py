"""A clock that wakes up on time: an event loop's own timers are up to a millisecond late."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable


class _Spec(ctypes.Structure):
    """``struct itimerspec``: the interval, which is none here, and the time."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "s", "ns")]


class Ticker:
    """Calls a function at a time of the monotonic clock.

    On Linux the kernel's timer does it, to about 0.1 ms; elsewhere the event loop.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._timer = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None)
            flags = os.O_NONBLOCK | os.O_CLOEXEC
            self._timer = self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self._timer >= 0:
            self._loop.add_reader(self._timer, self._ring)

    def at(self, when: float) -> None:
        """Call at ``when``, or at once if it is over; replaces the time set before."""
        if self._timer < 0:
            self._handle = self._loop.call_at(when, self._call)
            return
        spec = _Spec(0, 0, int(when), int(when % 1 * 1e9))
        self._libc.timerfd_settime(self._timer, 1, ctypes.byref(spec), None)  # 1: not from now

    def close(self) -> None:
        """Call no more."""
        if self._handle:
            self._handle.cancel()
        if self._timer >= 0:
            self._loop.remove_reader(self._timer)
            os.close(self._timer)
            self._timer = -1

    def _ring(self) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return  # set anew meanwhile
        self._call()
