"""Who has the flock of a file, and who waits for it (proc(5), locks)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tools import HANGS_AFTER_S


def wait_for_a_waiter(path: Path) -> None:
    """Return once somebody waits for the flock of a file."""
    number = f":{path.stat().st_ino} "
    end = time.monotonic() + HANGS_AFTER_S
    while not any("->" in line and number in line for line in _locks()):
        assert time.monotonic() < end, "nobody waits for the lock"
        os.sched_yield()


def holds(pid: int, path: Path) -> bool:
    """Whether a process has the flock of a file."""
    try:
        number = f":{path.stat().st_ino} "
    except FileNotFoundError:
        return False
    return any("->" not in line and f" {pid} " in line and number in line for line in _locks())


def _locks() -> list[str]:
    return Path("/proc/locks").read_text().splitlines()
