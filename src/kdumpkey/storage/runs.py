"""Long runs of a file's or a device's bytes, read once from end to end with as few copies as can be.

A regular file is used where the page cache has it, by a window; a block device is read past the page
cache, by direct I/O, while other threads work on what they have. Everything else, and whatever goes wrong
there, is read into a buffer.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey._native.fileio import FileWindow
from kdumpkey.storage.device import Device

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.storage.device import Reader

# What is done with a run's bytes, perhaps twice: before anything is made of them that cannot be made anew,
# the second argument is called, and raises if the bytes were not the file's.
Use = Callable[[memoryview, Callable[[], None]], None]

LONGEST: Final = 1024 * 1024  # of a run, in bytes
_SHORTEST: Final = 64 * 1024  # below which a copy costs less than a mapping
_ALIGNED: Final = 4096  # of direct I/O, in bytes: whatever a disk's own sectors are
_DESCRIPTORS: Final = "/proc/self/fd"


class _NotIntactError(Exception):
    """What was used was not all of the file's content."""


class Runs:
    """Runs of bytes, for any number of threads.

    Args:
        fd: The regular file or block device, which must stay open; None: there is only `read`.
        read: Fills a buffer from a byte on, or raises.
        start: Byte of the file from which `offset` and `read` count.
        is_block: It is a block device.
    """

    longest: Final = LONGEST

    def __init__(
        self, fd: int | None, read: Callable[[Buffer, int], None], start: int = 0, *, is_block: bool = False
    ) -> None:
        self._read = read
        self._start = start
        self._file = None if is_block else fd
        self._disk = _direct(fd) if is_block and fd is not None else None
        self._windows: list[FileWindow] = []
        self._buffers: list[mmap.mmap] = []

    def use(self, offset: int, length: int, work: Use) -> None:
        """Do something with a run of bytes.

        Args:
            offset: Its first byte.
            length: At most `LONGEST` bytes.
            work: What to do: it may be called a second time, where the first time failed.

        Raises:
            DeviceError: The bytes cannot be read, or are not all there: as `read` says it.
        """
        if self._file is not None and length >= _SHORTEST and self._through_window(offset, length, work):
            return
        buffer = self._buffers.pop() if self._buffers else mmap.mmap(-1, LONGEST + 2 * _ALIGNED)
        with memoryview(buffer) as room:
            lead = self._read_direct(room, self._start + offset, length) if self._disk is not None else None
            with room[lead or 0 : (lead or 0) + length] as view:
                if lead is None:
                    self._read(view, offset)
                work(view, _trusted)
        self._buffers.append(buffer)

    def close(self) -> None:
        """Let go of windows and buffers; the file stays open."""
        self._windows.clear()
        self._buffers.clear()
        disk, self._disk = self._disk, None
        if disk is not None:
            os.close(disk)

    def _through_window(self, offset: int, length: int, work: Use) -> bool:
        file = self._file
        if file is None:
            return False
        try:
            window = self._windows.pop() if self._windows else FileWindow(LONGEST)
            window.move(file, self._start + offset, length)
        except OSError:  # not to be mapped: a file of another kind, too many windows
            self._file = None
            return False

        def check() -> None:
            if not window.intact():
                raise _NotIntactError

        try:
            with memoryview(window) as view:
                work(view, check)
            check()
        except _NotIntactError:
            return False
        finally:
            self._windows.append(window)
        return True

    def _read_direct(self, room: memoryview, place: int, length: int) -> int | None:
        """Read into `room`, and say where in it the run begins; None: it is not to be had so."""
        disk = self._disk
        lead = place % _ALIGNED
        whole = -(-(lead + length) // _ALIGNED) * _ALIGNED
        if disk is None:
            return None
        try:
            with room[:whole] as view:
                return lead if os.preadv(disk, [view], place - lead) >= lead + length else None
        except OSError:
            return None


def runs_of(device: Reader) -> Runs:
    """A device's bytes in long runs; close them before the device."""
    if type(device) is not Device:
        return Runs(None, device.pread_into)
    return Runs(device.fileno(), device.pread_into, device.start, is_block=device.is_block)


def _trusted() -> None:
    """What was read into a buffer stays as it is."""


def _direct(fd: int) -> int | None:
    try:
        return os.open(f"{_DESCRIPTORS}/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        return None
