"""Images whose keyslots raise no false alarm: one of sixteen does, by chance, and repair then says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdumpkey.luks import read_header
from kdumpkey.luks.keyslot_noise import suspicions
from kdumpkey.storage.device import open_readonly


def made_quiet(path: Path, make: Callable[[], object]) -> bytes:
    """Have an image made at a path until its keyslots are above suspicion, and return it."""
    while True:
        make()
        with open_readonly(path) as device:
            if not suspicions(device, read_header(device)):
                return path.read_bytes()
