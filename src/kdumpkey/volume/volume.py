"""The plaintext of an opened volume, at any offset and length, for reading and writing.

A volume is a row of segments of its data device, each encrypted or linear. What the segments are is the
caller's to say: nothing here knows a header.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from kdumpkey.crypto.cipher import SECTOR, CipherSpec, SectorCipher, engine_call, sector_cipher
from kdumpkey.errors import CipherError, DeviceError
from kdumpkey.storage.device import Device
from kdumpkey.storage.extent import share_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer, WriteableBuffer

    from kdumpkey.storage.device import Reader
    from kdumpkey.storage.runs import Runs

# What is read is decrypted while it still lies in the processor's second-level cache.
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True)
class CryptSegment:
    """A run of the data device as a part of the plaintext.

    Attributes:
        offset_bytes: Where it begins on the data device.
        size_bytes: How long it is: whole sectors.
        encryption: dm-crypt's cipher specification, such as ``aes-xts-plain64``; None: not encrypted.
        sector_size: Bytes of an encryption sector: 512, 1024, 2048 or 4096.
        iv_tweak: The IV's number at the beginning, in units of 512 bytes.
    """

    offset_bytes: int
    size_bytes: int
    encryption: str | None = None
    sector_size: int = SECTOR
    iv_tweak: int = 0


class _Part:
    """A segment with its place in the plaintext and its cipher."""

    __slots__ = ("cipher", "end", "offset", "sector_size", "segment", "start", "there", "tweak")

    def __init__(
        self, segment: CryptSegment, start: int, cipher: SectorCipher | None, device_size: int
    ) -> None:
        self.segment = segment
        self.start = start
        self.end = start + segment.size_bytes
        self.offset = segment.offset_bytes
        self.sector_size = segment.sector_size if cipher else 1
        self.tweak = segment.iv_tweak
        self.cipher = cipher
        # How much of it the device has: a part of a sector is of no use.
        there = min(segment.size_bytes, max(0, device_size - segment.offset_bytes))
        self.there = there // self.sector_size * self.sector_size


def _fast_reads(device: Reader, part: _Part) -> Callable[[WriteableBuffer, int], bool] | None:
    """How to read a few aligned sectors of a volume that is one segment of a file or disk.

    That is what filesystems ask for: one system call and one call of the engine, in as little of Python as
    there can be. What is returned says whether it could; what cannot goes the general way, which tells why.
    """
    cipher = part.cipher
    if type(device) is not Device or cipher is None:
        return None
    call = engine_call(cipher, part.tweak + part.end // SECTOR)
    if call is None:
        return None
    decrypt, step, bits = call
    fileno, preadv = device.fileno, os.preadv
    start, end, tweak, size = device.start + part.offset, part.end, part.tweak, part.sector_size
    mask = size - 1

    def read(buffer: WriteableBuffer, offset: int) -> bool:
        length = len(buffer) if type(buffer) is bytearray else memoryview(buffer).nbytes
        if offset < 0 or (offset | length) & mask or offset + length > end or length > _CHUNK:
            return False
        try:
            if preadv(fileno(), (buffer,), start + offset) != length:
                return False
        except OSError:
            return False
        decrypt(buffer, buffer, size, tweak + offset // SECTOR, step, bits)
        return True

    return read


class Volume:
    """Random access to a volume's plaintext; close it, or use it in a `with` statement.

    Any number of threads may read at once. Writes of less than a sector read and write the sector under a
    lock; writes by other programs at the same time are not its concern.

    Args:
        device: The data device; it stays the caller's, and must stay open.
        segments: In the order of the plaintext.
        key: The volume key; copied into locked memory of the ciphers' own, so it may be closed at once.
        tier: The AES-XTS implementation to use: a demand. Default: the fastest.
        cut_short: Take a device that ends before a segment does, for reading what it has; `size` is that of
            the whole all the same, `available` how much of it is there from the beginning on.

    Raises:
        CipherError: A cipher or a sector size that is not implemented, or the key's length is not its own.
        TierError: The tier cannot be used, here or for this cipher.
        DeviceError: The device ends before a segment does, or a segment within a sector.
    """

    def __init__(
        self,
        device: Reader,
        segments: Sequence[CryptSegment],
        key: ReadableBuffer,
        *,
        tier: str | None = None,
        cut_short: bool = False,
    ) -> None:
        self._device = device
        self._segments = tuple(segments)
        self._tier = tier
        self._cut_short = cut_short
        self._writer = device if isinstance(device, Device) and device.writable else None
        self._parts: list[_Part] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # a file's own is waited for by spinning
        self._runs: Runs | None = None
        self.size = 0
        try:
            for segment in self._segments:
                self._add(segment, key, tier)
        except BaseException:
            self.close()
            raise
        whole = len(self._parts) == 1 and self.available == self.size
        self._fast = _fast_reads(device, self._parts[0]) if whole else None

    def _add(self, segment: CryptSegment, key: ReadableBuffer, tier: str | None) -> None:
        if segment.offset_bytes + segment.size_bytes > self._device.size and not self._cut_short:
            raise DeviceError(
                f"Device {self._device.name} is too small: its segment ends at byte "
                f"{segment.offset_bytes + segment.size_bytes}, the device at {self._device.size}."
            )
        cipher = None
        if segment.encryption is not None:
            spec = CipherSpec.parse(segment.encryption)
            cipher = sector_cipher(spec, key, sector_size=segment.sector_size, tier=tier)
        part = _Part(segment, self.size, cipher, self._device.size)
        self._parts.append(part)
        if segment.size_bytes % part.sector_size:
            raise DeviceError(
                f"Device {self._device.name}: a segment of {segment.size_bytes} bytes is not a whole number "
                f"of encryption sectors of {segment.sector_size} bytes."
            )
        self.size += segment.size_bytes

    @property
    def segments(self) -> tuple[CryptSegment, ...]:
        """The segments, in the order of the plaintext."""
        return tuple(part.segment for part in self._parts)

    @property
    def available(self) -> int:
        """Bytes from the beginning on that the device has: `size`, unless it was cut short."""
        there = 0
        for part in self._parts:
            there += part.there
            if part.there < part.segment.size_bytes:
                break
        return there

    def shares_bytes_with(self, fd: int) -> bool:
        """Whether an open file or device has bytes of the volume's own device, under any name."""
        return isinstance(self._device, Device) and share_bytes(fd, self._device.fileno())

    def read_into(self, buffer: WriteableBuffer, offset: int) -> None:
        """Fill a buffer with plaintext.

        Args:
            buffer: Any contiguous writable buffer; its length is what is read.
            offset: Byte of the plaintext to begin at; neither it nor the length need be aligned.

        Raises:
            ValueError: The buffer reaches beyond the volume's end, or the volume is closed.
            DeviceError: The device cannot be read, or was cut short before that; part of the buffer may
                have been filled.
        """
        if self._fast is not None and self._fast(buffer, offset):
            return
        with memoryview(buffer) as whole, whole.cast("B") as view:
            self._check(offset, view.nbytes)
            for part, at, start, end in self._pieces(offset, view.nbytes):
                self._read_part(part, view[start:end], at, None)

    def read_run_into(self, buffer: WriteableBuffer, offset: int) -> None:
        """Fill a long buffer with plaintext, as `read_into` does, for reading a volume once from end to end.

        A file is not copied first, but decrypted from where it is in memory, and a disk is read past the page
        cache.
        """
        runs = self._runs
        if runs is None:
            from kdumpkey.storage.runs import runs_of  # noqa: PLC0415 - only copies of volumes need it

            with self._lock:
                runs = self._runs = self._runs or runs_of(self._device)
        with memoryview(buffer) as whole, whole.cast("B") as view:
            self._check(offset, view.nbytes)
            for part, at, start, end in self._pieces(offset, view.nbytes):
                self._read_part(part, view[start:end], at, runs)

    def write(
        self,
        buffer: ReadableBuffer,
        offset: int,
        *,
        room: memoryview | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Encrypt a buffer into the volume.

        Args:
            buffer: Any contiguous buffer, all of which is written.
            offset: Byte of the plaintext to begin at; neither it nor the length need be aligned.
            room: Where the ciphertext may stand until it is written, at least as long as the buffer, or 256
                KiB; default: memory made for this call.
            check: Called when a piece has been encrypted, before it is written; raises to prevent that.

        Raises:
            ValueError: The buffer reaches beyond the volume's end, or the volume is closed.
            CipherError: The volume key must not encrypt: its two XTS halves are equal.
            DeviceError: The device cannot be written, or was opened for reading; part of the buffer may
                have been written.
        """
        if self._writer is None:
            raise DeviceError(f"Device {self._device.name} was opened for reading only.")
        with memoryview(buffer) as whole, whole.cast("B") as view:
            self._check(offset, view.nbytes)
            for part, at, start, end in self._pieces(offset, view.nbytes):
                self._write_part(self._writer, part, view[start:end], at, room, check)

    def reopen(self, volume_key: ReadableBuffer, *, device: Reader | None = None) -> Volume:
        """The same volume with keys of this process's own, for a program that has forked.

        A child does not inherit keys: each keeps its volume key where it can, in a `SecretBuffer` filled
        through a pipe or a keyring, and calls this. The volume that was inherited gives no plaintext.

        Args:
            volume_key: The volume key; copied, so it may be closed at once.
            device: The data device, opened anew; default: the one that this volume has.

        Raises:
            CipherError: The key's length is not the cipher's.
            DeviceError: The device ends before a segment does.
        """
        return Volume(
            self._device if device is None else device,
            self._segments,
            volume_key,
            tier=self._tier,
            cut_short=self._cut_short,
        )

    def __repr__(self) -> str:
        return f"<Volume of {self._device.name!r}, {self.size} bytes>"

    def raw(self) -> VolumeFile:
        """The volume as a binary file object, which any Python code can read; closing it closes no volume."""
        return VolumeFile(self)

    @property
    def writable(self) -> bool:
        """Whether the device was opened for writing."""
        return self._writer is not None

    def close(self) -> None:
        """Wipe the ciphers' keys; the device stays open. Closing twice is harmless."""
        parts, self._parts, self._fast = self._parts, [], None
        runs, self._runs = self._runs, None
        if runs is not None:
            runs.close()
        for part in parts:
            if part.cipher:
                part.cipher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check(self, offset: int, length: int) -> None:
        if not self._parts and self.size:
            raise ValueError("the volume is closed")
        if offset < 0 or offset + length > self.size:
            raise ValueError(f"bytes {offset} to {offset + length} are not in a volume of {self.size} bytes")

    def _pieces(self, offset: int, length: int) -> list[tuple[_Part, int, int, int]]:
        """The parts that a run touches: byte of the part, and where of the run's buffer."""
        pieces = []
        for part in self._parts:
            start, end = max(offset, part.start), min(offset + length, part.end)
            if start < end:
                pieces.append((part, start - part.start, start - offset, end - offset))
        return pieces

    def _read_part(self, part: _Part, view: memoryview, at: int, runs: Runs | None) -> None:
        if at + len(view) > part.there:
            raise DeviceError(
                f"Device {self._device.name} was cut short: bytes {part.start + part.there} to {part.end} of "
                f"the volume are missing."
            )
        step = part.sector_size
        if part.cipher is None:
            self._device.pread_into(view, part.offset + at)
            return
        piece = _CHUNK if runs is None else runs.longest
        done, length = 0, len(view)
        while done < length:
            inside = (at + done) % step
            whole = min(length - done, piece) // step * step
            if inside or not whole:
                take = min(step - inside, length - done)
                sector = self._read_sector(part, part.cipher, at + done - inside)
                view[done : done + take] = sector[inside : inside + take]
            else:
                take = whole
                with view[done : done + take] as run:
                    self._read_sectors(part, part.cipher, run, at + done, runs)
            done += take

    def _read_sectors(
        self, part: _Part, cipher: SectorCipher, run: memoryview, at: int, runs: Runs | None
    ) -> None:
        """Whole sectors, from byte `at` of the part on."""
        first = part.tweak + at // SECTOR
        if runs is None:
            self._device.pread_into(run, part.offset + at)
            cipher.decrypt_into(run, run, first)
        else:
            runs.use(part.offset + at, len(run), lambda source, _: cipher.decrypt_into(source, run, first))

    def _read_sector(self, part: _Part, cipher: SectorCipher, at: int) -> bytearray:
        sector = bytearray(part.sector_size)
        self._device.pread_into(sector, part.offset + at)
        cipher.decrypt_into(sector, sector, part.tweak + at // SECTOR)
        return sector

    def _write_part(  # noqa: PLR0913 - a part of write, with all that it was told
        self,
        device: Device,
        part: _Part,
        view: memoryview,
        at: int,
        room: memoryview | None,
        check: Callable[[], None] | None,
    ) -> None:
        check = check or _nothing
        step = part.sector_size
        if part.cipher is None:
            # From a mapping that was cut short the kernel gets EFAULT, where the processor gets zeros and
            # `check` tells: so a copy is written.
            copied = view if check is _nothing else memoryview(bytes(view))
            check()
            device.pwrite(copied, part.offset + at)
            return
        done, length = 0, len(view)
        with memoryview(bytearray(min(_CHUNK, len(view))) if room is None else room) as scratch:
            while done < length:
                inside = (at + done) % step
                whole = min(length - done, _CHUNK) // step * step
                if inside or not whole:
                    take = min(step - inside, length - done)
                    with self._lock:
                        start = at + done - inside
                        sector = self._read_sector(part, part.cipher, start)
                        sector[inside : inside + take] = view[done : done + take]
                        check()
                        self._encrypt(part.cipher, sector, sector, part.tweak + start // SECTOR)
                        device.pwrite(sector, part.offset + start)
                else:
                    take = whole
                    with view[done : done + take] as run, scratch[:take] as out:
                        self._encrypt(part.cipher, run, out, part.tweak + (at + done) // SECTOR)
                        check()
                        with self._writing:
                            device.pwrite(out, part.offset + at + done)
                done += take

    def _encrypt(self, cipher: SectorCipher, src: ReadableBuffer, dst: WriteableBuffer, sector: int) -> None:
        try:
            cipher.encrypt_into(src, dst, sector)
        except ValueError as error:
            if not self._parts:
                raise
            raise CipherError(f"this volume key must not encrypt: {error}") from error


def _nothing() -> None:
    """There is nothing to check."""


class VolumeFile(io.RawIOBase):
    """A volume as a raw binary file; wrap it in io.BufferedReader for small reads.

    Its position is its own: threads use one each, or read the volume itself.
    """

    def __init__(self, volume: Volume) -> None:
        super().__init__()
        self._volume = volume
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Whether the device was opened for writing."""
        return self._volume.writable

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill as much of a buffer as there is plaintext left; 0 at the end."""
        self._check_open()
        with memoryview(buffer) as whole, whole.cast("B") as view:
            count = max(0, min(view.nbytes, self._volume.size - self._position))
            if count:
                with view[:count] as part:
                    self._volume.read_into(part, self._position)
        self._position += count
        return count

    def write(self, buffer: ReadableBuffer, /) -> int:
        """Write as much of a buffer as there is room for.

        Raises:
            OSError: There is no room left (ENOSPC), as on a block device.
        """
        self._check_open()
        with memoryview(buffer) as whole, whole.cast("B") as view:
            count = max(0, min(view.nbytes, self._volume.size - self._position))
            if view.nbytes and not count:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with view[:count] as part:
                self._volume.write(part, self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position; beyond the end is allowed, and reads nothing.

        Raises:
            ValueError: Before the beginning, or an unknown `whence`.
        """
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._volume.size}.get(whence)
        if base is None:
            raise ValueError(f"whence {whence} is unknown")
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        self._check_open()
        return self._position

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
