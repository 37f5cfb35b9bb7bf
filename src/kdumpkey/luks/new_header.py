"""A new header: where everything goes on a device, and the header itself, not yet on any device.

Source: docs/spec/luks.md "Defaults of luksFormat"; LUKS1 on-disk format, section 2; cryptsetup 2.6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import UsageError
from kdumpkey.luks import layout, luks1, luks2
from kdumpkey.luks.header_changes import VolumeKeyDigest, digest_json
from kdumpkey.luks.layout import LUKS2_AREA_ALIGNMENT, LUKS2_MOST_KEYSLOTS_BYTES, SECTOR, round_up
from kdumpkey.luks.rules import UINT32_MAX

if TYPE_CHECKING:
    from kdumpkey.luks.identity import Identity
    from kdumpkey.luks.model import Luks1Header, Luks2Header
    from kdumpkey.luks.strict_json import JsonObject

_MIB: Final = 1 << 20
_DEFAULT_OFFSET: Final = 16 * _MIB
_ALIGNMENT: Final = _MIB
_LUKS1_ALIGNMENT: Final = 2048  # sectors
_BAD_SIZES: Final = "Unsupported LUKS2 metadata size options."
SMALL_AREA: Final = 9 << 18  # bytes: too few for nine keys of 512 bits


@dataclass(frozen=True)
class DataStart:
    """Where the data are to begin; sizes in bytes, None: as cryptsetup chooses.

    Attributes:
        offset: The byte at which they begin.
        alignment: What that byte is to be a multiple of; for a detached header, the byte itself.
        detached: The header has a device of its own.
    """

    offset: int | None = None
    alignment: int | None = None
    detached: bool = False


@dataclass(frozen=True)
class Geometry:
    """Where the parts of a LUKS2 device are, in bytes: a copy of the header, the areas, the data."""

    metadata_size: int
    keyslots_size: int
    data_offset: int


def geometry(
    data: DataStart, *, metadata_size: int | None = None, keyslots_size: int | None = None
) -> Geometry:
    """Lay out a LUKS2 device as cryptsetup does.

    Args:
        data: Where the data begin; default: at 16 MiB, or behind the areas.
        metadata_size: Bytes of one copy; default: 16 KiB.
        keyslots_size: Bytes of all keyslot areas; default: what is left before the data.

    Raises:
        UsageError: The sizes do not go together.
    """
    metadata = metadata_size or layout.LUKS2_METADATA_SIZES[0]
    if metadata not in layout.LUKS2_METADATA_SIZES:
        raise UsageError(_BAD_SIZES)
    if keyslots_size is not None and (
        not LUKS2_AREA_ALIGNMENT <= keyslots_size <= LUKS2_MOST_KEYSLOTS_BYTES
        or keyslots_size % LUKS2_AREA_ALIGNMENT
    ):
        raise UsageError(_BAD_SIZES)
    headers = 2 * metadata
    if data.offset or (data.detached and data.alignment):
        return _before_data(metadata, keyslots_size, data)
    if keyslots_size is None:
        keyslots_size = _DEFAULT_OFFSET - headers
    if data.detached:
        return Geometry(metadata, keyslots_size, 0)
    return Geometry(metadata, keyslots_size, round_up(headers + keyslots_size, data.alignment or _ALIGNMENT))


def _before_data(metadata: int, keyslots_size: int | None, data: DataStart) -> Geometry:
    """Lay out what fits before data whose beginning is given."""
    offset = data.offset or data.alignment or 0
    headers = 2 * metadata
    room = max(offset - headers, 0) // LUKS2_AREA_ALIGNMENT * LUKS2_AREA_ALIGNMENT
    if keyslots_size is None:
        keyslots_size = min(room, LUKS2_MOST_KEYSLOTS_BYTES)
    elif not data.offset:
        keyslots_size = min(keyslots_size, room)
    if headers + keyslots_size > offset or keyslots_size < LUKS2_AREA_ALIGNMENT:
        raise UsageError("Requested data offset is too small.")
    return Geometry(metadata, keyslots_size, offset)


def luks2_header(
    geometry: Geometry, identity: Identity, *, encryption: str, sector_size: int, digest: VolumeKeyDigest
) -> Luks2Header:
    """A LUKS2 header without keyslots; the digest is that of the data's volume key.

    Raises:
        HeaderError: What was given breaks a rule.
    """
    segment: JsonObject = {
        "type": "crypt",
        "offset": str(geometry.data_offset),
        "size": "dynamic",
        "iv_tweak": "0",
        "encryption": encryption,
        "sector_size": sector_size,
    }
    json: JsonObject = {
        "keyslots": {},
        "tokens": {},
        "segments": {"0": segment},
        "digests": {"0": {**digest_json(digest), "segments": ["0"]}},
        "config": {
            "json_size": str(geometry.metadata_size - layout.LUKS2_HEADER_SIZE),
            "keyslots_size": str(geometry.keyslots_size),
        },
    }
    # The sequence number is as if a header without keyslots had been written first.
    return luks2.build(json, luks2.BinaryFields(identity, geometry.metadata_size, seqid=3))


def luks1_header(
    identity: Identity, *, encryption: str, key_size: int, digest: VolumeKeyDigest, data: DataStart
) -> Luks1Header:
    """A LUKS1 header with eight empty keyslots.

    Args:
        identity: Its UUID.
        encryption: The cipher's specification, such as ``aes-xts-plain64``.
        key_size: Bytes of the volume key.
        digest: The volume key's, 20 bytes; its hash is the whole header's.
        data: Where the data begin.

    Raises:
        UsageError: The data would begin within the keyslots, or where 32 bits cannot say.
    """
    cipher_name, _, cipher_mode = encryption.partition("-")
    offsets = [layout.luks1_area_offset(key_size, number) for number in range(layout.LUKS1_SLOTS)]
    return luks1.build(
        uuid=identity.uuid,
        cipher_name=cipher_name,
        cipher_mode=cipher_mode,
        hash_spec=digest.hash,
        payload_offset=_luks1_payload_offset(key_size, data),
        key_size=key_size,
        mk_digest=digest.value,
        mk_digest_salt=digest.salt,
        mk_digest_iterations=digest.iterations,
        slots=tuple(luks1.inactive_slot(offset // SECTOR) for offset in offsets),
    )


def _luks1_payload_offset(key_size: int, data: DataStart) -> int:
    """The sector at which the data of a LUKS1 device begin."""
    end = layout.luks1_area_offset(key_size, layout.LUKS1_SLOTS) // SECTOR
    alignment = (data.alignment or 0) // SECTOR
    if data.offset:
        payload = data.offset // SECTOR
        if payload < end:
            raise UsageError("Requested data offset is too small.")
    elif data.detached:
        payload = alignment
        if 0 < payload < end:
            raise UsageError("Data offset for LUKS header must be either 0 or higher than header size.")
    else:
        payload = round_up(end, alignment or _LUKS1_ALIGNMENT)
    if payload > UINT32_MAX:
        raise UsageError(f"The data of a LUKS1 device begin at sector {UINT32_MAX} at the latest.")
    return payload
