"""Reading and writing a block device or a regular file at given offsets, the whole of it or an error."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Protocol, Self

from kdumpkey.errors import BusyError, DeviceError, WriteError
from kdumpkey.storage.transfer import read_in_full, write_in_full

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.storage.extent import Extent

# _IOR(0x12, 114, size_t), linux/fs.h; POWER has other bits for the direction.
_BLKGETSIZE64 = 0x40081272 if os.uname().machine.startswith("ppc") else 0x80081272


class Reader(Protocol):
    """Bytes at offsets: what a parser of headers needs of a device, and all it can do to it.

    Attributes:
        name: How messages call it.
        size: Its length in bytes when it was opened.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102

    def pread_into(self, buffer: Buffer, offset: int) -> None:
        """Fill `buffer` from byte `offset` on.

        Raises:
            DeviceError: Not all of the bytes are there, or they cannot be read.
        """


class BytesReader:
    """A Reader of bytes in memory."""

    def __init__(self, content: bytes | bytearray | memoryview, name: str = "memory") -> None:
        self._content = memoryview(content).cast("B")
        self.name = name

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._content.nbytes

    def pread_into(self, buffer: Buffer, offset: int) -> None:
        """Fill `buffer` from byte `offset` on; see Reader."""
        with memoryview(buffer).cast("B") as view:
            if offset < 0 or offset + view.nbytes > self.size:
                raise DeviceError(f"Device {self.name} ends before byte {offset + view.nbytes}.")
            view[:] = self._content[offset : offset + view.nbytes]


