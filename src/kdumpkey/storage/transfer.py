"""Reading and writing in full: the system may take or give less than it was asked for at each call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


def read_in_full(fd: int, buffer: Buffer, offset: int | None = None) -> int:
    """Fill a buffer from a file, up to the file's end.

    Args:
        fd: The file descriptor.
        buffer: Where the bytes go.
        offset: Byte of the file to begin at; None: read on from where the file stands.

    Returns:
        How many bytes were read: less than the buffer holds only where the file ends.

    Raises:
        OSError: The file cannot be read.
    """
    done = 0
    with memoryview(buffer) as whole, whole.cast("B") as view:
        while done < view.nbytes:
            with view[done:] as rest:
                got = os.readv(fd, [rest]) if offset is None else os.preadv(fd, [rest], offset + done)
            if not got:
                break
            done += got
    return done


def write_in_full(fd: int, buffer: Buffer, offset: int | None = None) -> None:
    """Write all bytes of a buffer to a file.

    Args:
        fd: The file descriptor.
        buffer: The bytes.
        offset: Byte of the file to begin at; None: write on from where the file stands.

    Raises:
        OSError: The file cannot be written; some of the bytes may have been.
    """
    done = 0
    with memoryview(buffer) as whole, whole.cast("B") as view:
        while done < view.nbytes:
            with view[done:] as rest:
                done += os.write(fd, rest) if offset is None else os.pwrite(fd, rest, offset + done)
