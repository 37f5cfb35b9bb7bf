"""Which bytes of which file or disk an open device stands for, however it was named.

Two names may lead to one file: a hard link, a symbolic link, another mount, a loop device over it. What was
opened says which file it is; a name does not.

Source: the kernel's include/uapi/linux/loop.h for the call and the layout of `struct loop_info64`; sysfs(5).
"""

import fcntl
import os
import stat
import struct
from typing import Final, NamedTuple

Folder = str | os.PathLike[str]

_SYSFS: Final = "/sys/dev/block"
_LOOP_MAJOR: Final = 7
_GET_STATUS: Final = 0x4C05
_STATUS: Final = struct.Struct(
    "=4Q216x"
)  # of 232 bytes: the file's device, inode and rdevice, and the offset
_LARGEST: Final = 1 << 63
_SECTOR: Final = 512  # sysfs counts in these even if the disk's own sectors are larger


class Backing(NamedTuple):
    """A regular file by its filesystem and inode, or a disk by its number (`inode` is None)."""

    device: int
    inode: int | None = None


class Extent(NamedTuple):
    """Where an open device's first byte is: `offset_bytes` into its backing."""

    backing: Backing
    offset_bytes: int = 0


def extent_of(fd: int, sysfs: Folder = _SYSFS) -> Extent:
    """Say what an open regular file or block device stands for.

    Args:
        fd: Its descriptor.
        sysfs: Where the kernel lists block devices by number.
    """
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return Extent(Backing(status.st_dev, status.st_ino))
    disk, start = _disk_of(status.st_rdev, sysfs)
    behind = _behind_loop(fd, sysfs) if os.major(disk) == _LOOP_MAJOR else None
    if behind is None:
        return Extent(Backing(disk), start)
    return Extent(behind.backing, behind.offset_bytes + start)


def overlap(one: Extent, one_bytes: range, other: Extent, other_bytes: range) -> bool:
    """Say whether a run of bytes of one open device and a run of another have a byte in common."""
    if one.backing != other.backing:
        return False
    start = max(one.offset_bytes + one_bytes.start, other.offset_bytes + other_bytes.start)
    stop = min(one.offset_bytes + one_bytes.stop, other.offset_bytes + other_bytes.stop)
    return start < stop


def share_bytes(one: int, other: int, sysfs: Folder = _SYSFS) -> bool:
    """Say whether to write one open file or device may change what another holds.

    It does where both have bytes of one file or disk; or where one is a device that the kernel puts together
    of others (a mapping, a RAID), and the other is among these.

    Args:
        one: A descriptor of a regular file or block device; of a file, O_PATH is enough.
        other: Another.
        sysfs: Where the kernel lists block devices by number.
    """
    mine, theirs = _runs_of(one, sysfs), _runs_of(other, sysfs)
    return _meet(mine, theirs + _parts_of(other, sysfs)) or _meet(_parts_of(one, sysfs), theirs)


def _meet(some: list[tuple[Extent, int]], others: list[tuple[Extent, int]]) -> bool:
    return any(
        overlap(one, range(size), other, range(other_size))
        for one, size in some
        for other, other_size in others
    )


def _runs_of(fd: int, sysfs: Folder) -> list[tuple[Extent, int]]:
    """Where an open file or device is, and its size in bytes; of a loop device, also as the disk it is."""
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return [(extent_of(fd, sysfs), max(status.st_size, 1))]  # an empty file is still itself
    if not stat.S_ISBLK(status.st_mode):
        return []
    size = _size_of(_folder_of(status.st_rdev, sysfs))
    disk, start = _disk_of(status.st_rdev, sysfs)
    return [(each, size) for each in {extent_of(fd, sysfs), Extent(Backing(disk), start)}]


def _folder_of(number: int, sysfs: Folder) -> str:
    return os.path.join(sysfs, f"{os.major(number)}:{os.minor(number)}")


def _text(*path: str) -> str:
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()


def _number(*path: str) -> int:
    """The device number that a file of sysfs holds."""
    major, _, minor = _text(*path).partition(":")
    return os.makedev(int(major), int(minor))


def _size_of(folder: str) -> int:
    """The size in bytes of a block device by its folder in sysfs; without one, as large as can be."""
    try:
        return int(_text(folder, "size")) * _SECTOR
    except (OSError, ValueError):
        return _LARGEST


def _parts_of(fd: int, sysfs: Folder) -> list[tuple[Extent, int]]:
    """The devices that a block device is put together of, and what these are, down to disks."""
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return []
    found: dict[int, tuple[Extent, int]] = {}
    left = [status.st_rdev]
    while left:
        for folder in _slaves(_folder_of(left.pop(), sysfs)):
            try:
                part = _number(folder, "dev")
            except (OSError, ValueError):
                continue
            if part not in found:
                disk, start = _disk_of(part, sysfs)
                found[part] = (Extent(Backing(disk), start), _size_of(folder))
                left.append(part)
    return list(found.values())


def _slaves(folder: str) -> list[str]:
    slaves = os.path.join(folder, "slaves")
    try:
        return [os.path.join(slaves, name) for name in sorted(os.listdir(slaves))]
    except OSError:
        return []


def _behind_loop(fd: int, sysfs: Folder) -> Extent | None:
    """The file or disk that a loop device, or a partition of one, is over; None: it is over nothing."""
    try:
        device, inode, rdevice, offset = _STATUS.unpack(fcntl.ioctl(fd, _GET_STATUS, bytes(_STATUS.size)))
    except OSError:
        return None
    if rdevice in (0, device):  # a regular file's; kernels differ in which of the two they give
        return Extent(Backing(device, inode), offset)
    disk, start = _disk_of(rdevice, sysfs)
    return Extent(Backing(disk), start + offset)


def _disk_of(number: int, sysfs: Folder) -> tuple[int, int]:
    """The disk that a block device is or is a partition of, and the byte at which it begins there."""
    folder = _folder_of(number, sysfs)
    try:
        if os.path.exists(os.path.join(folder, "partition")):
            return _number(folder, "..", "dev"), int(_text(folder, "start")) * _SECTOR
    except (OSError, ValueError):
        pass
    return number, 0
