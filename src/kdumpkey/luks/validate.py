"""The rules that the JSON of a LUKS2 header must keep, in the order in which cryptsetup asks them.

What is accepted here is what cryptsetup accepts, so every rule goes as far as cryptsetup's and no further:
text ends at a NUL, and objects' names are digits. What cryptsetup does not ask at load, such as costs and
lengths of salts, is bound where it is used.

Source: docs/spec/luks.md "Validation".
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from kdumpkey.errors import HeaderError
from kdumpkey.luks import reencryption_rules
from kdumpkey.luks.keyslot_rules import check_keyslot_types, without_leftover_parameters
from kdumpkey.luks.layout import LUKS2_HEADER_SIZE, LUKS2_METADATA_SIZES
from kdumpkey.luks.model import SECTOR
from kdumpkey.luks.rules import (
    UINT64_MAX,
    array_member,
    check_number_name,
    fail,
    join,
    number,
    object_member,
    strings_member,
    strtoull_member,
    text_member,
    uint32_member,
    uint64,
    uint64_member,
)
from kdumpkey.luks.strict_json import JsonObject

_KEYSLOTS_ALIGNMENT = 4096
_KEYSLOTS_MAX = 128 << 20


def validated(metadata: JsonObject, json_size: int) -> JsonObject:
    """Return the metadata if it keeps every rule, if need be without leftover KDF parameters.

    Args:
        metadata: The parsed JSON area; not changed.
        json_size: The length of the JSON area in bytes, by the binary header.

    Raises:
        HeaderError: It breaks a rule; `path` names the field.
    """
    try:
        check(metadata, json_size)
    except HeaderError:
        cleaned = without_leftover_parameters(metadata)
        if cleaned is metadata:
            raise
        check(cleaned, json_size)
        return cleaned
    return metadata


def check(metadata: JsonObject, json_size: int) -> None:
    """Check every rule in turn.

    Args:
        metadata: The parsed JSON area.
        json_size: The length of the JSON area in bytes, by the binary header.

    Raises:
        HeaderError: It breaks a rule; `path` names the field.
    """
    reencryption_rules.check_requirements(metadata)
    _check_tokens(metadata)
    _check_digests(metadata)
    _check_segments(metadata)
    _check_keyslots(metadata)
    _check_config(metadata)
    _check_areas(metadata)
    if strtoull_member(object_member(metadata, "config", ""), "json_size", "config") != json_size:
        fail("config.json_size", "differs from the size in the binary header")
    check_keyslot_types(object_member(metadata, "keyslots", ""), object_member(metadata, "digests", ""))
    reencryption_rules.check_keyslots(metadata)


def _members(metadata: JsonObject, section: str) -> Iterable[tuple[str, JsonObject, str]]:
    for name, value in object_member(metadata, section, "").items():
        check_number_name(name, section)
        path = join(section, name)
        if not isinstance(value, dict):
            fail(path, "is not an object")
        yield name, value, path


def _check_references(parent: JsonObject, name: str, path: str, targets: JsonObject) -> None:
    for reference in strings_member(parent, name, path):
        if reference not in targets:
            fail(join(path, name), f"names {reference[:20]!r}, which does not exist")


def _check_tokens(metadata: JsonObject) -> None:
    keyslots = object_member(metadata, "keyslots", "")
    for _, token, path in _members(metadata, "tokens"):
        text_member(token, "type", path)
        _check_references(token, "keyslots", path, keyslots)


def _check_digests(metadata: JsonObject) -> None:
    keyslots = object_member(metadata, "keyslots", "")
    segments = object_member(metadata, "segments", "")
    for _, digest, path in _members(metadata, "digests"):
        text_member(digest, "type", path)
        array_member(digest, "keyslots", path)
        array_member(digest, "segments", path)
        _check_references(digest, "keyslots", path, keyslots)
        _check_references(digest, "segments", path, segments)


def _check_segments(metadata: JsonObject) -> None:
    checked: set[str] = set()
    for digest in object_member(metadata, "digests", "").values():
        assert isinstance(digest, dict)  # noqa: S101  (validated before)
        checked.update(strings_member(digest, "segments", ""))
    intervals: dict[int, tuple[int, int | None]] = {}
    by_id: dict[int, JsonObject] = {}
    backups: set[int] = set()
    for name, segment, path in _members(metadata, "segments"):
        kind = text_member(segment, "type", path)
        offset = uint64_member(segment, "offset", path)
        size = _size(segment, path)
        for field, value in (("offset", offset), ("size", size or 0)):
            if value % SECTOR:
                fail(join(path, field), "is not a multiple of 512 bytes")
        flags = strings_member(segment, "flags", path) if "flags" in segment else []
        identity = number(name)
        if identity is None:
            fail(path, "has a number with leading zeros for a name")
        intervals[identity] = (offset, size)
        by_id[identity] = segment
        if any(flag.startswith("backup-") for flag in flags):
            backups.add(identity)
        if kind == "crypt":
            _check_crypt(segment, path, size or 0)
            if name not in checked:
                fail(path, "belongs to no digest")
    if not intervals:
        fail("segments", "is empty")
    regular = min(backups, default=len(intervals))
    if regular == 0:
        fail("segments", "has no regular segment")
    for identity in range(len(intervals)):
        if identity not in intervals:
            fail(f"segments.{identity}", "is missing: segments must be numbered without a gap")
        if (identity in backups) != (identity >= regular):
            fail(f"segments.{identity}", "comes after a backup segment and is not one")
    _check_intervals([intervals[identity] for identity in range(regular)])
    segments = [by_id[identity] for identity in range(len(by_id))]
    reencryption_rules.check_segments(metadata, segments[:regular], segments[regular:])


def _size(segment: JsonObject, path: str) -> int | None:
    text = text_member(segment, "size", path)
    if text == "dynamic":
        return None
    size = uint64(text, join(path, "size"))
    if size == 0:
        fail(join(path, "size"), "is zero")
    return size


def _check_intervals(intervals: list[tuple[int, int | None]]) -> None:
    if any(size is None for _, size in intervals[:-1]):
        fail("segments", "has a dynamic segment before its last regular one")
    spans = sorted(
        (offset, UINT64_MAX if size is None else offset + size, identity)
        for identity, (offset, size) in enumerate(intervals)
    )
    for _, end, identity in spans:
        if end > UINT64_MAX and len(spans) > 1:  # one alone is compared with nothing, so nobody adds it up
            fail(f"segments.{identity}", "ends beyond the 64-bit limit")
    for (_, end, identity), (following, _, _) in pairwise(spans):
        if following < end:
            fail(f"segments.{identity}", "overlaps another segment")


def _check_crypt(segment: JsonObject, path: str, size: int) -> None:
    text_member(segment, "encryption", path)
    sector_size = uint32_member(segment, "sector_size", path)
    if "integrity" in segment:
        integrity = object_member(segment, "integrity", path)
        for name in ("type", "journal_encryption", "journal_integrity"):
            text_member(integrity, name, join(path, "integrity"))
    if sector_size == 0 or sector_size % SECTOR:
        fail(join(path, "sector_size"), "is not a positive multiple of 512 bytes")
    uint64_member(segment, "iv_tweak", path)
    if size % sector_size:
        fail(join(path, "size"), "is not a multiple of the sector size")


def _check_keyslots(metadata: JsonObject) -> None:
    for _, keyslot, path in _members(metadata, "keyslots"):
        text_member(keyslot, "type", path)
        uint32_member(keyslot, "key_size", path)
        area = object_member(keyslot, "area", path)
        for name in ("type", "offset", "size"):
            text_member(area, name, join(path, "area"))


def _check_config(metadata: JsonObject) -> None:
    config = object_member(metadata, "config", "")
    metadata_size = strtoull_member(config, "json_size", "config") + LUKS2_HEADER_SIZE
    if metadata_size not in LUKS2_METADATA_SIZES:
        fail("config.json_size", "is not one of the nine sizes that LUKS2 allows")
    keyslots_size = strtoull_member(config, "keyslots_size", "config")
    if keyslots_size % _KEYSLOTS_ALIGNMENT or keyslots_size > _KEYSLOTS_MAX:
        fail("config.keyslots_size", "is not a multiple of 4096 bytes up to 128 MiB")
    data_offset = _data_offset(metadata)
    if data_offset and data_offset < keyslots_size + 2 * metadata_size:
        fail("config.keyslots_size", "extends beyond the start of the data")
    if "flags" in config:
        strings_member(config, "flags", "config")


def _data_offset(metadata: JsonObject) -> int:
    offsets = []
    for _, segment, path in _members(metadata, "segments"):
        flags = strings_member(segment, "flags", path) if "flags" in segment else []
        if not any(flag.startswith("backup-") for flag in flags):
            offsets.append(uint64_member(segment, "offset", path))
    return min(offsets, default=0)


def _check_areas(metadata: JsonObject) -> None:
    config = object_member(metadata, "config", "")
    start = 2 * (strtoull_member(config, "json_size", "config") + LUKS2_HEADER_SIZE)
    end = start + strtoull_member(config, "keyslots_size", "config")
    areas: list[tuple[int, int, str]] = []
    for _, keyslot, path in _members(metadata, "keyslots"):
        area, area_path = object_member(keyslot, "area", path), join(path, "area")
        offset, size = uint64_member(area, "offset", area_path), uint64_member(area, "size", area_path)
        if offset < start:
            fail(join(area_path, "offset"), "lies inside the metadata area")
        if size == 0:
            fail(join(area_path, "size"), "is zero")
        if offset + size > end:
            fail(
                area_path, f"ends at byte {offset + size}, beyond the end of the keyslots area at byte {end}"
            )
        areas.append((offset, size, area_path))
    areas.sort()
    for (offset, size, path), (following, _, other) in pairwise(areas):
        if offset + size > following:
            fail(other, f"overlaps {path}")
