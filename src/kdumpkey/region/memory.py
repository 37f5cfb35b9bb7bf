"""The memory reserved for the kdump kernel, as a file that outlives the process as memory outlives a kernel.

Addresses are physical ones; what was never written is a hole in the file and takes no memory.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Self

from kdumpkey._native.region import PAGE, LoadedMapping
from kdumpkey.errors import DeviceError
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.transfer import read_in_full, write_in_full

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.region.model import Part

_PUNCH_HOLE: Final = 0x03  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, linux/falloc.h
_CHUNK: Final = 1 << 20


class CrashRegion:
    """The reserved memory of a simulated machine; close it, or use it in a `with` statement.

    Args:
        fd: The file, open for reading and writing; it becomes this object's.
        base: Physical address of its first byte.
        size_bytes: How long it is.
    """

    def __init__(self, fd: int, base: int, size_bytes: int) -> None:
        self._fd = fd
        self.base = base
        self.size = size_bytes

    @property
    def end(self) -> int:
        """The address after its last byte."""
        return self.base + self.size

    def read(self, address: int, nbytes: int) -> SecretBuffer:
        """Bytes of it, in secret memory.

        Raises:
            DeviceError: They are not all in the region, or the file cannot be read.
        """
        offset = self._offset(address, nbytes)
        found = SecretBuffer(nbytes)
        if read_in_full(self._fd, found, offset) < nbytes:
            raise DeviceError("the region's file is shorter than the region")
        return found

    def write(self, address: int, content: Buffer) -> None:
        """Put bytes into it.

        Raises:
            DeviceError: They do not all fit into the region, or the file cannot be written.
        """
        with memoryview(content) as view:
            offset = self._offset(address, view.nbytes)
            try:
                write_in_full(self._fd, view, offset)
            except OSError as error:
                raise DeviceError(f"the reserved memory cannot be written: {error.strerror}") from error

    def clear(self, address: int, nbytes: int) -> None:
        """Zero a part of it: overwritten first, and then given back to the system."""
        offset = self._offset(address, nbytes)
        for start, end in self._written(offset, offset + nbytes):
            for at in range(start, end, _CHUNK):
                write_in_full(self._fd, bytes(min(_CHUNK, end - at)), at)
        # If the filesystem has no holes, the zeros stay.
        libc = ctypes.CDLL(None, use_errno=True)
        libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        libc.fallocate(self._fd, _PUNCH_HOLE, offset, nbytes)

    def map_loaded(self, keys: Part | None) -> LoadedMapping:
        """Map it as it is while an image is loaded: read-only, and without the keys' pages.

        Args:
            keys: The part with the keys: touching its pages is a SIGSEGV; they are locked, and not dumped.

        Raises:
            DeviceError: It cannot be mapped, or the keys are not in it.
        """
        offset = self._offset(keys.start, keys.nbytes) if keys else 0
        try:
            return LoadedMapping(self._fd, self.size, offset, keys.nbytes if keys else 0)
        except OSError as error:
            raise DeviceError(f"the reserved memory cannot be mapped: {error.strerror}") from error

    def pages(self) -> Iterator[tuple[int, SecretBuffer]]:
        """Every page that is not all zeros, with its address; close each page after use."""
        zeros = bytes(PAGE)
        for start, end in self._written(0, self.size):
            for offset in range(start - start % PAGE, end, PAGE):
                page = self.read(self.base + offset, PAGE)
                if page.equals(zeros):
                    page.close()
                else:
                    yield self.base + offset, page

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _offset(self, address: int, nbytes: int) -> int:
        if nbytes < 0 or not self.base <= address <= self.end - nbytes:
            raise DeviceError(f"{nbytes} bytes at {address:#x} are not in the reserved memory")
        return address - self.base

    def _written(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The runs of the file that are not holes."""
        while start < end:
            try:
                begin = os.lseek(self._fd, start, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # holes only, up to the end
                    return
                raise DeviceError(f"the region's file cannot be read: {error.strerror}") from error
            if begin >= end:
                return
            start = min(os.lseek(self._fd, begin, os.SEEK_HOLE), end)
            yield begin, start
