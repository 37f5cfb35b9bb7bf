"""What validation asks of a keyslot because of its type, and the leftovers that it may drop."""

from __future__ import annotations

from collections import Counter

from kdumpkey.luks import reencryption_rules
from kdumpkey.luks.rules import (
    UINT32_MAX,
    c_int,
    c_text,
    fail,
    int_member,
    join,
    object_member,
    strings_member,
    text_member,
)
from kdumpkey.luks.strict_json import JsonObject

_KDF_MEMBERS = {
    "pbkdf2": ("type", "hash", "iterations", "salt"),
    "argon2i": ("type", "time", "memory", "cpus", "salt"),
    "argon2id": ("type", "time", "memory", "cpus", "salt"),
}


def check_keyslot_types(keyslots: JsonObject, digests: JsonObject) -> None:
    """Check each keyslot by its type; unknown types pass.

    Raises:
        HeaderError: A keyslot breaks a rule of its type.
    """
    uses: Counter[str] = Counter()
    for name in digests:
        uses.update(set(strings_member(object_member(digests, name, "digests"), "keyslots", "")))
    for name in keyslots:
        keyslot = object_member(keyslots, name, "keyslots")
        path = f"keyslots.{name}"
        kind = text_member(keyslot, "type", path)
        if kind == "luks2":
            _check_luks2(keyslot, path)
            if uses[str(c_int(name) & UINT32_MAX)] != 1:  # as cryptsetup prints the number
                fail(path, "does not belong to exactly one digest")
        elif kind == "reencrypt":
            reencryption_rules.check_keyslot(keyslot, path)


def _check_luks2(keyslot: JsonObject, path: str) -> None:
    kdf = object_member(keyslot, "kdf", path)
    af = object_member(keyslot, "af", path)
    area = object_member(keyslot, "area", path)

    kdf_path = join(path, "kdf")
    kind = text_member(kdf, "type", kdf_path)
    members = _KDF_MEMBERS.get(kind)
    if members:
        if len(kdf) != len(members):
            fail(kdf_path, f"does not have exactly the members of {kind}")
        for name in members[1:]:
            if name in ("hash", "salt"):
                text_member(kdf, name, kdf_path)
            else:
                int_member(kdf, name, kdf_path)

    af_path = join(path, "af")
    if text_member(af, "type", af_path) != "luks1":
        fail(join(af_path, "type"), "is not luks1")
    text_member(af, "hash", af_path)
    int_member(af, "stripes", af_path)

    area_path = join(path, "area")
    if text_member(area, "type", area_path) != "raw":
        fail(join(area_path, "type"), "is not raw")
    text_member(area, "encryption", area_path)
    int_member(area, "key_size", area_path)


def without_leftover_parameters(metadata: JsonObject) -> JsonObject:
    """Return the metadata without KDF members that the KDF's type does not have; some writers left them.

    Works on anything, for it runs when validation has failed; returns the same object where there are none.
    """
    keyslots = metadata.get("keyslots")
    if not isinstance(keyslots, dict):
        return metadata
    changed: JsonObject = {}
    for name, keyslot in keyslots.items():
        if not isinstance(keyslot, dict) or keyslot.get("type") != "luks2":
            continue
        kdf = keyslot.get("kdf")
        kind = kdf.get("type") if isinstance(kdf, dict) else None
        members = _KDF_MEMBERS.get(c_text(kind)) if isinstance(kind, str) else None
        if isinstance(kdf, dict) and members and not kdf.keys() <= set(members):
            kept = {name: value for name, value in kdf.items() if name in members}
            changed[name] = {**keyslot, "kdf": kept}
    return {**metadata, "keyslots": {**keyslots, **changed}} if changed else metadata
