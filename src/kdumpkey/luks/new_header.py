"""A new header: where everything goes on a device, and the header itself, not yet on any device.

Source: docs/spec/luks.md "Defaults of luksFormat"; LUKS1 on-disk format, section 2; cryptsetup 2.6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import UsageError
from kdumpkey.luks import header_changes as edit
from kdumpkey.luks import layout, luks1, luks2
from kdumpkey.luks.model import SECTOR, Luks1Slot
from kdumpkey.luks.rules import UINT32_MAX

if TYPE_CHECKING:
    from kdumpkey.luks.model import Luks1Header, Luks2Header
    from kdumpkey.luks.strict_json import JsonObject

_KIB: Final = 1024
_MIB: Final = 1 << 20
METADATA_SIZES: Final = tuple(16 * _KIB << shift for shift in range(9))
DEFAULT_METADATA: Final = METADATA_SIZES[0]
DEFAULT_OFFSET: Final = 16 * _MIB
_MOST_KEYSLOTS_SIZE: Final = 128 * _MIB
_ALIGNMENT: Final = _MIB
_LUKS1_ALIGNMENT: Final = 2048  # sectors
_LUKS1_FIRST: Final = 8  # sectors
_BAD_SIZES: Final = "Unsupported LUKS2 metadata size options."
SMALL_AREA: Final = 9 * 256 * _KIB  # less than for nine keys of 512 bits


@dataclass(frozen=True)
class Geometry:
    """Where the parts of a LUKS2 device are, in bytes: a copy of the header, the areas, the data."""

    metadata_size: int
    keyslots_size: int
    data_offset: int


def geometry(
    *,
    metadata_size: int | None = None,
    keyslots_size: int | None = None,
    offset: int | None = None,
    alignment: int | None = None,
    detached: bool = False,
) -> Geometry:
    """Lay out a LUKS2 device as cryptsetup does.

    Args:
        metadata_size: Of one copy; default: 16 KiB.
        keyslots_size: Of all keyslot areas; default: what is left before the data.
        offset: Where the data begins; default: 16 MiB, or behind the areas.
        alignment: What the data's beginning is a multiple of; of a detached header's data, where they begin.
        detached: The header has a device of its own.

    Raises:
        UsageError: The sizes do not go together.
    """
    metadata = metadata_size or DEFAULT_METADATA
    if metadata not in METADATA_SIZES:
        raise UsageError(_BAD_SIZES)
    if keyslots_size is not None and not (
        edit.AREA_ALIGNMENT <= keyslots_size <= _MOST_KEYSLOTS_SIZE
        and keyslots_size % edit.AREA_ALIGNMENT == 0
    ):
        raise UsageError(_BAD_SIZES)
    headers = 2 * metadata
    if detached and alignment and not offset:
        offset = alignment
        if keyslots_size is not None:
            keyslots_size = min(
                keyslots_size, max(offset - headers, 0) // edit.AREA_ALIGNMENT * edit.AREA_ALIGNMENT
            )
    if offset:
        if keyslots_size is None:
            room = max(offset - headers, 0) // edit.AREA_ALIGNMENT * edit.AREA_ALIGNMENT
            keyslots_size = min(room, _MOST_KEYSLOTS_SIZE)
        if headers + keyslots_size > offset or keyslots_size < edit.AREA_ALIGNMENT:
            raise UsageError("Requested data offset is too small.")
        return Geometry(metadata, keyslots_size, offset)
    if keyslots_size is None:
        # Half a mebibyte of areas at the least, however large the headers.
        total = max(DEFAULT_OFFSET, -(-headers // _ALIGNMENT) * _ALIGNMENT + DEFAULT_OFFSET // 2)
        total = DEFAULT_OFFSET if headers <= DEFAULT_OFFSET // 2 else total
        keyslots_size = total - headers
    if detached:
        return Geometry(metadata, keyslots_size, 0)
    step = alignment or _ALIGNMENT
    return Geometry(metadata, keyslots_size, -(-(headers + keyslots_size) // step) * step)


@dataclass(frozen=True)
class Identity:
    """What names a device: its UUID, and of LUKS2 a label and a subsystem."""

    uuid: str
    label: str = ""
    subsystem: str = ""


def luks2_header(
    place: Geometry, identity: Identity, *, encryption: str, sector_size: int, digest: JsonObject
) -> Luks2Header:
    """A LUKS2 header without keyslots; the digest is that of the data's volume key.

    Raises:
        HeaderError: What was given breaks a rule.
    """
    segment: JsonObject = {
        "type": "crypt",
        "offset": str(place.data_offset),
        "size": "dynamic",
        "iv_tweak": "0",
        "encryption": encryption,
        "sector_size": sector_size,
    }
    json: JsonObject = {
        "keyslots": {},
        "tokens": {},
        "segments": {"0": segment},
        "digests": {"0": {**digest, "segments": ["0"]}},
        "config": {
            "json_size": str(place.metadata_size - layout.LUKS2_HEADER_SIZE),
            "keyslots_size": str(place.keyslots_size),
        },
    }
    binary = layout.Luks2Binary(
        magic=layout.MAGIC,
        version=2,
        hdr_size=place.metadata_size,
        seqid=3,  # as if a header without keyslots had been written first
        label=layout.field(identity.label, 48),
        csum_alg=layout.field("sha256", 32),
        salt=b"",
        uuid=layout.field(identity.uuid, 40),
        subsystem=layout.field(identity.subsystem, 48),
        hdr_offset=0,
        padding=b"",
        csum=b"",
    )
    return luks2.build(json, binary)


@dataclass(frozen=True)
class Luks1Digest:
    """The check value of a LUKS1 volume key: 20 bytes of PBKDF2 with the header's hash."""

    value: bytes
    salt: bytes
    iterations: int


