"""How many processors this process may use: its affinity mask and the quotas of its control groups."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from kdumpkey import cgroup


def available(root: Path = Path("/"), affinity: Callable[[int], set[int]] = os.sched_getaffinity) -> int:
    """How many threads can run at once, at least 1.

    A control group's quota of processor time is rounded up: half a processor more is worth a thread more.

    Args:
        root: Where ``proc`` and the mount points are.
        affinity: The processors that a process may run on, by its number; 0: this one.
    """
    return max(1, min([len(affinity(0)), *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    for version, _, folder in cgroup.folders("cpu", root):
        if version == 2:
            fields = _read(folder / "cpu.max").split()
        else:
            fields = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if len(fields) == 2 and all(field.isdecimal() for field in fields) and int(fields[1]):
            yield -(-int(fields[0]) // int(fields[1]))  # "max", and -1 of version 1, are no limits


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
