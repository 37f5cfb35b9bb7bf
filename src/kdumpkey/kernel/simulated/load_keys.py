"""The keyrings that a load of a simulated machine's kernel takes its keys from."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import KeyringError
from kdumpkey.keyring.service import SpecialKeyring
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.kernel.simulated.keyring import SimulatedKeyrings
    from kdumpkey.kernel.simulated.keys import Process

_LOGON: Final = "logon"


@dataclass(frozen=True)
class SimulatedKeys:
    """A simulated process's keyrings; see `Keys`.

    Attributes:
        keyrings: All keys of the kernel.
        process: Who calls.
        folder: The machine's directory, in a file of which the keys lie.
        throwaway: Whether its keys protect nothing, so that nobody needs a warning.
    """

    keyrings: SimulatedKeyrings
    process: Process
    folder: Path
    throwaway: bool

    @property
    def usual_timeout_s(self) -> int:
        """Never; see `Keys`."""
        return 0

    def put(self, description: str, key: Buffer, timeout_s: int = 0) -> tuple[str, ...]:
        """Put a logon key into @u; see `Keys`."""
        return self.add(_LOGON, description, key, SpecialKeyring.USER, timeout_s)

    def add(
        self, key_type: str, description: str, key: Buffer, keyring: int, timeout_s: int = 0
    ) -> tuple[str, ...]:
        """Put a key of any type into a keyring.

        Args:
            key_type: ``logon`` or ``user``.
            description: The key's name.
            key: The volume key.
            keyring: Its serial number, or a special keyring.
            timeout_s: When it expires; 0: never.

        Returns:
            Warnings: where the key lies now.

        Raises:
            KeyringError: The keyring refuses it.
        """
        serial = self.keyrings.add(self.process, key_type, description, key, keyring)
        if timeout_s:
            self.keyrings.set_timeout(self.process, serial, timeout_s)
        return () if self.throwaway else (_warning(self.folder),)

    def errno_of(self, description: str) -> int:
        """See `Keys`."""
        try:
            self._serial(_LOGON, description)
        except KeyringError as error:
            return error.errno or errno.ENOKEY
        return 0

    def stays(self, description: str) -> bool:
        """See `Keys`."""
        if self.errno_of(description):
            return False
        return self.keyrings.keys[self._serial(_LOGON, description)].expires_at is None

    def expire(self, description: str, timeout_s: int) -> None:
        """See `Keys`."""
        self.keyrings.set_timeout(self.process, self._serial(_LOGON, description), timeout_s)

    def drop(self, description: str) -> None:
        """See `Keys`."""
        try:
            self.keyrings.unlink(self.process, self._serial(_LOGON, description), SpecialKeyring.USER)
        except KeyringError:  # it is gone, or in another keyring
            return

    def read(self, key_type: str, description: str) -> SecretBuffer | None:
        """A key as dm-crypt gets it in the kernel: a logon key too; see `Keys`."""
        try:
            return SecretBuffer.copy_of(self.keyrings.payload(self._serial(key_type, description)))
        except KeyringError:
            return None

    def _serial(self, key_type: str, description: str) -> int:
        return self.keyrings.request(self.process, key_type, description)


def _warning(folder: Path) -> str:
    """What to say when a volume key that protects something is put into a simulator."""
    where = (
        "on tmpfs" if in_memory(folder) else "on a DISK, not a tmpfs: there it cannot be wiped for certain"
    )
    return (
        f"this volume key now lies in a file under {folder}, {where}. A simulator is no security boundary: "
        "kdump destroy wipes it."
    )


def in_memory(path: Path) -> bool:
    """Whether a directory lies in a tmpfs, so that its files reach a disk only by swapping."""
    try:
        device = path.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = (line.partition(" - ") for line in mounts.splitlines())
    return any(
        left.split()[2] == number and right.split()[0] in ("tmpfs", "ramfs") for left, _, right in lines
    )
