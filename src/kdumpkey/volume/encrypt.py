"""Encrypting a file or a stream into an opened volume: the reverse of decrypting it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from kdumpkey.errors import DeviceError, UsageError
from kdumpkey.storage.pipeline import CHUNK, spread
from kdumpkey.storage.runs import Runs
from kdumpkey.storage.transfer import read_in_full

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.storage.pipeline import Progress
    from kdumpkey.volume.volume import Volume


def encrypt_from(
    volume: Volume, fd: int, name: str, *, start: int = 0, progress: Progress | None = None
) -> int:
    """Encrypt what a file descriptor gives into a volume; the caller synchronises the device.

    Args:
        volume: The volume, opened for writing.
        fd: A regular file, read from its beginning by several threads; or a pipe, read in order.
        name: What to call it.
        start: Byte of the plaintext to begin at.
        progress: Told how much was done, possibly by other threads.

    Returns:
        How many bytes were written; what is behind them in the volume stays.

    Raises:
        UsageError: It has more than the volume has room for: of a file before anything is written. Or it has
            bytes of the device itself.
        DeviceError: The file cannot be read, or the device cannot be written; part of it may have been.
    """
    if volume.shares_bytes_with(fd):
        raise UsageError(f"{name} is, or holds, the device itself, under this name or another.")
    if not 0 <= start <= volume.size:
        raise UsageError(f"The volume has {volume.size} bytes: byte {start} is not in it.")
    room = volume.size - start
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        done = status.st_size
        if done > room:
            raise UsageError(f"{name} has {done} bytes, the volume has room for {room}.")

        def read(view: Buffer, at: int) -> None:
            if _read(fd, view, at, name) < memoryview(view).nbytes:
                raise DeviceError(f"{name} became shorter while it was read.")

        source = Runs(fd, read)

        def work(room: memoryview, at: int) -> None:
            source.use(
                at,
                len(room),
                lambda plaintext, check: volume.write(plaintext, start + at, room=room, check=check),
            )

        try:
            spread(done, work, progress)
        finally:
            source.close()
        return done
    return _in_order(volume, fd, name, start, progress)


def _in_order(volume: Volume, fd: int, name: str, start: int, progress: Progress | None) -> int:
    room = volume.size - start
    buffer = bytearray(CHUNK)  # filled before it is written: whole pieces are encrypted without reading back
    done = 0
    with memoryview(buffer) as view:
        while got := _read(fd, view, None, name):
            if got > room - done:
                raise UsageError(
                    f"{name} has more than the {room} bytes that the volume has room for; "
                    f"the first {done} were written."
                )
            with view[:got] as part:
                volume.write(part, start + done)
            done += got
            if progress:
                progress(got)
    return done


def _read(fd: int, view: Buffer, offset: int | None, name: str) -> int:
    try:
        return read_in_full(fd, view, offset)
    except OSError as error:
        raise DeviceError(f"Cannot read {name}: {error.strerror}.") from error
