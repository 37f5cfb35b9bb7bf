"""What is mounted where: by the kernel's tables, or by fstab if there are none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs"})
# mount id, parent, major:minor, root, mount point, options, any optional fields, "-", type, source, options
_MOUNTINFO: Final = re.compile(r"\d+ \d+ (\d+:\d+) \S+ (\S+) \S+ (?:\S+ )*?- (\S+) (\S+)(?: .*)?")


@dataclass(frozen=True)
class Mount:
    """A mounted filesystem; `number` is its device's (``253:0``), or empty."""

    source: str
    point: str
    kind: str
    number: str = ""

    @property
    def remote(self) -> bool:
        """Whether another machine has the files."""
        return self.kind in _REMOTE


def mount_at(host: Host, path: str) -> Mount | None:
    """The filesystem that a path lies on; None: not known."""
    path = resolved(host, path)
    best: Mount | None = None
    for mount in _mounts(host):
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        # Of two at one place, the later covers the earlier.
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def mount_points(host: Host) -> tuple[str, ...]:
    """Where something is mounted."""
    return tuple(mount.point for mount in _mounts(host))


def resolved(host: Host, path: str) -> str:
    """A path without links, as far as it is there."""
    try:
        return "/" + str(host.path(path).relative_to(host.root)).removeprefix(".")
    except (OSError, ValueError):
        return path if path.startswith("/") else f"/{path}"


def _mounts(host: Host) -> list[Mount]:
    text = host.text("proc/self/mountinfo")
    if text is not None:
        rows = [_MOUNTINFO.fullmatch(line) for line in text.splitlines()]
        return [
            Mount(unescaped(row[4]), unescaped(row[2]), row[3], row[1]) for row in rows if row is not None
        ]
    for table in ("proc/mounts", "etc/fstab"):
        text = host.text(table)
        if text is not None:
            fields = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
            return [
                Mount(unescaped(row[0]), unescaped(row[1]), row[2])
                for row in fields
                if len(row) > 2 and row[1].startswith("/")
            ]
    return []


def unescaped(word: str) -> str:
    """A word of a table without the octal escapes of blanks and backslashes."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda found: chr(int(found[1], 8)), word)
