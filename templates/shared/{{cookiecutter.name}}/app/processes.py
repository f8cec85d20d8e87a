"""What spans the server's processes: the draining flag, SIGTERM, shared metrics, the cores."""

import atexit
import mmap
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from app.settings import settings

# One byte that forked workers share with their parent.
_draining = mmap.mmap(-1, 1)

# Memory, and writable even where the root filesystem is read-only. Not on macOS.
MEMORY_DIR = "/dev/shm" if Path("/dev/shm").is_dir() else None


def is_draining() -> bool:
    """Tell whether this server was asked to stop."""
    return _draining[0] == 1


def drain_on_sigterm(seconds: float) -> None:
    """Be not ready from the first SIGTERM on, and hand it to the server ``seconds`` later.

    Meanwhile every request is still answered, so load balancers have time to notice. A second
    SIGTERM stops at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a test client: it gets no signals
    stop = signal.getsignal(signal.SIGTERM)

    def drain(signum: int, frame: FrameType | None) -> None:
        if is_draining():
            if callable(stop):
                stop(signum, frame)
            return
        _draining[0] = 1
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, drain)


def cores() -> int:
    """Return how many cores one worker may use, of those that the container's quota grants."""
    granted = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:  # cgroup v2; a thread more than the quota has cores would only be throttled
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        granted = min(granted, int(quota) // int(period))
    except (OSError, ValueError):
        pass  # no limit ("max"), or none that can be read
    return max(1, granted // settings.workers)


def share_cores() -> None:
    """Tell BLAS and OpenMP, which would start a thread per core of the whole machine."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def share_metrics() -> None:
    """Give prometheus_client a folder that all workers write to. Call before importing it."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="metrics-", dir=MEMORY_DIR)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    atexit.register(_remove, folder, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked worker
        shutil.rmtree(folder, ignore_errors=True)
