"""Writing a file into a volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError, OutputError

if TYPE_CHECKING:
    from kdumpkey.volume.volume import Volume

_CHUNK: Final = 1 << 20


def save_file(volume: Volume, source: str) -> int:
    """Write a file to the beginning of a volume.

    Args:
        volume: Open for writing.
        source: The file's path.

    Returns:
        How many bytes were written.

    Raises:
        OutputError: The file does not fit into the volume; nothing is written.
        DeviceError: The file cannot be read, or the volume not written.
    """
    try:
        with Path(source).open("rb", buffering=0) as file:
            size = file.seek(0, 2)
            if size > volume.size:
                raise OutputError(f"{source} has {size} bytes, the volume {volume.size}.")
            file.seek(0)
            done, chunk = 0, bytearray(_CHUNK)
            with memoryview(chunk) as view:
                while got := file.readinto(chunk):
                    if done + got > volume.size:
                        raise OutputError(f"{source} grew beyond the volume's {volume.size} bytes.")
                    with view[:got] as part:
                        volume.write(part, done)
                    done += got
            return done
    except OSError as error:
        raise DeviceError(f"{source} cannot be read: {error.strerror}.") from error
