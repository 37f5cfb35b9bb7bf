"""Loop devices over the files of a test, where this machine has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdumpkey.errors import DeviceError
from kdumpkey.storage.loop import attached
from tools import unavailable


@contextmanager
def loop_over(path: Path) -> Iterator[Path]:
    """A writable loop device; the test is skipped if none can be had."""
    with path.open("r+b") as file:
        try:
            with attached(file.fileno(), str(path), readonly=False) as device:
                yield device
        except DeviceError as error:
            unavailable(f"no loop device can be had: {error}")
