"""What validation asks of a volume whose reencryption was begun: its keyslot, its requirement, its segments.

kdumpkey reencrypts nothing, but it must take for valid what other programs take for valid, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.rules import (
    fail,
    int_member,
    join,
    object_member,
    strings_member,
    strtoull_member,
    text_member,
    uint32_member,
)
from kdumpkey.luks.strict_json import JsonObject

# Any version of the requirement may stand there once, and goes with the keyslot; what more it demands is
# known of three versions.
_ANY_VERSION = r"online-reencrypt(-v[0-9]+)?"
_KNOWN_VERSIONS = frozenset({"online-reencrypt", "online-reencrypt-v2", "online-reencrypt-v3"})


def mandatory_requirements(metadata: JsonObject) -> list[str]:
    """Return the requirements; they and their section are optional.

    Raises:
        HeaderError: They are not an array of strings in an object.
    """
    config = object_member(metadata, "config", "")
    if "requirements" not in config:
        return []
    requirements = object_member(config, "requirements", "config")
    if "mandatory" not in requirements:
        return []
    return strings_member(requirements, "mandatory", "config.requirements")


def is_reencrypting(requirements: list[str]) -> bool:
    """Say whether the requirements are those of a LUKS2 reencryption of a known version."""
    return not _KNOWN_VERSIONS.isdisjoint(requirements)


def check_requirements(metadata: JsonObject) -> None:
    """Check the requirements.

    Raises:
        HeaderError: They are of a wrong type, or demand reencryption twice.
    """
    names = mandatory_requirements(metadata)
    if sum(re.fullmatch(_ANY_VERSION, name) is not None for name in names) > 1:
        fail("config.requirements.mandatory", "lists online-reencrypt twice")


def check_keyslot(keyslot: JsonObject, path: str) -> None:
    """Check a keyslot of the type "reencrypt", which keeps no key but what reencryption needs to go on.

    Raises:
        HeaderError: It breaks a rule.
    """
    area, area_path = object_member(keyslot, "area", path), join(path, "area")
    kind = text_member(area, "type", area_path)
    if text_member(keyslot, "mode", path) not in ("reencrypt", "encrypt", "decrypt"):
        fail(join(path, "mode"), "is not reencrypt, encrypt or decrypt")
    if text_member(keyslot, "direction", path) not in ("forward", "backward"):
        fail(join(path, "direction"), "is not forward or backward")
    if int_member(keyslot, "key_size", path) != 1:
        fail(join(path, "key_size"), "is not 1")
    if kind in ("checksum", "datashift-checksum"):
        text_member(area, "hash", area_path)
        sector_size = uint32_member(area, "sector_size", area_path)
        if sector_size < SECTOR or sector_size & (sector_size - 1):
            fail(join(area_path, "sector_size"), "is not a power of two of at least 512")
    if kind in ("datashift", "datashift-journal"):
        shift_size = strtoull_member(area, "shift_size", area_path)
        if shift_size == 0 or shift_size % SECTOR:
            fail(join(area_path, "shift_size"), "is not a positive multiple of 512 bytes")


def check_keyslots(metadata: JsonObject) -> None:
    """Check that there is one reencryption keyslot if the requirement is there, and none if not.

    Raises:
        HeaderError: The keyslots and the requirement do not go together.
    """
    keyslots = [
        keyslot
        for keyslot in object_member(metadata, "keyslots", "").values()
        if isinstance(keyslot, dict) and text_member(keyslot, "type", "") == "reencrypt"
    ]
    requirements = mandatory_requirements(metadata)
    if keyslots and not any(re.fullmatch(_ANY_VERSION, name) for name in requirements):
        fail("config.requirements", "does not list online-reencrypt, and a keyslot is for reencryption")
    if is_reencrypting(requirements) and not keyslots:
        fail("keyslots", "has no keyslot for the reencryption that the requirements list")
    if len(keyslots) > 1:
        fail("keyslots", "has more than one keyslot for reencryption")


def check_segments(metadata: JsonObject, regular: Sequence[JsonObject], backup: Sequence[JsonObject]) -> None:
    """Check that each regular segment is as it was or as it will be, if a reencryption is under way.

    Args:
        metadata: The whole metadata, for its requirements.
        regular: The regular segments by their numbers.
        backup: The backup segments by their numbers.

    Raises:
        HeaderError: A segment is neither, or what it was or will be is missing.
    """
    if not is_reencrypting(mandatory_requirements(metadata)):
        return
    final = previous = None
    for segment in backup:
        if "backup-final" in _flags(segment):
            final = segment
        elif "backup-previous" in _flags(segment):
            previous = segment
    if final is None or previous is None:
        fail("segments", "has no backup segments for the reencryption")
    for number, segment in enumerate(regular):
        will_be = _alike(segment, final)
        if "in-reencryption" in _flags(segment):
            if not will_be:
                fail(f"segments.{number}", "is being reencrypted, and does not match the new encryption")
        elif not will_be and not _alike(segment, previous):
            fail(f"segments.{number}", "matches neither the old nor the new encryption")


def _flags(segment: JsonObject) -> list[str]:
    return strings_member(segment, "flags", "") if "flags" in segment else []


def _alike(one: JsonObject, other: JsonObject) -> bool:
    kind = text_member(one, "type", "")
    if text_member(other, "type", "") != kind:
        return False
    if kind != "crypt":
        return True
    return one["sector_size"] == other["sector_size"] and text_member(one, "encryption", "") == text_member(
        other, "encryption", ""
    )
