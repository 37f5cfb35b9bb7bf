"""The only writer of headers and keyslot areas.

The header is read anew under the exclusive lock, a damaged or older copy is rewritten first, and each step is
on the medium before the next begins, so that a loss of power at any write leaves a header that opens:

    with open_store(path) as store:
        ...                                    # ask, unlock and derive by store.header: nothing is locked
        with store.changing() as header:       # locked, read anew, both copies good
            store.write_area(offset, content)  # an area that no keyslot of `header` has
            store.write(changed)               # seqid + 1, primary, then secondary
            store.wipe_area(offset, size)      # an area that no keyslot of `changed` has

Source: docs/spec/luks.md "Writing".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self, TypeVar, assert_never

from kdumpkey._native.aesxts import AesXts
from kdumpkey.errors import ConflictError, DeviceError, NotLuksError
from kdumpkey.luks import layout, lock, write_order
from kdumpkey.luks.header import primary_version, read_header
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import CopyState, HeaderCopy, Luks1Header, Luks2Header, LuksHeader
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.device import Device, open_readwrite

if TYPE_CHECKING:
    from typing_extensions import Buffer

    PathLike = str | os.PathLike[str]

_HeaderT = TypeVar("_HeaderT", bound=LuksHeader)
_SEQIDS: Final = 1 << 64  # after the last comes 0, as with cryptsetup
_WIPE_CHUNK: Final = 1 << 20
_NOISE_KEY: Final = 64


def open_store(path: PathLike, *, version: int | None = None, exclusive: bool = False) -> HeaderStore:
    """Open the device that has a header, for changing it; a damaged or older copy is rewritten at once.

    Args:
        path: The device or file that the header is on.
        version: Take a header of this version of LUKS alone, 1 or 2.
        exclusive: Refuse a block device that is mounted or mapped.

    Raises:
        NotLuksError: There is no LUKS header (of that version).
        HeaderError: There is one, and it is damaged or inconsistent.
        DeviceError: The device does not exist, or cannot be read and written.
        BusyError: `exclusive`, and the device is in use.
    """
    device = open_readwrite(path, exclusive=exclusive)
    try:
        with lock.exclusive(device):
            header = mend(device, read_header(device, version=version))
        return HeaderStore(device, header, version)
    except BaseException:
        device.close()
        raise


class HeaderStore:
    """A device open for changing its header; close it, or use it in a `with` statement.

    Attributes:
        device: What the header is on; it is closed with the store.
        header: The header as it was read or written last.
    """

    def __init__(self, device: Device, header: LuksHeader, version: int | None = None) -> None:
        self.device = device
        self.header = header
        self._version = version
        self._locked = False

    @contextmanager
    def changing(self) -> Iterator[LuksHeader]:
        """Hold the exclusive lock and give the header as it is now, both copies good.

        Check what was made for `header` before against the header that this gives: others may have changed it
        meanwhile.

        Raises:
            ConflictError: It is another volume's header now.
            KdumpkeyError: As `open_store`.
        """
        with lock.exclusive(self.device):
            header = mend(self.device, read_header(self.device, version=self._version))
            if (header.uuid, header.version) != (self.header.uuid, self.header.version):
                raise ConflictError(f"Device {self.device.name} was given another header meanwhile.")
            self.header = header
            self._locked = True
            try:
                yield header
            finally:
                self._locked = False

    @contextmanager
    def changing_luks2(self) -> Iterator[Luks2Header]:
        """Hold the exclusive lock and give the header, for a change that LUKS1 has no room for.

        Raises:
            NotLuksError: It is a LUKS1 header.
            KdumpkeyError: As `changing`.
        """
        with self.changing() as header:
            match header:
                case Luks2Header():
                    yield header
                case Luks1Header():
                    raise NotLuksError(f"Device {self.device.name} is not a valid LUKS2 device.")
                case _:
                    assert_never(header)

    def write(self, header: _HeaderT) -> _HeaderT:
        """Write a changed header: of LUKS2 both copies, the primary first, with the next seqid.

        Args:
            header: Made from what `changing` gave.

        Returns:
            The header as written, which is now `self.header`.

        Raises:
            HeaderError: It does not fit into its area; nothing was written.
            ConflictError: Somebody who keeps to no lock has changed the header on the device.
            DeviceError: The device cannot be written; one of the copies is still good.
        """
        header = self._next(header)
        write_header(self.device, header)
        self.header = header
        return header

    def replace(self, header: LuksHeader, offset: int, area: Buffer) -> LuksHeader:
        """Write a keyslot area over an old one and the header that goes with it; see `write_order.replaced`.

        Args:
            header: Made from what `changing` gave.
            offset: Where the area is to be, in bytes: over the old one, for there is no free room.
            area: Encrypted stripes.

        Returns:
            The header as written, which is now `self.header`.

        Raises:
            KdumpkeyError: As `write`; what was there is put back, if that can be.
        """
        header = self._next(header)
        _write_or_put_back(self.device, write_order.replaced(header, offset, area))
        self.header = header
        return header

    def erase(self, header: LuksHeader) -> LuksHeader:
        """Write a header that lost its keyslots, so that a loss of power leaves all of them or none.

        Args:
            header: Made from what `changing` gave.

        Returns:
            The header as written, which is now `self.header`.

        Raises:
            KdumpkeyError: As `write`.
        """
        header = self._next(header)
        _write_or_put_back(self.device, write_order.erased(header))
        self.header = header
        return header

    def _next(self, header: _HeaderT) -> _HeaderT:
        """A changed header as it is to be written, if it still may be."""
        self._must_be_locked()
        match header:
            case Luks2Header():
                if self._was_changed():
                    raise ConflictError(f"Device {self.device.name} was changed meanwhile by something else.")
                # With seqid 0 the old header stays the better one until both copies are the new one's.
                return header._replace(seqid=(header.seqid + 1) % _SEQIDS)
            case _:  # a LUKS1 header does not count its changes
                return header

    def _was_changed(self) -> bool:
        """Whether the primary on the device is another one than was read under the lock."""
        match self.header:
            case Luks2Header(seqid=seqid):
                return _seqid_on(self.device) != seqid
            case Luks1Header():
                return False
            case _:
                assert_never(self.header)

    def check_fits(self, header: LuksHeader) -> None:
        """See that a changed header can be written, before its areas are.

        Raises:
            HeaderError: It does not fit into its JSON area.
        """
        write_order.copies(header)

    def write_area(self, offset: int, content: Buffer) -> None:
        """Write a keyslot area (encrypted stripes) and wait until it is on the medium.

        Raises:
            DeviceError: The device cannot be written; what was there is put back, if that can be.
        """
        self._must_be_locked()
        _write_or_put_back(self.device, [(offset, content)])

    def wipe_area(self, offset: int, size: int) -> None:
        """Overwrite `size` bytes of a keyslot area with random ones and wait until they are on the medium.

        Raises:
            DeviceError: The device cannot be written.
        """
        self._must_be_locked()
        wipe(self.device, offset, size)

    def convert(self, header: LuksHeader, *, source: int, target: int, size: int) -> None:
        """Move all keyslot areas, and put a header of the other version into the place of this one.

        At least one keyslot opens all the time; see `write_order.converted`.

        Args:
            header: The new header.
            source: Where the areas are, in bytes.
            target: Where they are to be.
            size: How many bytes they have.

        Raises:
            HeaderError: It does not fit; nothing was written.
            DeviceError: The device cannot be read or written; what was there is put back, if that can be.
        """
        self._must_be_locked()
        with SecretBuffer(size) as areas, memoryview(areas) as content:
            self.device.pread_into(content, source)
            _write_or_put_back(
                self.device, write_order.converted(self.header, header, content, source, target)
            )
        self.header, self._version = header, header.version

    def _must_be_locked(self) -> None:
        if not self._locked:
            raise ValueError("a header is changed within changing() only")

    def close(self) -> None:
        """Close the device; closing twice is harmless."""
        self.device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def create(
    device: Device, header: LuksHeader, areas: Mapping[int, Buffer], *, crowded: bool = False
) -> LuksHeader:
    """Write a brand-new header with its keyslots, in place of what is on the device.

    Args:
        device: Open for writing, large enough for the header's areas (grow a file before).
        header: Of either version, with its keyslots in it; of LUKS2, from `luks2.build`.
        areas: The content of the keyslots' areas, by offset in bytes: encrypted stripes.
        crowded: See `write_order.new`.

    Returns:
        The header as written.

    Raises:
        HeaderError: It does not fit into its area; nothing was written.
        DeviceError: The device cannot be written.
    """
    with lock.exclusive(device):
        for offset, content in write_order.new(header, areas, over=primary_version(device), crowded=crowded):
            device.pwrite(content, offset)
            device.sync()
    return header


def mend(device: Device, header: LuksHeader) -> LuksHeader:
    """Rewrite the copy of a LUKS2 header that is damaged or older, with the seqid of the good one.

    Raises:
        DeviceError: The device cannot be written.
    """
    match header:
        case Luks1Header():
            return header
        case Luks2Header():
            return header._replace(copies=tuple(_mended_copies(device, header)))
        case _:
            assert_never(header)


def _mended_copies(device: Device, header: Luks2Header) -> Iterator[HeaderCopy]:
    for number, copy in enumerate(header.copies):
        if copy.state is CopyState.CURRENT:
            yield copy
            continue
        offset, content = write_order.copies(header)[number]
        device.pwrite(content, offset)
        device.sync()
        yield copy._replace(offset=offset, state=CopyState.CURRENT, seqid=header.seqid, problem="")


def write_header(device: Device, header: LuksHeader) -> None:
    """Write all copies of a header as it is, each on the medium before the next; the lock is the caller's.

    Raises:
        HeaderError: It does not fit into its area; nothing was written.
        DeviceError: The device cannot be written; what was there is put back, if that can be.
    """
    _write_or_put_back(device, write_order.changed(header))


def wipe(device: Device, offset: int, size: int) -> None:
    """Overwrite a run of a device with random bytes and wait until they are on the medium.

    Raises:
        DeviceError: The device cannot be written, or ends before.
    """
    if offset < 0 or offset + size > device.size:
        raise DeviceError(f"Device {device.name} ends before byte {offset + size}.")
    # Zeros encrypted under a key that is wiped at once look as random as the system's own random bytes, and
    # are made forty times as fast.
    with SecretBuffer.random(_NOISE_KEY) as key, AesXts(key) as noise:
        buffer = bytearray(min(_WIPE_CHUNK, -(-size // SECTOR) * SECTOR))
        for at in range(offset, offset + size, _WIPE_CHUNK):
            noise.encrypt(buffer, buffer, SECTOR, at)
            with memoryview(buffer)[: min(_WIPE_CHUNK, offset + size - at)] as part:
                device.pwrite(part, at)
    device.sync()


def _write_or_put_back(device: Device, each: Sequence[tuple[int, Buffer]]) -> None:
    """Write one after the other, each on the medium before the next; where one fails, undo them all.

    The last is undone first, and where that cannot be the others stay: there is always a good copy.
    """
    before: list[tuple[int, SecretBuffer | None]] = []
    try:
        for offset, content in each:
            before.append((offset, _read(device, offset, memoryview(content).nbytes)))
            device.pwrite(content, offset)
            device.sync()
    except DeviceError:
        with suppress(DeviceError):
            for offset, old in reversed(before):
                if old is None:
                    break
                device.pwrite(old, offset)
                device.sync()
        raise
    finally:
        for _, old in before:
            if old is not None:
                old.close()


def _read(device: Device, offset: int, size: int) -> SecretBuffer | None:
    """What is on a device; None where it cannot be read: writing may mend that."""
    content = SecretBuffer(size)
    try:
        device.pread_into(content, offset)
    except DeviceError:
        content.close()
        return None
    return content


def _seqid_on(device: Device) -> int | None:
    """The primary's seqid as it stands on the device; None: the primary is gone."""
    if primary_version(device) != 2:
        return None
    block = bytearray(layout.LUKS2_HEADER_SIZE)
    device.pread_into(block, 0)
    return layout.Luks2Binary.unpack(block).seqid
