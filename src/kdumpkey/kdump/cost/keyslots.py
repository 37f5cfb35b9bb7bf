"""The key derivations of a device's keyslots."""

from __future__ import annotations

import os

from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.kdump.cost.measure import Cell
from kdumpkey.luks.device import open_luks


def keyslot_cells(path: str | os.PathLike[str]) -> list[Cell]:
    """What each keyslot of a device would have to run; the cost does not depend on the passphrase.

    Raises:
        KdumpkeyError: The device or its header cannot be read.
    """
    with open_luks(path) as luks:
        return [
            Cell.of(slot.kdf, f"{os.fspath(path)} keyslot {number}")
            for number, slot in sorted(luks.header.keyslots.items())
            if isinstance(slot.kdf, Pbkdf2 | Argon2)
        ]
