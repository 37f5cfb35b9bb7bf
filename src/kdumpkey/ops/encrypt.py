"""Encrypting a file or a stream into a volume, from its beginning."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import OutputError, UsageError

if TYPE_CHECKING:
    from kdumpkey.volume import Volume

Progress = Callable[[int], None]  # is given the number of bytes that just came to the others

_CHUNK: Final = 1024 * 1024
_MOST_THREADS: Final = 4  # more find the file's lock busy


def source_size(fd: int) -> int | None:
    """How many bytes a file has from its beginning; None for a pipe or a device that does not say.

    Raises:
        UsageError: It is a directory.
    """
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise UsageError("A directory cannot be encrypted into a volume.")
    if stat.S_ISREG(status.st_mode):
        return status.st_size
    return os.lseek(fd, 0, os.SEEK_END) if stat.S_ISBLK(status.st_mode) else None


def encrypt_file(fd: int, name: str, size: int, volume: Volume, *, progress: Progress | None = None) -> None:
    """Write `size` bytes of a file to the beginning of a volume, by as many threads as help.

    What the volume holds after them stays.

    Args:
        fd: The file, read by offsets from its beginning.
        name: What to call it in messages.
        size: How many bytes, from `source_size`.
        volume: Open for writing.
        progress: Told how much was done, by one thread at a time.

    Raises:
        OutputError: They do not fit, and nothing was written.
        UsageError: The file cannot be read, or became shorter; part of it was written.
        DeviceError: The volume's device cannot be written; part of it may have been.
    """
    if size > volume.size:
        raise OutputError(f"{name} has {size} bytes, and the volume only {volume.size}: nothing was written.")
    pieces = iter(range(0, size, _CHUNK))
    lock = threading.Lock()
    failures: list[BaseException] = []
    stop = threading.Event()

    def work() -> None:
        try:
            buffer = bytearray(min(_CHUNK, size))
            while not stop.is_set():
                with lock:
                    start = next(pieces, None)
                if start is None:
                    return
                with memoryview(buffer)[: size - start] as view:
                    _fill(fd, name, view, start)
                    volume.write(view, start)
                    length = len(view)
                if progress:
                    with lock:
                        progress(length)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
            stop.set()

    count = min(len(os.sched_getaffinity(0)), _MOST_THREADS, -(-size // _CHUNK))
    helpers = [threading.Thread(target=work) for _ in range(count - 1)]
    for helper in helpers:
        helper.start()
    try:
        work()
        for helper in helpers:
            helper.join()
    finally:  # an interrupt may come while this thread only waits
        stop.set()
        for helper in helpers:
            helper.join()
    if failures:
        raise failures[0]


def encrypt_stream(fd: int, name: str, volume: Volume, *, progress: Progress | None = None) -> int:
    """Write all that a stream gives to the beginning of a volume.

    Args:
        fd: A pipe or the like, read to its end.
        name: What to call it in messages.
        volume: Open for writing.
        progress: Told how much was done.

    Returns:
        How many bytes there were.

    Raises:
        OutputError: The volume is full before the stream ends: what fitted was written.
        UsageError: The stream cannot be read.
        DeviceError: The volume's device cannot be written.
    """
    done = 0
    buffer = bytearray(_CHUNK)
    with memoryview(buffer) as room:
        while True:
            filled = 0
            while filled < _CHUNK:  # a pipe gives less at a time, and whole sectors need no reading back
                with room[filled:] as rest:
                    count = _read(fd, name, rest, None)
                if not count:
                    break
                filled += count
            if not filled:
                return done
            fits = min(filled, volume.size - done)
            with room[:fits] as view:
                volume.write(view, done)
            done += fits
            if fits < filled:
                raise OutputError(
                    f"{name} has more than the {volume.size} bytes of the volume, which is full now."
                )
            if progress:
                progress(fits)


def _fill(fd: int, name: str, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        with view[done:] as rest:
            count = _read(fd, name, rest, offset + done)
        if not count:
            raise UsageError(f"{name} ends at byte {offset + done}, it is shorter than it was.")
        done += count


def _read(fd: int, name: str, view: memoryview, offset: int | None) -> int:
    try:
        return os.readv(fd, [view]) if offset is None else os.preadv(fd, [view], offset)
    except OSError as error:
        raise UsageError(f"Cannot read {name}: {error.strerror}.") from error
