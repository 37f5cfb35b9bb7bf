"""A header of one version of LUKS as a header of the other, if the other can express it.

The keyslots' stripes stay as they are. They only move: a LUKS1 header's begin at byte 4096, those of a LUKS2
header behind its two copies at byte 32768.

Source: what cryptsetup 2.6.1 makes of header files, byte for byte, and what it refuses.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import ConversionError, HeaderError
from kdumpkey.luks import header_changes, layout, luks1, luks2
from kdumpkey.luks.identity import Identity
from kdumpkey.luks.layout import LUKS1_DIGEST_BYTES, SALT_BYTES, SECTOR
from kdumpkey.luks.model import Luks1Slot

if TYPE_CHECKING:
    from kdumpkey.luks.model import Digest, Keyslot, Luks1Header, Luks2Header, LuksHeader, Segment
    from kdumpkey.luks.strict_json import JsonObject

_METADATA: Final = layout.LUKS2_METADATA_SIZES[0]
_LUKS2_AREAS: Final = 2 * _METADATA
_SHIFT: Final = _LUKS2_AREAS - layout.LUKS1_AREAS_OFFSET
_SEQID: Final = 2
_UINT32: Final = range(1 << 32)
_INVALID: Final = "Cannot convert to LUKS2 format - invalid metadata."
_TO_LUKS1: Final = "Cannot convert to LUKS1 format - "


@dataclass(frozen=True)
class Conversion:
    """The new header, and where the areas go: `size` bytes from `source` to `target`."""

    header: LuksHeader
    source: int
    target: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind both the old and the new areas."""
        return max(self.source, self.target) + self.size


def to_luks2(header: Luks1Header) -> Conversion:
    """Say a LUKS1 header as LUKS2.

    Raises:
        ConversionError: Its areas are not where they can be moved from, or have no room to move.
    """
    start, end = header.areas_start, header.aligned_areas_end
    room = header.data_offset or end + _SHIFT
    if start != layout.LUKS1_AREAS_OFFSET or end + _SHIFT > room:
        raise ConversionError(_INVALID)
    keyslots_size = (room - _LUKS2_AREAS) // layout.LUKS2_AREA_ALIGNMENT * layout.LUKS2_AREA_ALIGNMENT
    fields = luks2.BinaryFields(Identity(header.uuid), _METADATA, _SEQID)
    try:
        converted = luks2.build(_json(header, keyslots_size), fields)
    except HeaderError as error:
        raise ConversionError(f"{error}\n{_INVALID}") from error
    return Conversion(converted, source=start, target=_LUKS2_AREAS, size=end - start)


def to_luks1(header: Luks2Header) -> Conversion:
    """Say a LUKS2 header as LUKS1; label, subsystem and priorities are lost.

    Raises:
        ConversionError: It has something that LUKS1 cannot say, or no room for eight keyslots.
    """
    segment = _only_segment(header)
    if header.tokens:
        raise ConversionError(f"{_TO_LUKS1}LUKS2 header contains {len(header.tokens)} token(s).")
    beyond = [number for number in header.keyslots if number >= layout.LUKS1_SLOTS]
    if beyond:
        raise ConversionError(f"{_TO_LUKS1}slot {min(beyond)} (over maximum slots) is still active.")
    if len(header.digests) != 1:
        raise ConversionError(f"{_TO_LUKS1}key slot digests are not LUKS1 compatible.")
    digest = next(iter(header.digests.values()))
    if (
        digest.type != "pbkdf2"
        or digest.salt is None
        or digest.digest is None
        or len(digest.digest) < LUKS1_DIGEST_BYTES
        or len(digest.salt) != SALT_BYTES
        or digest.iterations not in _UINT32
    ):
        raise ConversionError(f"{_TO_LUKS1}key slot digests are not LUKS1 compatible.")
    for number in sorted(header.keyslots):
        if not _is_compatible(header.keyslots[number], segment, digest):
            raise ConversionError(f"{_TO_LUKS1}keyslot {number} is not LUKS1 compatible.")
    if not header.keyslots:
        raise ConversionError(f"{_TO_LUKS1}there are no active keyslots.")
    key_size = next(iter(header.keyslots.values())).key_size
    cipher_name, _, cipher_mode = segment.encryption.partition("-")
    converted = luks1.build(
        uuid=header.uuid,
        cipher_name=cipher_name,
        cipher_mode=cipher_mode,
        hash_spec=digest.hash,
        payload_offset=segment.offset // SECTOR,
        key_size=key_size,
        # What PBKDF2 gives is the beginning of what it gives for a longer key.
        mk_digest=digest.digest[:LUKS1_DIGEST_BYTES],
        mk_digest_salt=digest.salt,
        mk_digest_iterations=digest.iterations,
        slots=_slots(header, key_size),
    )
    try:
        luks1.parse(luks1.serialise(converted).ljust(layout.LUKS1_HEADER_SIZE, b"\0"))
    except HeaderError as error:
        raise ConversionError(f"{error}\n{_TO_LUKS1}it would not be valid.") from error
    target = layout.LUKS1_AREAS_OFFSET
    return Conversion(
        converted, source=_LUKS2_AREAS, target=target, size=converted.aligned_areas_end - target
    )


