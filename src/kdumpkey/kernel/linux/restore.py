"""Have Linux's kdump kernel put the keys back; apart from the rest, because every import takes time there."""

from __future__ import annotations

import errno
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from kdumpkey.errors import kernel_error
from kdumpkey.host.configfs import DIRECTORY
from kdumpkey.kernel.linux.files import doing, write_once


def absent() -> str:
    """What to tell people of a kernel that has no interface."""
    return f"there is no /{DIRECTORY}: this kernel hands no keys over, or configfs is not mounted"


def can_restore(root: Path = Path("/")) -> bool:
    """Whether this is a kdump kernel with the interface."""
    return (root / DIRECTORY / "restore").exists()


def restore_keys(root: str | PathLike[str] = "/", write: Callable[[Path, str], None] = write_once) -> None:
    """Have the kernel put the keys into root's user keyring; Linux does not tell what came back.

    Args:
        root: Where the kernel's files are.
        write: Writes a value into one of them.

    Raises:
        KernelError: ENOENT: there is no interface; EPERM: this is not the kdump kernel; or the kernel's own.
    """
    root = Path(root)
    folder = root / DIRECTORY
    path = folder / "restore"
    if not can_restore(root):
        if not folder.is_dir():
            raise kernel_error(errno.ENOENT, absent())
        if not (root / "proc/vmcore").exists():
            raise kernel_error(errno.EPERM, "this is not the kdump kernel")
    doing(lambda: write(path, "1"), f"{path} does not take '1'")
