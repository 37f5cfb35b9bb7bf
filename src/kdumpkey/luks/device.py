"""Opening a LUKS device: its header, its keyslots, and the plaintext behind them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Self

from kdumpkey.errors import (
    AmbiguousSignatureError,
    CipherError,
    DeviceError,
    HeaderError,
    KeyslotError,
    OverlapError,
    UsageError,
)
from kdumpkey.luks import read_header
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.luks.volume_key import verify_volume_key
from kdumpkey.storage.device import Device, open_readonly, open_readwrite

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from kdumpkey.luks.model import Digest, LuksHeader, Segment
    from kdumpkey.luks.unlock import Unlocked
    from kdumpkey.volume.volume import Volume

    PathLike = str | os.PathLike[str]


def open_luks(  # noqa: PLR0913 - the public API, all options by name
    path: PathLike | BinaryIO,
    *,
    header: PathLike | BinaryIO | None = None,
    offset: int = 0,
    version: int | None = None,
    writable: bool = False,
    cut_short: bool = False,
    salvage: bool = False,
) -> LuksDevice:
    """Open a LUKS device or image and read its header; nothing is written.

    Args:
        path: The encrypted device or image; or a binary file object that can be read and positioned, which
            stays open, and is read only.
        header: The device, file or file object with the header, where that is detached.
        offset: Byte of the device at which the volume begins, as a partition of a disk's image does.
        version: Take a header of this version of LUKS alone, 1 or 2.
        writable: Open the device for writing to its volume; a mounted or mapped one is refused.
        cut_short: Take a header whose device ends before the keyslots' areas do, for what is left of it.
        salvage: Where both LUKS2 headers are damaged, be content with a JSON area that is whole, for reading
            alone: what was lost is in `LuksDevice.losses`.

    Raises:
        NotLuksError: There is no LUKS header.
        HeaderError: There is one, and it is damaged or inconsistent.
        DeviceError: A device does not exist, cannot be read, or is neither file nor block device.
        BusyError: The device is to be written, and is in use.
        OverlapError: The device is to be written, and its data would begin inside its own header.
    """
    device = _opened(path, offset, writable=writable)
    header_device = device
    try:
        if header is not None:
            header_device = _opened(header, 0, writable=False)
        losses: tuple[str, ...] = ()
        try:
            found = read_header(header_device, version=version, cut_short=cut_short)
        except HeaderError as error:
            if writable or not salvage or version == 1 or isinstance(error, AmbiguousSignatureError):
                raise
            from kdumpkey.luks.salvage import lost_data, salvaged  # noqa: PLC0415 - hardly ever needed

            if (rest := salvaged(header_device)) is None:
                raise
            found, losses = rest.header, (*rest.losses, *lost_data(device, rest.header))
        luks = LuksDevice(device, header_device, found, losses)
        if writable:
            luks.check_data_apart()
        return luks
    except BaseException:
        device.close()
        header_device.close()
        raise


def _opened(path: PathLike | BinaryIO, start: int, *, writable: bool) -> Device:
    if not isinstance(path, str | os.PathLike):
        if writable:
            raise UsageError("A file object is only read; name the file to write to its volume.")
        from kdumpkey.storage.file_object import FileObjectDevice  # noqa: PLC0415 - no program opens any

        return FileObjectDevice(path, start)
    if writable:
        return open_readwrite(path, exclusive=True, start=start)
    return open_readonly(path, start=start)


class LuksDevice:
    """An open LUKS device with its header; close it, or use it in a `with` statement.

    `header_device` is `device` itself unless the header is detached. `losses` says what is lost of a header
    that was salvaged, a line each.
    """

    def __init__(
        self, device: Device, header_device: Device, header: LuksHeader, losses: tuple[str, ...] = ()
    ) -> None:
        self.device = device
        self.header_device = header_device
        self.header = header
        self.losses = losses

    def __repr__(self) -> str:
        return f"<LuksDevice {self.device.name!r}: {self.header!r}>"

    def unlock(
        self,
        passphrase: Buffer,
        *,
        keyslot: int | None = None,
        unbound: bool = False,
        check_memory: bool = True,
        serialize: bool = False,
    ) -> Unlocked:
        """Find the keyslot that a passphrase opens, and give its volume key.

        Args:
            passphrase: The passphrase, or a key file's content; only read.
            keyslot: Try this keyslot alone.
            unbound: Also try keyslots whose key opens no segment.
            check_memory: Compare the memory of Argon2 with what is available before it runs.
            serialize: Wait for other processes that run Argon2 with much memory, cryptsetup's included.

        Returns:
            Keyslot, digest and key; close the key, or use the result in a `with` statement.

        Raises:
            WrongKeyError: No keyslot opens with this passphrase.
            KeyslotError: No keyslot is usable, or one says what cannot be.
            ResourceError: The memory that a keyslot's Argon2 needs is not available.
            KdumpkeyError: As `kdumpkey.luks.unlock.unlock`.
        """
        # The kdump kernel's program, whose start is counted, opens no keyslot.
        from kdumpkey.luks.unlock import Search, unlock  # noqa: PLC0415 - a volume key opens no keyslot

        search = Search(keyslot, unbound, check_memory=check_memory, serialize=serialize)
        return unlock(self.header_device, self.header, passphrase, search)

    def verify(self, volume_key: Buffer) -> None:
        """Check that a volume key is this volume's.

        Raises:
            WrongKeyError: It is not.
            KdumpkeyError: The header's digest cannot be used.
        """
        verify_volume_key(self.header, volume_key)

    def volume(self, volume_key: Buffer, *, tier: str | None = None) -> Volume:
        """The plaintext behind a volume key, which is checked first.

        Of a device that was cut short what is there can be read (`Volume.available`), and nothing written.

        Args:
            volume_key: The volume key; it may be closed as soon as this returns.
            tier: The AES-XTS implementation to use: a demand. Default: the fastest.

        Raises:
            WrongKeyError: It is not this volume's key.
            RequirementsError: The header demands features that are not implemented.
            CipherError: The cipher is not implemented, or the segment is authenticated.
            OverlapError: The data would begin inside the header.
            DeviceError: The device ends before its data begin; or it was opened for writing, and they end
                before it.
        """
        from kdumpkey.volume.volume import CryptSegment, Volume  # noqa: PLC0415 - a passphrase that is only checked needs none

        cut_short = not self.device.writable
        segments = []
        for each, size in self.sized_segments(volume_key)[0]:
            if each.type == "linear":
                segments.append(CryptSegment(each.offset, size))
                continue
            whole = size // each.sector_size * each.sector_size if cut_short and each.sector_size else size
            segments.append(
                CryptSegment(each.offset, whole, each.encryption, each.sector_size, each.iv_tweak)
            )
        return Volume(self.device, segments, volume_key, tier=tier, cut_short=cut_short)

    def missing_end(self) -> str:
        """What of the data the device does not have, as a sentence; empty: it has all of them.

        A device that ends in the middle of a sector was cut short, even if its header names no size.
        """
        cut = f"Device {self.device.name} was cut short: it ends at byte {self.device.size}"
        for segment in self.header.data_segments:
            there = self.device.size - segment.offset
            step = segment.sector_size or SECTOR
            if segment.size is not None and there < segment.size:
                return f"{cut}, and the last {segment.size - max(0, there)} bytes of its data are missing."
            if segment.size is None and there <= 0:
                return f"{cut}, and its data, which begin at byte {segment.offset}, are missing."
            if segment.size is None and there % step:
                return (
                    f"{cut}, {there % step} bytes into a sector of {step}; that sector and what followed it "
                    "are missing."
                )
        return ""

    def sized_segments(self, volume_key: Buffer) -> tuple[list[tuple[Segment, int]], Digest]:
        """The segments that a volume key opens, each with its size in bytes, and the digest that it fits.

        Raises:
            As `volume`.
        """
        check_requirements(self.header, "open")
        self.check_data_apart()
        digest = verify_volume_key(self.header, volume_key)
        segments, opened = [], frozenset(digest.segments)
        for segment in self.header.data_segments:
            if segment.type == "crypt" and segment.id not in opened:
                raise KeyslotError(f"Segment {segment.id} has another volume key than this one.")
            segments.append((segment, self._size_of(segment)))
        return segments, digest

    def check_data_apart(self) -> None:
        """Refuse data that share a byte with their own header, even if the two were opened by other names.

        They do if a detached header is named in place of the device that it is for.

        Raises:
            OverlapError: They share one.
        """
        from kdumpkey.storage.extent import overlap  # noqa: PLC0415 - who only reads, as most starts do, never asks

        data, metadata = self.device.extent(), self.header_device.extent()
        header = range(self.header.areas_end)
        for segment in self.header.data_segments:
            stop = self.device.size if segment.size is None else segment.offset + segment.size
            if overlap(data, range(segment.offset, max(stop, segment.offset + 1)), metadata, header):
                raise OverlapError("Device header overlaps with data area.")

    def _size_of(self, segment: Segment) -> int:
        if segment.type not in ("crypt", "linear"):
            raise CipherError(f"Segment {segment.id} is of the unknown type {segment.type!r}.")
        if segment.integrity is not None:
            raise CipherError(f"Segment {segment.id} has authenticated encryption, which is not supported.")
        size = segment.size
        if size is None:
            # As a loop device does it, what is less than a sector at the end of a file is left out.
            size = (self.device.size - segment.offset) // SECTOR * SECTOR
            if size <= 0:
                raise DeviceError(
                    f"Device {self.device.name} has no data: it ends at byte {self.device.size}, and its "
                    f"data begins at byte {segment.offset}."
                )
        return size

    def close(self) -> None:
        """Close the devices; closing twice is harmless."""
        self.device.close()
        self.header_device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
