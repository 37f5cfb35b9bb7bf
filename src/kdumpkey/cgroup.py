"""The control groups around this process, of both versions (kernel documentation, cgroup-v1, cgroup-v2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def folders(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, str, Path]]:
    """Version, name and folder of every control group around the process, for each hierarchy its own first.

    Args:
        controller: ``memory`` or ``cpu``: the hierarchy of version 1. Version 2 has one for all.
        root: Where ``proc`` and the mount points are.
    """
    mounts = list(_mounts(controller, root))
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            version = 2
        elif controller in controllers.split(","):
            version = 1
        else:
            continue
        for mounted_version, mounted_root, point in mounts:
            if mounted_version == version:
                for name, folder in _ancestors(path, mounted_root, root / point.lstrip("/")):
                    yield version, name, folder


def _read(path: Path) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _mounts(controller: str, root: Path) -> Iterator[tuple[int, str, str]]:
    """Version, root within the hierarchy, and mount point of each mount of a controller (proc(5))."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if not separator or len(before) < 5 or len(after) < 3:
            continue
        if after[0] == "cgroup2" or (after[0] == "cgroup" and controller in after[2].split(",")):
            yield 2 if after[0] == "cgroup2" else 1, before[3], before[4].replace("\\040", " ")


def _ancestors(path: str, mounted_root: str, point: Path) -> Iterator[tuple[str, Path]]:
    """The group at `path` and those above it, as far as the mount shows them.

    In a container without a namespace of its own, the mount shows the hierarchy from `mounted_root` on only,
    and `path` starts with that.
    """
    group = PurePosixPath(path)
    inside = group.relative_to(mounted_root) if group.is_relative_to(mounted_root) else PurePosixPath(".")
    if ".." in inside.parts:  # outside of the namespace: only the mount's own group can be seen
        inside = PurePosixPath(".")
    while True:
        yield f"/{inside}" if inside.parts else "/", point / inside
        if not inside.parts:
            return
        inside = inside.parent
