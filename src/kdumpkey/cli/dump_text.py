"""A header as `luksDump` shows it: character for character as cryptsetup 2.6.1 does."""

from __future__ import annotations

from typing import assert_never

from kdumpkey.cli import dump_luks2
from kdumpkey.cli.dump_luks2 import Shown
from kdumpkey.cli.hex_lines import hex_lines
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import Luks1Header, Luks1Slot, Luks2Header, LuksHeader

_LUKS1_INDENT = " " * 15 + "\t"
_SLOT_INDENT = "\t" + " " * 22 + "\t"


def header_text(header: LuksHeader, device: str, shown: Shown = str) -> str:
    """The whole dump, with its last newline.

    Args:
        header: Of either version.
        device: What the dump of a LUKS1 header calls it.
        shown: What becomes of each text that the header holds before it is shown.
    """
    match header:
        case Luks1Header():
            return _luks1_text(header, device, shown)
        case Luks2Header():
            return dump_luks2.header_text(header, shown)
        case _:
            assert_never(header)


def volume_key_text(header: LuksHeader, device: str, key_bits: int, shown: Shown = str) -> str:
    """What stands before the volume key when that is dumped."""
    cipher, _, mode = _encryption(header).partition("-")
    return (
        f"LUKS header information for {device}\n"
        f"Cipher name:   \t{shown(cipher)}\n"
        f"Cipher mode:   \t{shown(mode)}\n"
        f"Payload offset:\t{_payload_offset_sectors(header)}\n"
        f"UUID:          \t{shown(header.uuid)}\n"
        f"MK bits:       \t{key_bits}\n"
    )


def unbound_key_text(header: LuksHeader, device: str, keyslot: int, key_bits: int, shown: Shown = str) -> str:
    """What stands before the key of an unbound keyslot when that is dumped."""
    return (
        f"LUKS header information for {device}\n"
        f"UUID:    \t{shown(header.uuid)}\n"
        f"Keyslot: \t{keyslot}\n"
        f"Key bits:\t{key_bits}\n"
    )


def _encryption(header: LuksHeader) -> str:
    return next((segment.encryption for segment in header.data_segments if segment.encryption), "")


def _payload_offset_sectors(header: LuksHeader) -> int:
    segments = header.data_segments
    return segments[0].offset // SECTOR if segments else 0


def _luks1_text(header: Luks1Header, device: str, shown: Shown) -> str:
    slots = [_luks1_slot(number, slot) for number, slot in enumerate(header.slots)]
    return (
        f"LUKS header information for {device}\n\n"
        f"Version:       \t1\n"
        f"Cipher name:   \t{shown(header.cipher_name)}\n"
        f"Cipher mode:   \t{shown(header.cipher_mode)}\n"
        f"Hash spec:     \t{shown(header.hash_spec)}\n"
        f"Payload offset:\t{header.payload_offset}\n"
        f"MK bits:       \t{header.key_size * 8}\n"
        f"MK digest:     \t{hex_lines(header.mk_digest, '', per_line=len(header.mk_digest))}"
        f"MK salt:       \t{hex_lines(header.mk_digest_salt, _LUKS1_INDENT)}"
        f"MK iterations: \t{header.mk_digest_iterations}\n"
        f"UUID:          \t{shown(header.uuid)}\n\n" + "".join(slots)
    )


def _luks1_slot(number: int, slot: Luks1Slot) -> str:
    if not slot.active:
        return f"Key Slot {number}: DISABLED\n"
    return (
        f"Key Slot {number}: ENABLED\n"
        f"\tIterations:         \t{slot.iterations}\n"
        f"\tSalt:               \t{hex_lines(slot.salt, _SLOT_INDENT)}"
        f"\tKey material offset:\t{slot.key_material_offset}\n"
        f"\tAF stripes:            \t{slot.stripes}\n"
    )