class Device:
    """An open block device or regular file; close it, or use it in a `with` statement.

    Reads and writes carry their offset and share no position, so threads may use one Device together.

    Args:
        fd: The file descriptor, which becomes this object's.
        name: What messages call it.
        size: Its length in bytes.
        is_block: It is a block device.
        writable: It was opened for writing, too.
        start: Byte of the file at which the device begins; `size` counts from there.
    """

    def __init__(  # noqa: PLR0913 - what open(2) and fstat(2) told, by name
        self, fd: int, name: str, size: int, *, is_block: bool, writable: bool, start: int = 0
    ) -> None:
        self._fd = fd
        self._start = start
        self.name = name
        self.size = size
        self.is_block = is_block
        self.writable = writable

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {self.size} bytes>"

    def extent(self) -> Extent:
        """Which bytes of which file or disk this stands for, however it was named."""
        from kdumpkey.storage.extent import extent_of  # noqa: PLC0415 - who only reads, as most starts do, never asks

        extent = extent_of(self.fileno())
        return extent._replace(offset_bytes=extent.offset_bytes + self._start)

    def fileno(self) -> int:
        """The file descriptor, for locks and ioctls; it stays this object's."""
        if self._fd < 0:
            raise ValueError(f"{self.name} is closed")
        return self._fd

    def pread_into(self, buffer: Buffer, offset: int) -> None:
        """Fill `buffer` from byte `offset` on.

        Raises:
            DeviceError: The device ends before that (it shrank since it was opened), or reading fails.
        """
        with memoryview(buffer) as view:
            try:
                done = read_in_full(self.fileno(), view, self._start + offset)
            except OSError as error:
                raise DeviceError(
                    f"Cannot read device {self.name} at byte {offset}: {error.strerror}."
                ) from error
            if done < view.nbytes:
                raise DeviceError(
                    f"Device {self.name} ends at byte {offset + done}, it is shorter than it was."
                )

    @property
    def start(self) -> int:
        """Byte of the file at which the device begins."""
        return self._start

    def pwrite(self, buffer: Buffer, offset: int) -> None:
        """Write all of `buffer` at byte `offset`.

        Raises:
            WriteError: Writing fails; some of the bytes may have been written.
        """
        try:
            write_in_full(self.fileno(), buffer, self._start + offset)
        except OSError as error:
            raise WriteError(
                f"Cannot write device {self.name} at byte {offset}: {error.strerror}."
            ) from error

    def reserve(self, offset: int, size: int) -> None:
        """Have a file's blocks there before they are written: a full disk is met with nothing written.

        A device has them; and where a filesystem cannot do this, nothing happens.

        Raises:
            WriteError: There is no room for them; the content is what it was.
        """
        if self.is_block or size <= 0:
            return
        try:
            os.posix_fallocate(self.fileno(), self._start + offset, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise WriteError(f"Cannot write device {self.name}: {error.strerror}.") from error

    def data_in(self, offset: int, size: int) -> list[tuple[int, int]]:
        """Where in a run of bytes there are any, as (offset, size): not in the holes of a sparse file."""
        if self.is_block:
            return [(offset, size)]
        found, at, end = [], offset, min(offset + size, self.size)
        while at < end:
            try:
                start = os.lseek(self.fileno(), self._start + at, os.SEEK_DATA) - self._start
            except OSError as error:
                if error.errno == errno.ENXIO:  # from here on it is all a hole
                    break
                return [(offset, size)]
            if start >= end:
                break
            at = min(os.lseek(self.fileno(), self._start + start, os.SEEK_HOLE) - self._start, end)
            found.append((start, at - start))
        return found

    def sync(self) -> None:
        """Wait until all that was written is on the medium.

        Raises:
            WriteError: The medium refuses; what was written may be lost.
        """
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise WriteError(f"Cannot write device {self.name}: {error.strerror}.") from error

    def close(self) -> None:
        """Close the file descriptor; closing twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_readonly(path: str | os.PathLike[str], *, exclusive: bool = False, start: int = 0) -> Device:
    """Open a block device or a regular file for reading.

    Args:
        path: Where it is.
        exclusive: Refuse a block device that is mounted or mapped (O_EXCL); files are not affected.
        start: Byte of it at which the device begins.

    Raises:
        DeviceError: It does not exist, may not be read, or is of another kind; a FIFO is refused at once.
        BusyError: `exclusive`, and the device is in use.
    """
    return _open(path, os.O_RDONLY, exclusive=exclusive, start=start)


def open_readwrite(path: str | os.PathLike[str], *, exclusive: bool = False, start: int = 0) -> Device:
    """Open a block device or a regular file for reading and writing.

    Args:
        path: Where it is.
        exclusive: Refuse a block device that is mounted or mapped (O_EXCL); files are not affected.
        start: Byte of it at which the device begins.

    Raises:
        DeviceError: It does not exist, may not be read, or is neither device nor file.
        WriteError: It may be read only.
        BusyError: `exclusive`, and the device is in use.
    """
    return _open(path, os.O_RDWR, exclusive=exclusive, start=start)


def _open(path: str | os.PathLike[str], flags: int, *, exclusive: bool, start: int) -> Device:
    name = os.fspath(path)
    # The kind is looked at before opening, because opening a device node or a FIFO can itself do something;
    # and again afterwards, because the name may mean another file by then.
    try:
        mode = os.stat(name).st_mode
        _check_kind(mode, name)
        if exclusive and stat.S_ISBLK(mode):
            flags |= os.O_EXCL
        fd = os.open(name, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:  # a NUL in the name
        raise DeviceError(f"Device {name!r} does not exist or access denied.") from error
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise BusyError(
                f"Cannot use device {name} which is in use (already mapped or mounted)."
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) and os.access(name, os.R_OK):
            raise WriteError(f"Device {name} cannot be written: {error.strerror}.") from error
        raise DeviceError(f"Device {name} does not exist or access denied.") from error
    try:
        mode = os.fstat(fd).st_mode
        _check_kind(mode, name)
        is_block = stat.S_ISBLK(mode)
        end = _block_device_size(fd, name) if is_block else os.fstat(fd).st_size
        size = size_from(start, end, name)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    writable = flags & os.O_ACCMODE == os.O_RDWR
    return Device(fd, name, size, is_block=is_block, writable=writable, start=start)


def size_from(start: int, end: int, name: str) -> int:
    """The bytes from `start` to `end`.

    Raises:
        DeviceError: The device called `name` ends before `start`.
    """
    if not 0 <= start <= end:
        raise DeviceError(f"Device {name} has {end} bytes: byte {start} is not in it.")
    return end - start


def _check_kind(mode: int, name: str) -> None:
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise DeviceError(f"Device {name} is not compatible.")


def _block_device_size(fd: int, name: str) -> int:
    import fcntl  # noqa: PLC0415 - a file's size is asked otherwise

    try:
        size = int.from_bytes(fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)), sys.byteorder)
    except OSError as error:
        raise DeviceError(f"Cannot get the size of device {name}: {error.strerror}.") from error
    return size
