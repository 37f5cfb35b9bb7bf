"""A limit on the memory of child processes: a control group if possible.

Version 2's memory.max, else version 1's limit_in_bytes, else RLIMIT_DATA, the weaker proof: it refuses
memory to one process at a time, and never kills.

Source: kernel documentation, cgroup-v2 and cgroup-v1/memory.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOUNT: Final = Path("/sys/fs/cgroup")
_TRIES: Final = 50


@dataclass(frozen=True)
class Limit:
    """A limit that holds.

    Attributes:
        nbytes: How much memory there is.
        kind: What enforces it, in words.
        weaker: Whether it only refuses, where a kernel would kill.
        enter: Call it in a process to put the process and its children under the limit.
        killed: How many processes the kernel has killed for it so far.
    """

    nbytes: int
    kind: str
    weaker: bool
    enter: Callable[[], None]
    killed: Callable[[], int]


@contextmanager
def memory_limit(nbytes: int) -> Iterator[Limit]:
    """The best limit that is available here; its group is removed afterwards.

    Args:
        nbytes: How much memory to leave.
    """
    name = f"kdumpkey-{os.getpid()}-{time.monotonic_ns()}"
    for version, parent in _parents():
        folder = parent / name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if _arm(folder, version, nbytes):
                yield _group_limit(folder, version, nbytes)
                return
        finally:
            _remove(folder)

    def refuse() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (nbytes, nbytes))

    yield Limit(nbytes, "RLIMIT_DATA (weaker: it refuses, and never kills)", True, refuse, lambda: 0)


def _parents() -> Iterator[tuple[int, Path]]:
    """Where a group might be made: under the process's own, and for version 2 beside it."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    own = {}
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            own[2] = path
        elif "memory" in controllers.split(","):
            own[1] = path
    if 2 in own:
        group = _MOUNT / own[2].lstrip("/")
        if (_MOUNT / "cgroup.controllers").exists():
            yield 2, group
            if group != _MOUNT:
                yield 2, group.parent
    if 1 in own:
        yield 1, _MOUNT / "memory" / own[1].lstrip("/")


def _arm(folder: Path, version: int, nbytes: int) -> bool:
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    try:
        # Writing would make a missing file's error EACCES: the controller may not be passed on to this group.
        if not (folder / name).exists():
            return False
        _put(folder / name, nbytes)
        swap = "memory.swap.max" if version == 2 else "memory.memsw.limit_in_bytes"
        if (folder / swap).exists():
            _put(folder / swap, 0 if version == 2 else nbytes)
        # Whether a process may be put into it shows only by doing it, with a child that ends at once.
        child = os.fork()
        if child == 0:
            try:
                _put(folder / "cgroup.procs", os.getpid())
            except OSError:
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    except OSError:
        return False


def _group_limit(folder: Path, version: int, nbytes: int) -> Limit:
    counts = folder / ("memory.events" if version == 2 else "memory.oom_control")

    def enter() -> None:
        _put(folder / "cgroup.procs", os.getpid())

    def killed() -> int:
        try:
            fields = (line.split() for line in counts.read_text(encoding="ascii").splitlines())
            return sum(int(field[1]) for field in fields if field[0] == "oom_kill")
        except (OSError, ValueError, IndexError):
            return 0

    kind = "cgroup v2 memory.max" if version == 2 else "cgroup v1 memory.limit_in_bytes"
    return Limit(nbytes, kind, False, enter, killed)


def _put(path: Path, number: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write(str(number))


def _remove(folder: Path) -> None:
    """Remove a group; wait a little for what a script left running in it, and then leave it."""
    for _ in range(_TRIES):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.01)
