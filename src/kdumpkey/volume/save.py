"""Writing a dump into a volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.errors import DeviceError
from kdumpkey.volume.encrypt import encrypt_from

if TYPE_CHECKING:
    from kdumpkey.volume.volume import Volume


def save_file(volume: Volume, source: str) -> int:
    """Write a file to the beginning of a volume.

    Args:
        volume: Open for writing.
        source: The file's path.

    Returns:
        How many bytes were written.

    Raises:
        UsageError: The file does not fit into the volume; of a regular file nothing is written then.
        DeviceError: The file cannot be read, or the volume cannot be written.
    """
    try:
        with Path(source).open("rb", buffering=0) as file:
            return encrypt_from(volume, file.fileno(), source)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DeviceError(f"{source} cannot be read: {reason}.") from error


def saved_line(nbytes: int, source: str, device: str) -> str:
    """What to say of a dump that was written.

    Args:
        nbytes: How many bytes of it.
        source: The file's path.
        device: What messages call the device.
    """
    return f"{nbytes} bytes of {source} are encrypted in {device}."
