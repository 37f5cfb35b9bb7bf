"""A binary file object in the place of a device."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

from kdumpkey.errors import DeviceError, WriteError
from kdumpkey.storage.device import Device, size_from
from kdumpkey.storage.extent import Backing, Extent

if TYPE_CHECKING:
    from typing_extensions import Buffer

_FILE_OBJECTS: Final = -1  # in the place of a filesystem's number


class FileObjectDevice(Device):
    """A binary file object as a device for reading; threads take turns, for it has one position.

    Args:
        file: Seekable and readable; it stays the caller's, whose position in it moves.
        start: Byte of it at which the device begins.

    Raises:
        DeviceError: It cannot be read or positioned, or ends before `start`.
    """

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        name = getattr(file, "name", None)
        shown = name if isinstance(name, str) else f"<{type(file).__name__}>"
        try:
            usable = file.readable() and file.seekable()
            end = file.seek(0, os.SEEK_END) if usable else 0
        except (OSError, ValueError, EOFError) as error:
            raise DeviceError(f"Cannot read {shown}: {error}.") from error
        if not usable:
            raise DeviceError(f"{shown} is not a file object that can be read and positioned.")
        super().__init__(-1, shown, size_from(start, end, shown), is_block=False, writable=False, start=start)
        self._file: BinaryIO | None = file
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Refused: the bytes that a file object gives need not be those of a file."""
        raise DeviceError(f"{self.name} is a file object, and no file of the system's.")

    def extent(self) -> Extent:
        """The object itself, which no file of the system's shares a byte with as far as can be known."""
        return Extent(Backing(_FILE_OBJECTS, id(self._file)), self._start)

    def pread_into(self, buffer: Buffer, offset: int) -> None:
        """Fill `buffer` from byte `offset` on; see `Device`."""
        file, done = self._file, 0
        if file is None:
            raise ValueError(f"{self.name} is closed")
        with memoryview(buffer) as whole, whole.cast("B") as view, self._lock:
            try:
                file.seek(self._start + offset)
                while done < view.nbytes and (piece := file.read(view.nbytes - done)):
                    view[done : done + len(piece)] = piece
                    done += len(piece)
            except (OSError, ValueError, EOFError) as error:
                raise DeviceError(f"Cannot read {self.name} at byte {offset + done}: {error}.") from error
            if done < view.nbytes:
                raise DeviceError(f"{self.name} ends at byte {offset + done}, it is shorter than it was.")

    def pwrite(self, buffer: Buffer, offset: int) -> None:
        """Refused: file objects are read only."""
        del buffer, offset
        raise WriteError(f"{self.name} is a file object, which is only read.")

    def close(self) -> None:
        """Let go of the file object, and leave it open."""
        self._file = None
