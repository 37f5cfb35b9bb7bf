"""The keyslots that decide how much memory unlocking takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyslotMemory:
    """A keyslot with Argon2's memory (0: PBKDF2); `tried`: the kdump kernel may try to open it."""

    device: str
    number: int
    memory_kib: int
    tried: bool = True
