"""Having Linux's kdump kernel put the keys back: on its own, for at a crash every import is time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kdumpkey.kernel.linux.files import doing, write_once

DIRECTORY: Final = "sys/kernel/config/crash_dm_crypt_keys"


def can_restore(root: Path = Path("/")) -> bool:
    """Whether this is a kdump kernel with the interface."""
    return (root / DIRECTORY / "restore").exists()


def restore_keys(root: Path = Path("/")) -> None:
    """Have the kernel put the keys into root's user keyring; Linux says nothing of what came back.

    Raises:
        KernelError: The kernel's errno.
    """
    path = root / DIRECTORY / "restore"
    doing(lambda: write_once(path, "1"), f"{path} does not take '1'")
