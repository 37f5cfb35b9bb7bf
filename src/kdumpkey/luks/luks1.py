"""LUKS1: read and judge its one header, write it back.

Source: the LUKS1 on-disk format, version 1.2.3, and what cryptsetup refuses beyond it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.luks import layout, luks1_rules
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import (
    Af,
    Area,
    CopyState,
    Digest,
    HeaderCopy,
    Keyslot,
    Luks1Header,
    Luks1Slot,
    Segment,
)

if TYPE_CHECKING:
    from kdumpkey.luks.layout import Luks1Binary, Luks1BinarySlot
    from kdumpkey.storage.device import Reader


def read(reader: Reader, *, cut_short: bool = False) -> Luks1Header:
    """Read the LUKS1 header at the start of a device.

    Args:
        reader: The device.
        cut_short: Take a device that ends before the keyslots' areas do.

    Raises:
        NotLuksError: There is no LUKS1 header.
        HeaderError: It is inconsistent, or the device too small for it.
        DeviceError: The device cannot be read.
    """
    return _build(*luks1_rules.read_judged(reader, cut_short=cut_short))


def parse(block: bytes | bytearray | memoryview) -> Luks1Header:
    """Read a LUKS1 header from its first 1024 bytes, and judge all of it that does not need the device.

    Raises:
        NotLuksError: There is no LUKS1 header.
        HeaderError: It is inconsistent; the message names the slot.
    """
    return _build(*luks1_rules.judged(block))


def _build(binary: Luks1Binary, binary_slots: tuple[Luks1BinarySlot, ...]) -> Luks1Header:
    slots = tuple(
        Luks1Slot(
            active=slot.state == layout.LUKS1_ACTIVE,
            iterations=slot.iterations,
            salt=slot.salt,
            key_material_offset=slot.key_material_offset,
            stripes=slot.stripes,
        )
        for slot in binary_slots
    )
    return build(
        uuid=layout.text(binary.uuid),
        cipher_name=layout.text(binary.cipher_name),
        cipher_mode=layout.text(binary.cipher_mode),
        hash_spec=layout.text(binary.hash_spec),
        payload_offset=binary.payload_offset,
        key_size=binary.key_bytes,
        mk_digest=binary.mk_digest,
        mk_digest_salt=binary.mk_digest_salt,
        mk_digest_iterations=binary.mk_digest_iterations,
        slots=slots,
    )


def build(  # noqa: PLR0913 - the fields of a LUKS1 header, all by name
    *,
    uuid: str,
    cipher_name: str,
    cipher_mode: str,
    hash_spec: str,
    payload_offset: int,
    key_size: int,
    mk_digest: bytes,
    mk_digest_salt: bytes,
    mk_digest_iterations: int,
    slots: tuple[Luks1Slot, ...],
) -> Luks1Header:
    """Make the header that these fields describe, with the keyslots, segment and digest that follow.

    The arguments are the fields of `Luks1Header`; nothing is checked.
    """
    encryption = f"{cipher_name}-{cipher_mode}"
    active = tuple(number for number, slot in enumerate(slots) if slot.active)
    keyslots = {
        number: Keyslot(
            id=number,
            type="luks1",
            key_size=key_size,
            area=Area(
                type="raw",
                offset=slots[number].key_material_offset * SECTOR,
                size=layout.stripes_bytes(key_size, slots[number].stripes),
                encryption=encryption,
                key_size=key_size,
            ),
            af=Af(type="luks1", stripes=slots[number].stripes, hash=hash_spec),
            kdf=Pbkdf2(hash=hash_spec, iterations=slots[number].iterations, salt=slots[number].salt),
        )
        for number in active
    }
    segment = Segment(
        id=0,
        type="crypt",
        offset=payload_offset * SECTOR,
        size=None,
        encryption=encryption,
        sector_size=SECTOR,
    )
    digest = Digest(
        id=0,
        type="pbkdf2",
        keyslots=active,
        segments=(0,),
        hash=hash_spec,
        iterations=mk_digest_iterations,
        salt=mk_digest_salt,
        digest=mk_digest,
    )
    return Luks1Header(
        version=1,
        uuid=uuid,
        keyslots=keyslots,
        segments={0: segment},
        digests={0: digest},
        tokens={},
        copies=(HeaderCopy(offset=0, state=CopyState.CURRENT),),
        used=0,
        cipher_name=cipher_name,
        cipher_mode=cipher_mode,
        hash_spec=hash_spec,
        payload_offset=payload_offset,
        key_size=key_size,
        mk_digest=mk_digest,
        mk_digest_salt=mk_digest_salt,
        mk_digest_iterations=mk_digest_iterations,
        slots=slots,
    )


def serialise(header: Luks1Header) -> bytes:
    """Return the 592 bytes of a header as they stand on the device."""
    fields = layout.Luks1Binary(
        magic=layout.MAGIC,
        version=1,
        cipher_name=layout.field(header.cipher_name, layout.LUKS1_NAME_BYTES),
        cipher_mode=layout.field(header.cipher_mode, layout.LUKS1_NAME_BYTES),
        hash_spec=layout.field(header.hash_spec, layout.LUKS1_NAME_BYTES),
        payload_offset=header.payload_offset,
        key_bytes=header.key_size,
        mk_digest=header.mk_digest,
        mk_digest_salt=header.mk_digest_salt,
        mk_digest_iterations=header.mk_digest_iterations,
        uuid=layout.field(header.uuid, layout.UUID_BYTES),
    )
    slots = tuple(
        layout.Luks1BinarySlot(
            state=layout.LUKS1_ACTIVE if slot.active else layout.LUKS1_INACTIVE,
            iterations=slot.iterations,
            salt=slot.salt,
            key_material_offset=slot.key_material_offset,
            stripes=slot.stripes,
        )
        for slot in header.slots
    )
    return layout.pack_luks1(fields, slots)


def sectors(header: Luks1Header) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    """Return the header's two sectors with their offsets: each is written whole or not at all."""
    block = serialise(header)
    return (0, block[:SECTOR]), (SECTOR, block[SECTOR:])


def inactive_slot(key_material_offset: int) -> Luks1Slot:
    """Return a slot that is not in use; its area begins at a sector."""
    return Luks1Slot(
        active=False,
        iterations=0,
        salt=bytes(layout.SALT_BYTES),
        key_material_offset=key_material_offset,
        stripes=layout.LUKS1_STRIPES,
    )


def with_slot(header: Luks1Header, number: int, slot: Luks1Slot) -> Luks1Header:
    """Return a header in which one of the eight slots is another."""
    slots = (*header.slots[:number], slot, *header.slots[number + 1 :])
    return rebuilt(header, slots=slots)


def rebuilt(
    header: Luks1Header, *, slots: tuple[Luks1Slot, ...] | None = None, uuid: str | None = None
) -> Luks1Header:
    """Return a header with other slots or another UUID."""
    return build(
        uuid=header.uuid if uuid is None else uuid,
        cipher_name=header.cipher_name,
        cipher_mode=header.cipher_mode,
        hash_spec=header.hash_spec,
        payload_offset=header.payload_offset,
        key_size=header.key_size,
        mk_digest=header.mk_digest,
        mk_digest_salt=header.mk_digest_salt,
        mk_digest_iterations=header.mk_digest_iterations,
        slots=header.slots if slots is None else slots,
    )
