"""A LUKS2 header both of whose binary headers are gone, read from a JSON area that is whole.

A partition table or a filesystem that was written over a device's beginning spoils both checksums, and often
leaves one JSON area and the keyslots. What such an area says is judged as always, but nothing vouches for it,
so it is read and never written back: `salvaged` is for reading, `detached_header` for a file of its own.

Source: the LUKS2 on-disk format, section "Header"; the places are those of docs/spec/luks.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdumpkey.errors import AmbiguousSignatureError, DeviceError, HeaderError
from kdumpkey.luks import layout, luks2, strict_json
from kdumpkey.luks.header import read_header
from kdumpkey.luks.identity import Identity, is_uuid
from kdumpkey.luks.signatures import foreign_signature
from kdumpkey.luks.validate import validated
from kdumpkey.storage.device import open_readonly
from kdumpkey.storage.partitions import gpt_backup

if TYPE_CHECKING:
    from kdumpkey.luks.model import Luks2Header
    from kdumpkey.luks.strict_json import JsonObject
    from kdumpkey.storage.device import Reader


@dataclass(frozen=True)
class Salvage:
    """A header that was put together from what is left, and what is lost, a line each."""

    header: Luks2Header
    losses: tuple[str, ...]


def salvaged(reader: Reader) -> Salvage | None:
    """Put a header together from a JSON area that is whole; None: no area is.

    Args:
        reader: A device that has no valid LUKS2 header.

    Raises:
        DeviceError: The device cannot be read.
    """
    for size in layout.LUKS2_METADATA_SIZES:
        for offset in (0, size):
            json = _json_at(reader, offset, size)
            if json is None:
                continue
            identity = _identity_left(reader, size)
            try:
                header = luks2.build(json, luks2.BinaryFields(identity or Identity(""), size))
            except HeaderError:
                continue
            if header.areas_end <= reader.size:
                return Salvage(header, _losses(reader, offset, identity))
    return None


def is_salvageable(path: str) -> bool:
    """Whether a device that was refused has lost both its LUKS2 headers, and a JSON area is whole."""
    try:
        with open_readonly(path) as device:
            try:
                read_header(device)
            except AmbiguousSignatureError:
                return False
            except HeaderError:
                return salvaged(device) is not None
    except DeviceError:
        pass
    return False


def detached_header(reader: Reader, header: Luks2Header) -> bytes:
    """Make a detached header with its keyslots' areas; the data stay where they are.

    Args:
        reader: The device that the header was salvaged from.
        header: What was salvaged.

    Raises:
        HeaderError: It does not fit into its area.
        DeviceError: The device cannot be read.
    """
    whole = bytearray(header.areas_end)
    start = header.areas_start
    with memoryview(whole)[start:] as areas:
        reader.pread_into(areas, start)
    for secondary in (False, True):
        copy = luks2.serialise(header, secondary=secondary, salt=os.urandom(layout.LUKS2_SALT_BYTES))
        at = header.metadata_size if secondary else 0
        whole[at : at + len(copy)] = copy
    return bytes(whole)


def lost_data(device: Reader, header: Luks2Header) -> tuple[str, ...]:
    """Say which of the data a partition table's copy at the device's end was written over.

    Args:
        device: The device with the data, which may be another one than the header's.
        header: What was salvaged.

    Raises:
        DeviceError: The device cannot be read.
    """
    table = gpt_backup(device)
    return tuple(
        f"Lost: {stop - start} bytes of the data from byte {start} of {device.name} on, "
        "where the GPT's backup is."
        for segment in header.data_segments
        if (start := max(table.start, segment.offset))
        < (stop := table.stop if segment.size is None else min(table.stop, segment.offset + segment.size))
    )


def _json_at(reader: Reader, offset: int, size: int) -> JsonObject | None:
    start, length = offset + layout.LUKS2_HEADER_SIZE, size - layout.LUKS2_HEADER_SIZE
    if start + length > reader.size:
        return None
    first = bytearray(1)
    reader.pread_into(first, start)
    if first != b"{":
        return None
    area = bytearray(length)
    reader.pread_into(area, start)
    text, _, rest = bytes(area).partition(b"\0")
    if len(text) == length or any(rest):
        return None
    try:
        return validated(strict_json.parse(text), length)
    except HeaderError:
        return None


def _identity_left(reader: Reader, size: int) -> Identity | None:
    """The identity in a copy that still has its magic and its place; None: neither copy has them."""
    for offset, magic in ((0, layout.MAGIC), (size, layout.MAGIC_SECONDARY)):
        block = bytearray(layout.LUKS2_HEADER_SIZE)
        if offset + len(block) > reader.size:
            continue
        reader.pread_into(block, offset)
        found = layout.Luks2Binary.unpack(block)
        whole = found.magic == magic and (found.version, found.hdr_size, found.hdr_offset) == (
            2,
            size,
            offset,
        )
        identity = luks2.BinaryFields.of(found).identity
        if whole and is_uuid(identity.uuid):
            return identity
    return None


def _losses(reader: Reader, offset: int, identity: Identity | None) -> tuple[str, ...]:
    try:
        signature = foreign_signature(reader) or "something else"
    except DeviceError:
        signature = "something else"
    which = "secondary" if offset else "primary"
    named = (
        f"The UUID {identity.uuid} is what is left of a header whose checksum is wrong"
        if identity
        else "Lost: the UUID, the label and the subsystem"
    )
    return (
        f"Both LUKS2 headers of {reader.name} are damaged: it may hold {signature} now.",
        f"Read-only, by the {which} header's JSON area, for which no checksum vouches any more.",
        f"{named}; the sequence number is lost.",
    )
