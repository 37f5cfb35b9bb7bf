"""Changes to a LUKS2 header in memory: each gives a new, validated header and leaves the old one as it is.

Members and their order are those that cryptsetup writes. Nothing here touches a device: `luks.store` does.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto.kdf import Kdf, Pbkdf2
from kdumpkey.errors import KeyslotError
from kdumpkey.luks import layout, luks2
from kdumpkey.luks.identity import Identity
from kdumpkey.luks.model import Luks2Header
from kdumpkey.luks.rules import array_member, object_member

if TYPE_CHECKING:
    from kdumpkey.luks.model import Area
    from kdumpkey.luks.strict_json import JsonObject

MAX_KEYSLOTS: Final = 32
MAX_TOKENS: Final = 32
MAX_DIGESTS: Final = 8


def edited(header: Luks2Header, json: JsonObject) -> Luks2Header:
    """Return the header with other JSON.

    Raises:
        HeaderError: The JSON breaks a rule.
    """
    identity = Identity(header.uuid, header.label, header.subsystem)
    fields = luks2.BinaryFields(identity, header.metadata_size, header.seqid, header.checksum_alg)
    return luks2.build(json, fields)._replace(copies=header.copies, used=header.used)


def free_keyslot(header: Luks2Header) -> int | None:
    """The lowest number that no keyslot has; None: all 32 are taken."""
    return _free(section(header.json, "keyslots"), MAX_KEYSLOTS)


def free_token(header: Luks2Header) -> int | None:
    """The lowest number that no token has; None: all 32 are taken."""
    return _free(section(header.json, "tokens"), MAX_TOKENS)


def free_area(header: Luks2Header, size: int, *, without: int | None = None) -> int | None:
    """The first offset in bytes where an area of `size` bytes fits; None: it does nowhere.

    The area of the keyslot `without` counts as free.
    """
    areas = [(slot.area.offset, slot.area.size) for slot in header.keyslots.values() if slot.id != without]
    return free_space(areas, header.areas_start, header.areas_end, size)


def free_space(areas: Iterable[tuple[int, int]], start: int, end: int, size: int) -> int | None:
    """The first offset from `start` to `end` where `size` bytes fit among areas (offset, size), or None."""
    taken = sorted((offset, offset + length) for offset, length in areas)
    bounds = [(start, start), *taken, (end, end)]
    return next((stop for (_, stop), (begin, _) in pairwise(bounds) if stop + size <= begin), None)


def keyslot_json(key_size: int, area: Area, af_hash: str, kdf: Kdf) -> JsonObject:
    """The object of a keyslot that gives a key of `key_size` bytes."""
    return {
        "type": "luks2",
        "key_size": key_size,
        "af": {"type": "luks1", "stripes": layout.LUKS1_STRIPES, "hash": af_hash},
        "area": {
            "type": area.type,
            "offset": str(area.offset),
            "size": str(area.size),
            "encryption": area.encryption,
            "key_size": area.key_size,
        },
        "kdf": kdf_json(kdf),
    }


def kdf_json(kdf: Kdf) -> JsonObject:
    """The object of a key derivation function."""
    salt = base64.b64encode(kdf.salt).decode("ascii")
    if isinstance(kdf, Pbkdf2):
        return {"type": "pbkdf2", "hash": kdf.hash, "iterations": kdf.iterations, "salt": salt}
    return {
        "type": kdf.variant,
        "time": kdf.time,
        "memory": kdf.memory_kib,
        "cpus": kdf.parallel,
        "salt": salt,
    }


@dataclass(frozen=True)
class VolumeKeyDigest:
    """The check value of a volume key: PBKDF2 of the key with a hash, in LUKS1 20 bytes of it."""

    hash: str
    iterations: int
    salt: bytes
    value: bytes


def digest_json(digest: VolumeKeyDigest) -> JsonObject:
    """The object of a digest that nothing belongs to yet."""
    return {
        "type": "pbkdf2",
        "keyslots": [],
        "segments": [],
        "hash": digest.hash,
        "iterations": digest.iterations,
        "salt": base64.b64encode(digest.salt).decode("ascii"),
        "digest": base64.b64encode(digest.value).decode("ascii"),
    }


def with_keyslot(header: Luks2Header, number: int, keyslot: JsonObject, digest: int) -> Luks2Header:
    """Add a keyslot and assign it to a digest.

    Raises:
        HeaderError: It breaks a rule.
    """
    json = copy.deepcopy(header.json)
    section(json, "keyslots")[str(number)] = keyslot
    _assign(object_member(section(json, "digests"), str(digest), "digests"), number)
    return edited(header, json)


def with_digest(
    header: Luks2Header, digest: VolumeKeyDigest, number: int, keyslot: JsonObject
) -> Luks2Header:
    """Add a digest, and a keyslot that is assigned to it.

    Raises:
        KeyslotError: All 8 digests are taken.
    """
    free = _free(section(header.json, "digests"), MAX_DIGESTS)
    if free is None:
        raise KeyslotError("No free digest is left.")
    json = copy.deepcopy(header.json)
    members = digest_json(digest)
    section(json, "digests")[str(free)] = members
    section(json, "keyslots")[str(number)] = keyslot
    _assign(members, number)
    return edited(header, json)


def without_keyslot(header: Luks2Header, number: int) -> Luks2Header:
    """Remove a keyslot and all that names it; a digest that is left with nothing goes, too."""
    json = copy.deepcopy(header.json)
    del section(json, "keyslots")[str(number)]
    _unassign(json, number)
    return edited(header, json)


def with_keyslot_moved(header: Luks2Header, source: int, target: int) -> Luks2Header:
    """Put keyslot `source` into the place of `target`, whose digest and tokens become its own."""
    json = copy.deepcopy(header.json)
    keyslots = section(json, "keyslots")
    moved = keyslots.pop(str(source))
    keyslots.pop(str(target), None)
    keyslots[str(target)] = moved
    _unassign(json, source)
    return edited(header, json)


def with_keyslot_replaced(header: Luks2Header, number: int, keyslot: JsonObject) -> Luks2Header:
    """Put another keyslot into the place of one, whose digest and tokens become its own."""
    json = copy.deepcopy(header.json)
    keyslots = section(json, "keyslots")
    del keyslots[str(number)]
    keyslots[str(number)] = keyslot
    return edited(header, json)


def with_priority(header: Luks2Header, number: int, priority: int | None) -> Luks2Header:
    """Set the priority of a keyslot; None: as if it had never been set."""
    json = copy.deepcopy(header.json)
    keyslot = object_member(section(json, "keyslots"), str(number), "keyslots")
    if priority is None:
        keyslot.pop("priority", None)
    else:
        keyslot["priority"] = priority
    return edited(header, json)


def with_flags(header: Luks2Header, flags: Iterable[str]) -> Luks2Header:
    """Set the flags that every activation of the device is to have, in place of those before."""
    json = copy.deepcopy(header.json)
    section(json, "config")["flags"] = list(flags)
    return edited(header, json)


def with_token(header: Luks2Header, number: int, token: JsonObject) -> Luks2Header:
    """Add a token, or put another in its place.

    Raises:
        HeaderError: It is not a token, or names a keyslot that does not exist.
    """
    json = copy.deepcopy(header.json)
    section(json, "tokens")[str(number)] = token
    return edited(header, json)


def without_token(header: Luks2Header, number: int) -> Luks2Header:
    """Remove a token."""
    json = copy.deepcopy(header.json)
    del section(json, "tokens")[str(number)]
    return edited(header, json)


def section(json: JsonObject, name: str) -> JsonObject:
    """A section of validated metadata: keyslots, tokens, segments, digests or config."""
    return object_member(json, name, "")


def _free(members: JsonObject, limit: int) -> int | None:
    return next((number for number in range(limit) if str(number) not in members), None)


def _assign(owner: JsonObject, number: int) -> None:
    array_member(owner, "keyslots", "").append(str(number))


def _unassign(json: JsonObject, number: int) -> None:
    digests = section(json, "digests")
    for owners in (digests, section(json, "tokens")):
        for identity in owners:
            names = array_member(object_member(owners, identity, ""), "keyslots", "")
            names[:] = [name for name in names if name != str(number)]
    for identity in list(digests):
        digest = object_member(digests, identity, "digests")
        if not digest["keyslots"] and not digest["segments"]:
            del digests[identity]