def luks1_header(
    identity: Identity,
    *,
    cipher: tuple[str, str],
    hash_spec: str,
    key_size: int,
    digest: Luks1Digest,
    offset: int | None = None,
    alignment: int | None = None,
    detached: bool = False,
) -> Luks1Header:
    """A LUKS1 header with eight empty keyslots.

    Args:
        identity: Its UUID.
        cipher: Name and mode, such as ``aes`` and ``xts-plain64``.
        hash_spec: Of everything.
        key_size: Of the volume key, in bytes.
        digest: Of the volume key.
        offset: Where the data begins, in bytes.
        alignment: What the data's beginning is a multiple of, in bytes; of a detached header's data, where
            they begin.
        detached: The header has a device of its own.

    Raises:
        UsageError: The data would begin within the keyslots, or where 32 bits cannot say.
    """
    sectors = -(-key_size * layout.LUKS1_STRIPES // SECTOR)
    step = -(-sectors // _LUKS1_FIRST) * _LUKS1_FIRST
    slots = tuple(
        Luks1Slot(
            active=False,
            iterations=0,
            salt=bytes(32),
            key_material_offset=_LUKS1_FIRST + number * step,
            stripes=layout.LUKS1_STRIPES,
        )
        for number in range(layout.LUKS1_SLOTS)
    )
    end = _LUKS1_FIRST + layout.LUKS1_SLOTS * step
    if detached and not offset:
        payload = (alignment or 0) // SECTOR
        if 0 < payload < end:
            raise UsageError("Data offset for LUKS header must be either 0 or higher than header size.")
    elif offset:
        payload = offset // SECTOR
        if payload < end:
            raise UsageError("Requested data offset is too small.")
    else:
        multiple = (alignment or 0) // SECTOR or _LUKS1_ALIGNMENT
        payload = -(-end // multiple) * multiple
    if payload > UINT32_MAX:
        raise UsageError(f"The data of a LUKS1 device begin at sector {UINT32_MAX} at the latest.")
    return luks1.build(
        uuid=identity.uuid,
        cipher_name=cipher[0],
        cipher_mode=cipher[1],
        hash_spec=hash_spec,
        payload_offset=payload,
        key_size=key_size,
        mk_digest=digest.value,
        mk_digest_salt=digest.salt,
        mk_digest_iterations=digest.iterations,
        slots=slots,
    )
