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
    """Read the LUKS header of a device without writing anything, even if a copy needs to be rewritten.

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
    if _version_to_read(reader, version) == 1:
        from kdumpkey.luks import luks1  # noqa: PLC0415 - one version's reader is enough

        return luks1.read(reader, cut_short=cut_short)
    from kdumpkey.luks import luks2  # noqa: PLC0415 - as above

    return luks2.read(reader, cut_short=cut_short)


def read_uuid(reader: Reader, *, version: int | None = None) -> str:
    """Read and judge a LUKS header as `read_header` does, and return its UUID alone.

    Args:
        reader: The device that has the header.
        version: Take a header of this version alone, 1 or 2.

    Raises:
        HeaderError: As `read_header`.
        DeviceError: The device cannot be read.
    """
    if _version_to_read(reader, version) == 1:
        from kdumpkey.luks import luks1_rules  # noqa: PLC0415 - one version's rules are enough

        return layout.text(luks1_rules.read_judged(reader)[0].uuid)
    from kdumpkey.luks import luks2_copies  # noqa: PLC0415 - as above

    return layout.text(luks2_copies.read_copies(reader).used.binary.uuid)


def _version_to_read(reader: Reader, wanted: int | None) -> int:
    found = primary_version(reader)
    if wanted is not None and found in (1, 2) and found != wanted:
        raise NotLuksError(f"the header is of LUKS version {found}, not {wanted}")
    version = wanted or found or 2  # 0: the primary copy's magic is gone, the secondary may be there
    if version not in (1, 2):
        raise HeaderError(f"Unsupported LUKS version {version}.")
    return version


def primary_version(reader: Reader) -> int:
    """Return the version that the header at the start of a device has; 0: it has no LUKS magic."""
    head = bytearray(8)
    if reader.size < layout.LUKS2_HEADER_SIZE // 4:
        return 0
    reader.pread_into(head, 0)
    return int.from_bytes(head[6:]) if head.startswith(layout.MAGIC) else 0
