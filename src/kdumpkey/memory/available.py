"""How much memory is available to this process, by the machine's, its control groups' and its own limits.

Argon2 takes its memory at once and uses all of it. If that does not fit, the kernel kills a process, perhaps
another one: so the sum is compared with every limit before the first page is touched.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey import cgroup
from kdumpkey.errors import ResourceError

MACHINE: Final = "memory and swap"
_KIB: Final = 1024
_NO_V1_LIMIT: Final = 1 << 60  # version 1 writes "no limit" as the largest number of whole pages
_RECLAIMABLE_V2: Final = ("inactive_file", "active_file", "slab_reclaimable")
_RECLAIMABLE_V1: Final = ("total_inactive_file", "total_active_file")

GetRlimit = Callable[[int], tuple[int, int]]


@dataclass(frozen=True, order=True)
class Availability:
    """How many KiB are available, and the limit that says so: `MACHINE`, ``RLIMIT_AS``, ``cgroup /a/b`` …"""

    kib: int
    limit: str


def available(
    root: Path = Path("/"), getrlimit: GetRlimit = resource.getrlimit, *, swap: bool = True
) -> Availability:
    """The smallest of all limits' headrooms.

    Counted are MemAvailable and SwapFree (proc(5)), the memory control groups of both versions from the
    process's own up to the root (kernel documentation, cgroup-v1/memory and cgroup-v2), RLIMIT_AS and
    RLIMIT_DATA (getrlimit(2)). What cannot be read does not limit. Page cache counts as available, in a
    control group as in the machine.

    Args:
        root: Where ``proc`` and the mount points are.
        getrlimit: Soft and hard limit by number.
        swap: Whether swap counts; what is to be locked in memory finds no room there.
    """
    meminfo = _table(root / "proc/meminfo")
    swap_kib = meminfo.get("SwapFree", 0) if swap else 0
    found = []
    if "MemAvailable" in meminfo:
        found.append(Availability(meminfo["MemAvailable"] + swap_kib, MACHINE))
    for name, headroom in _cgroup_headrooms(root, swap_kib * _KIB):
        found.append(Availability(max(headroom, 0) // _KIB, f"cgroup {name}"))
    status = _table(root / "proc/self/status")
    for name, number, used in (
        ("RLIMIT_AS", resource.RLIMIT_AS, "VmSize"),
        ("RLIMIT_DATA", resource.RLIMIT_DATA, "VmData"),
    ):
        soft = getrlimit(number)[0]
        if soft != resource.RLIM_INFINITY:
            found.append(Availability(max(soft // _KIB - status.get(used, 0), 0), name))
    return min(found, default=Availability(sys.maxsize // _KIB, "no limit that can be read"))


def check_fits(needed_kib: int, what: str, purpose: str, have: Availability | None = None) -> None:
    """Refuse what cannot fit into the memory available.

    Args:
        needed_kib: What will be used.
        what: What needs it: ``keyslot 0``.
        purpose: For what: ``argon2id``.
        have: What is available; measured if not given.

    Raises:
        ResourceError: It does not fit; the message has both figures, and any limit but the machine's.
    """
    have = available() if have is None else have
    if needed_kib > have.kib:
        limit = "" if have.limit == MACHINE else f" ({have.limit})"
        raise ResourceError(
            f"{what} needs {needed_kib} KiB for {purpose}, {have.kib // _KIB} MiB are available here{limit}"
        )


def can_be_locked(needed_kib: int) -> bool:
    """Whether that much memory, and an eighth more, fits without swap.

    The kernel kills a process whose locked memory does not fit, instead of swapping it out.
    """
    return needed_kib + needed_kib // 8 <= available(swap=False).kib


def _read(path: Path) -> str:
    """A file's text; empty if it cannot be read."""
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _table(path: Path) -> dict[str, int]:
    """The lines ``name: number unit`` or ``name number`` of a file."""
    fields = (line.replace(":", " ").split() for line in _read(path).splitlines())
    return {field[0]: int(field[1]) for field in fields if len(field) > 1 and field[1].isdecimal()}


def _number(path: Path) -> int | None:
    """The number a file has; None for ``max``, or if it cannot be read."""
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _cgroup_headrooms(root: Path, swap: int) -> Iterator[tuple[str, int]]:
    """Name and headroom in bytes of every limited memory control group around the process, its own first."""
    for version, name, folder in cgroup.folders("memory", root):
        headroom = _headroom_v2(folder, swap) if version == 2 else _headroom_v1(folder, swap)
        if headroom is not None:
            yield name, headroom


def _headroom_v2(folder: Path, swap: int) -> int | None:
    limit = _number(folder / "memory.max")
    used = _number(folder / "memory.current")
    if limit is None or used is None:
        return None
    swap_limit, swap_used = _number(folder / "memory.swap.max"), _number(folder / "memory.swap.current")
    if swap_limit is not None:
        swap = min(swap, max(swap_limit - (swap_used or 0), 0))
    return limit - max(used - _reclaimable(folder, _RECLAIMABLE_V2), 0) + swap


def _headroom_v1(folder: Path, swap: int) -> int | None:
    page_cache = _reclaimable(folder, _RECLAIMABLE_V1)
    headrooms = []
    for name, beyond in (("memory", swap), ("memory.memsw", 0)):  # memsw limits memory and swap together
        limit = _number(folder / f"{name}.limit_in_bytes")
        used = _number(folder / f"{name}.usage_in_bytes")
        if limit is not None and used is not None and limit < _NO_V1_LIMIT:
            headrooms.append(limit - max(used - page_cache, 0) + beyond)
    return min(headrooms, default=None)


def _reclaimable(folder: Path, fields: tuple[str, ...]) -> int:
    """Bytes that the kernel gives up under pressure: a group that has read a large file is not full."""
    stat = _table(folder / "memory.stat")
    return sum(stat.get(field, 0) for field in fields)
