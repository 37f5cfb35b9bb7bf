"""Encrypting a file or a stream into an opened volume: the reverse of decrypting it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from kdumpkey.storage.device import Device
    from kdumpkey.volume.volume import Volume

Progress = Callable[[int], None]  # is given the number of bytes that just came to the others

_CHUNK: Final = 1024 * 1024
_MOST_THREADS: Final = 4


def encrypt_file(
    volume: Volume, device: Device, fd: int, name: str, *, start: int = 0, progress: Progress | None = None
) -> int:
    """Encrypt what a file descriptor gives into a volume; a block device is synchronised at the end.

    Args:
        volume: The volume, opened for writing.
        device: Its data device.
        fd: A regular file, read from its beginning by several threads; or a pipe, read in order.
        name: What to call it.
        start: Byte of the plaintext to begin at.
        progress: Told how much was done, possibly by other threads.

    Returns:
        How many bytes were written; what lies behind them in the volume stays.

    Raises:
        UsageError: It has more than the volume has room for: of a file before anything is written.
        DeviceError: The file cannot be read, or the device cannot be written; part of it may have been.
    """
    if not 0 <= start <= volume.size:
        raise UsageError(f"The volume has {volume.size} bytes: byte {start} is not in it.")
    room = volume.size - start
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        if status.st_size > room:
            raise UsageError(f"{name} has {status.st_size} bytes, the volume has room for {room}.")
        done = _by_threads(volume, fd, name, status.st_size, start, progress)
    else:
        done = _in_order(volume, fd, name, room, start, progress)
    if device.is_block:  # a file is its filesystem's, as it is for cp
        device.sync()
    return done


def _by_threads(volume: Volume, fd: int, name: str, size: int, start: int, progress: Progress | None) -> int:
    pieces = iter(range(0, size, _CHUNK))
    lock = threading.Lock()
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            buffer = bytearray(min(_CHUNK, size))
            while not stop.is_set():
                with lock:
                    at = next(pieces, None)
                if at is None:
                    return
                with memoryview(buffer)[: min(_CHUNK, size - at)] as view:
                    _read_exactly(fd, view, at, name)
                    volume.write(view, start + at)
                    if progress:
                        with lock:
                            progress(len(view))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
            stop.set()

    count = min(len(os.sched_getaffinity(0)), _MOST_THREADS, -(-size // _CHUNK))
    helpers = [threading.Thread(target=work) for _ in range(count - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
    finally:  # an interrupt may come while this thread only waits
        if failures:
            stop.set()
        for helper in helpers:
            helper.join()
    if failures:
        raise failures[0]
    return size


def _read_exactly(fd: int, view: memoryview, offset: int, name: str) -> None:
    done = 0
    while done < len(view):
        with view[done:] as rest:
            try:
                got = os.preadv(fd, [rest], offset + done)
            except OSError as error:
                raise DeviceError(f"Cannot read {name}: {error.strerror}.") from error
        if not got:
            raise DeviceError(f"{name} became shorter while it was read.")
        done += got


def _in_order(volume: Volume, fd: int, name: str, room: int, start: int, progress: Progress | None) -> int:
    buffer = bytearray(_CHUNK)
    done = 0
    with memoryview(buffer) as view:
        while got := _fill(fd, view, name):
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


def _fill(fd: int, view: memoryview, name: str) -> int:
    """As much as there is room for, or all that is left: whole pieces are encrypted without reading back."""
    done = 0
    while done < len(view):
        with view[done:] as rest:
            try:
                got = os.readv(fd, [rest])
            except OSError as error:
                raise DeviceError(f"Cannot read {name}: {error.strerror}.") from error
        if not got:
            break
        done += got
    return done
