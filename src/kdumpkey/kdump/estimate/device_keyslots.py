"""The keyslots of a LUKS device, for the estimate."""

from __future__ import annotations

from kdumpkey.crypto.kdf import Argon2
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import PRIORITY_IGNORE


def keyslots_of(device: str) -> list[KeyslotMemory]:
    """The keyslots of a device; `tried` are those that open without being named.

    An unbound key opens nothing, and keyslots of the priority "ignore" are not tried. Those of a token are
    keyslots like any others: its passphrase goes through the same function.

    Raises:
        KdumpkeyError: The device or its header cannot be read.
    """
    with open_luks(device) as luks:
        return [
            KeyslotMemory(
                device,
                number,
                slot.kdf.memory_kib if isinstance(slot.kdf, Argon2) else 0,
                tried=slot.priority != PRIORITY_IGNORE and not luks.header.is_unbound(number),
            )
            for number, slot in sorted(luks.header.keyslots.items())
            if slot.kdf is not None
        ]
