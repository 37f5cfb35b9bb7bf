"""Loop devices: a mapping needs a block device, and an image file becomes one through these.

Source: the kernel's include/uapi/linux/loop.h for the calls and the layout of `struct loop_config`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kdumpkey.errors import DeviceError

_CONTROL: Final = "/dev/loop-control"
_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_READ_ONLY, _AUTOCLEAR = 1, 4
_CONFIG: Final = struct.Struct("=II5Q4I64s64s32s2Q8Q")  # 304 bytes
_LONGEST_NAME: Final = 63
_TRIES: Final = 16  # others look for a free one at the same time


@contextmanager
def attached(file: int, name: str, *, readonly: bool) -> Iterator[Path]:
    """Make an open file a block device, for as long as this or any later user has it open.

    Args:
        file: Its descriptor.
        name: Its path, for those who list loop devices.
        readonly: Take no writes.

    Raises:
        DeviceError: The kernel has no loop devices, or this user may not use them.
    """
    flags = _AUTOCLEAR | (_READ_ONLY if readonly else 0)
    shown = os.fsencode(name)[:_LONGEST_NAME]
    config = _CONFIG.pack(file, 0, *(0,) * 5, 0, 0, 0, flags, shown, b"", b"", *(0,) * 10)
    try:
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
        try:
            path, loop = _configured(control, config, readonly=readonly)
        finally:
            os.close(control)
    except OSError as error:
        raise DeviceError(
            f"Cannot use {name} as a loop device, which a mapping needs: {error.strerror}."
        ) from error
    try:
        yield path
    finally:
        os.close(loop)  # the kernel detaches it when its last user closes it


def _configured(control: int, config: bytes, *, readonly: bool) -> tuple[Path, int]:
    for left in reversed(range(_TRIES)):
        path = Path(f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}")
        loop = os.open(path, (os.O_RDONLY if readonly else os.O_RDWR) | os.O_CLOEXEC)
        try:
            fcntl.ioctl(loop, _CONFIGURE, config)
        except OSError as error:
            os.close(loop)
            if error.errno != errno.EBUSY or not left:
                raise
        else:
            return path, loop
    raise AssertionError