def _only_segment(header: Luks2Header) -> Segment:
    if len(header.segments) != 1 or not header.data_segments[0].encryption:
        raise ConversionError(f"{_TO_LUKS1}device uses more segments.")
    segment = header.data_segments[0]
    if segment.sector_size != SECTOR:
        raise ConversionError(f"{_TO_LUKS1}default segment encryption sector size is not 512 bytes.")
    # What LUKS1 has no words for, and its reader would get wrong.
    fits = segment.offset // SECTOR in _UINT32
    if (
        segment.integrity is not None
        or segment.iv_tweak
        or segment.size is not None
        or segment.flags
        or not fits
    ):
        raise ConversionError(f"{_TO_LUKS1}the segment is not LUKS1 compatible.")
    if "-" not in segment.encryption or any(
        len(part.encode()) > 31 for part in segment.encryption.split("-", 1)
    ):
        raise ConversionError(f"{_TO_LUKS1}the cipher {segment.encryption} has no LUKS1 name.")
    return segment


def _is_compatible(keyslot: Keyslot, segment: Segment, digest: Digest) -> bool:
    kdf, af, area = keyslot.kdf, keyslot.af, keyslot.area
    return (
        keyslot.type == "luks2"
        and isinstance(kdf, Pbkdf2)
        and len(kdf.salt) == SALT_BYTES
        and kdf.iterations in _UINT32
        and af is not None
        and af.stripes == layout.LUKS1_STRIPES
        and kdf.hash == af.hash == digest.hash
        and area.encryption == segment.encryption
        and area.key_size == keyslot.key_size
        and area.offset % SECTOR == 0
        and area.size == layout.area_bytes(keyslot.key_size)
        and digest.segments == (segment.id,)
        and keyslot.id in digest.keyslots
    )


def _slots(header: Luks2Header, key_size: int) -> tuple[Luks1Slot, ...]:
    """The eight slots; those that are not in use get areas too, where there is room."""
    size = layout.area_bytes(key_size)
    taken = {number: (slot.area.offset, slot.area.size) for number, slot in header.keyslots.items()}
    slots = []
    for number in range(layout.LUKS1_SLOTS):
        keyslot = header.keyslots.get(number)
        if keyslot is None:
            offset = header_changes.free_space(taken.values(), header.areas_start, header.areas_end, size)
            if offset is None:
                raise ConversionError("Unable to move keyslot area. Not enough space.")
            taken[number] = (offset, size)
        slot = luks1.inactive_slot((taken[number][0] - _SHIFT) // SECTOR)
        if keyslot is not None and isinstance(keyslot.kdf, Pbkdf2):
            kdf = keyslot.kdf
            slot = slot._replace(active=True, iterations=kdf.iterations, salt=kdf.salt)
        slots.append(slot)
    return tuple(slots)


def _json(header: Luks1Header, keyslots_size: int) -> JsonObject:
    return {
        "keyslots": {
            str(number): _keyslot_json(header, slot)
            for number, slot in enumerate(header.slots)
            if slot.active
        },
        "tokens": {},
        "segments": {
            "0": {
                "type": "crypt",
                "offset": str(header.payload_offset * SECTOR),
                "iv_tweak": "0",
                "size": "dynamic",
                "encryption": header.encryption,
                "sector_size": SECTOR,
            }
        },
        "digests": {
            "0": {
                "type": "pbkdf2",
                "keyslots": [str(number) for number, slot in enumerate(header.slots) if slot.active],
                "segments": ["0"],
                "hash": header.hash_spec,
                "salt": _base64(header.mk_digest_salt),
                "digest": _base64(header.mk_digest),
                "iterations": header.mk_digest_iterations,
            }
        },
        "config": {
            "json_size": str(_METADATA - layout.LUKS2_HEADER_SIZE),
            "keyslots_size": str(keyslots_size),
        },
    }


def _keyslot_json(header: Luks1Header, slot: Luks1Slot) -> JsonObject:
    return {
        "type": "luks2",
        "key_size": header.key_size,
        "kdf": {
            "type": "pbkdf2",
            "hash": header.hash_spec,
            "iterations": slot.iterations,
            "salt": _base64(slot.salt),
        },
        "af": {"type": "luks1", "hash": header.hash_spec, "stripes": slot.stripes},
        "area": {
            "type": "raw",
            "encryption": header.encryption,
            "key_size": header.key_size,
            "offset": str(slot.key_material_offset * SECTOR + _SHIFT),
            "size": str(layout.area_bytes(header.key_size)),
        },
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
