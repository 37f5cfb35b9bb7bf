"""How a command line names a device, and cryptsetup's words for what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kdumpkey.errors import HeaderError, NotLuksError

_BY: Final = {"UUID=": "/dev/disk/by-uuid/", "PARTUUID=": "/dev/disk/by-partuuid/"}


def device_path(word: str) -> str:
    """The path that a word stands for: itself, or that of ``UUID=…`` or ``PARTUUID=…``."""
    for prefix, folder in _BY.items():
        if word.startswith(prefix):
            return folder + word.removeprefix(prefix)
    return word


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Report a header that cannot be read: what is wrong with it, then what cryptsetup says."""
    try:
        yield
    except HeaderError as error:
        from kdumpkey.luks.elsewhere import hint, way_out  # noqa: PLC0415 - a valid header needs no hints

        found = hint(path) if isinstance(error, NotLuksError) else str(error)
        rescue = way_out(path)
        if rescue and not found:
            found = f"Both LUKS2 headers of {path} are gone."
        lines = (found, rescue, refusal(path))
        raise type(error)("\n".join(line for line in lines if line)) from error


def refusal(path: str) -> str:
    """What cryptsetup says of a device without a valid header."""
    return f"Device {path} is not a valid LUKS device."
