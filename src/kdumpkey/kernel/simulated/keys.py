"""Keys of a simulated kernel, the processes that look for them, and who may do what with which.

Source: keyrings(7), keyctl_setperm(3), and kernel documentation security/keys/core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from kdumpkey.keyring.service import Permission
from kdumpkey.secret import SecretBuffer

POSSESSOR, USER, OTHER = 24, 16, 0  # the shift of each class's byte in a key's permissions
ALL: Final = 0x3F
USER_RING: Final = (ALL & ~Permission.SETATTR) << POSSESSOR | ALL << USER
SESSION_RING: Final = ALL << POSSESSOR | (Permission.VIEW | Permission.READ) << USER
THREAD_RING: Final = ALL << POSSESSOR | Permission.VIEW << USER
LINK_BYTES: Final = 4


@dataclass(frozen=True)
class Quota:
    """How much one user may have; the defaults are Linux's for everybody but root."""

    keys: int = 200
    nbytes: int = 20_000


ROOT_QUOTA: Final = Quota(1_000_000, 25_000_000)


@dataclass
class Key:
    """A key, or with the type ``keyring`` a keyring, whose links are serial numbers in their order."""

    serial: int
    type: str
    description: str
    uid: int
    permissions: int
    payload: SecretBuffer | None = None
    links: list[int] = field(default_factory=list)
    expires_at: float | None = None
    revoked: bool = False
    changed_at: float = 0.0

    @property
    def cost(self) -> int:
        """What it takes of its owner's quota, in bytes."""
        return len(self.description.encode()) + 1 + len(self.payload or b"") + LINK_BYTES * len(self.links)


@dataclass
class Process:
    """Whose keyrings a call looks through; a thread keyring is made when it is first written to."""

    uid: int = 0
    session: int | None = None
    thread: int | None = None


def default_permissions(key_type: str) -> int:
    """What add_key(2) gives a new key: its possessor may do everything, except read what cannot be read."""
    readable = Permission.READ if key_type == "user" else 0
    return (ALL & ~Permission.READ | readable) << POSSESSOR | Permission.VIEW << USER


def may(process: Process, key: Key, needed: Permission, *, possessed: bool) -> bool:
    """Whether a key's permissions allow something to a process that possesses the key, or does not."""
    allowed = key.permissions >> (USER if key.uid == process.uid else OTHER)
    if possessed:
        allowed |= key.permissions >> POSSESSOR
    return allowed & needed == needed
