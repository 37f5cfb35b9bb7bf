"""Which version of LUKS a device carries, and its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.errors import HeaderError, NotLuksError
from kdumpkey.luks import layout

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.storage.device import Reader


def read_header(
    device: Reader,
    header_device: Reader | None = None,
    *,
    version: int | None = None,
    cut_short: bool = False,
) -> LuksHeader:
    """Read the LUKS header of a device without writing anything, whatever state its copies are in.

    Args:
        device: The encrypted device, with its header unless that is detached.
        header_device: Where a detached header is.
        version: Take a header of this version alone, 1 or 2.
        cut_short: Take a device that ends before the keyslots' areas do, for what is left of it.

    Raises:
        NotLuksError: There is no LUKS header.
        AmbiguousSignatureError: A LUKS2 header has one good copy, and the device looks like something else.
        HeaderError: There is one, and it is damaged or inconsistent; `path` names the field.
        DeviceError: The device cannot be read.
    """
    reader = header_device or device
    found = primary_version(reader)
    if version is not None and found in (1, 2) and found != version:
        raise NotLuksError(f"the header is of LUKS version {found}, not {version}")
    wanted = version or found
    if wanted == 1:
        from kdumpkey.luks import luks1  # noqa: PLC0415 - one version's reader is enough

        return luks1.read(reader, cut_short=cut_short)
    if wanted in (0, 2):  # 0: the primary copy's magic is gone, the secondary may be there
        from kdumpkey.luks import luks2  # noqa: PLC0415

        return luks2.read(reader, cut_short=cut_short)
    raise HeaderError(f"Unsupported LUKS version {wanted}.")


def primary_version(reader: Reader) -> int:
    """Return the version that the header at the start of a device has, or 0 where there is no LUKS magic."""
    head = bytearray(8)
    if reader.size < layout.LUKS2_HEADER_SIZE // 4:
        return 0
    reader.pread_into(head, 0)
    return int.from_bytes(head[6:]) if head.startswith(layout.MAGIC) else 0
