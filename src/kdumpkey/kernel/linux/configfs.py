"""Mounts configfs, without which a kernel that hands keys over shows no interface.

Source: mount(2); the kernel's documentation, filesystems/configfs.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from kdumpkey.errors import kernel_error
from kdumpkey.host.configfs import MOUNT_POINT, is_mounted
from kdumpkey.kernel.linux.files import text_of

_NOSUID, _NODEV, _NOEXEC = 2, 4, 8


def mount_configfs(root: Path = Path("/")) -> None:
    """Mount configfs where it belongs, unless it is mounted already.

    Raises:
        KernelError: EPERM: not for this user; ENOENT, ENODEV: no configfs, or its module is not loaded.
    """
    if is_mounted(text_of(root / "proc/mounts") or ""):
        return
    path = root / MOUNT_POINT
    if not path.is_dir():
        raise kernel_error(
            errno.ENOENT, f"there is no /{MOUNT_POINT}: modprobe configfs, if this kernel has it as a module"
        )
    libc = ctypes.CDLL(None, use_errno=True)
    flags = ctypes.c_ulong(_NOSUID | _NODEV | _NOEXEC)
    if libc.mount(b"configfs", os.fsencode(path), b"configfs", flags, None) != 0:
        number = ctypes.get_errno()
        if number != errno.EBUSY:
            raise kernel_error(number, f"configfs cannot be mounted on /{MOUNT_POINT}: {os.strerror(number)}")
