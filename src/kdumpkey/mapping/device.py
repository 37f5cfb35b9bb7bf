"""Block devices by number, and what sysfs says of them."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError

_SYSFS: Final = Path("/sys/dev/block")
# _IO(0x12, 94), linux/fs.h; POWER has a bit for neither direction.
_BLKROGET: Final = 0x2000125E if os.uname().machine.startswith("ppc") else 0x125E
_MAPPED: Final = "/dev/mapper"


def device_number(fd: int) -> str:
    """The number of an open block device, as a device-mapper table names it.

    Raises:
        DeviceError: It is not a block device.
    """
    found = os.fstat(fd)
    if not stat.S_ISBLK(found.st_mode):
        raise DeviceError("A mapping needs a block device.")
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


def is_readonly(fd: int) -> bool:
    """Whether a block device is read-only, so that a mapping of it must be read-only too."""
    return bool(struct.unpack("i", fcntl.ioctl(fd, _BLKROGET, bytes(4)))[0])


def device_path(number: str, sysfs: Path = _SYSFS) -> str:
    """The path of a device: /dev/mapper's for a mapping; the number itself if sysfs does not tell.

    Args:
        number: ``major:minor``.
        sysfs: Where the kernel lists devices by number.
    """
    if (name := mapping_name(number, sysfs)) is not None:
        return f"{_MAPPED}/{name}"
    for line in _lines(sysfs / number / "uevent"):
        if line.startswith("DEVNAME="):
            return f"/dev/{line.removeprefix('DEVNAME=')}"
    return number


def mapping_name(number: str, sysfs: Path = _SYSFS) -> str | None:
    """The name of the mapping that a device is, or None."""
    return next(iter(_lines(sysfs / number / "dm/name")), None)


def backing_file(number: str, sysfs: Path = _SYSFS) -> str | None:
    """The file behind a loop device, or None."""
    return next(iter(_lines(sysfs / number / "loop/backing_file")), None)


def name_of(word: str) -> str:
    """The mapping that a word means: a name, a path in /dev/mapper, or that of its device node."""
    if "/" not in word:
        return word
    if word.startswith(f"{_MAPPED}/"):
        return word.removeprefix(f"{_MAPPED}/")
    try:
        found = os.stat(word)
    except (OSError, ValueError):
        return word
    number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    return (mapping_name(number) if stat.S_ISBLK(found.st_mode) else None) or word


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError):
        return []
