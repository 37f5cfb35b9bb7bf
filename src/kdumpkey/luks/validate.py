"""The rules that the JSON of a LUKS2 header must keep, in the order in which cryptsetup asks them.

What is accepted here is what cryptsetup accepts, so every rule goes as far as cryptsetup's and no further:
text ends at a NUL, and objects' names are digits. What cryptsetup does not ask at load, such as costs and
lengths of salts, is bound where it is used.

Source: docs/spec/luks.md "Validation".
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from kdumpkey.errors import HeaderError
from kdumpkey.luks import reencryption_rules
from kdumpkey.luks.keyslot_rules import check_keyslot_types, without_leftover_parameters
from kdumpkey.luks.layout import (
    LUKS2_AREA_ALIGNMENT,
    LUKS2_HEADER_SIZE,
    LUKS2_METADATA_SIZES,
    LUKS2_MOST_KEYSLOTS_BYTES,
    SECTOR,
)
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


class _Segment(NamedTuple):
    """A segment on its way through the rules; `size` is None for one that goes to the device's end."""

    json: JsonObject
    offset: int
    size: int | None
    is_backup: bool


def _check_segments(metadata: JsonObject) -> None:
    digests = object_member(metadata, "digests", "")
    owned: set[str] = set()
    for name in digests:
        owned.update(strings_member(object_member(digests, name, "digests"), "segments", ""))
    by_id: dict[int, _Segment] = {}
    for name, json, path in _members(metadata, "segments"):
        kind = text_member(json, "type", path)
        segment = _segment(json, path)
        identity = number(name)
        if identity is None:
            fail(path, "has a number with leading zeros for a name")
        by_id[identity] = segment
        if kind == "crypt":
            _check_crypt(json, path, segment.size or 0)
            if name not in owned:
                fail(path, "belongs to no digest")
    regular = _count_regular(by_id)
    segments = [by_id[identity] for identity in range(len(by_id))]
    _check_intervals([(segment.offset, segment.size) for segment in segments[:regular]])
    jsons = [segment.json for segment in segments]
    reencryption_rules.check_segments(metadata, jsons[:regular], jsons[regular:])


def _segment(json: JsonObject, path: str) -> _Segment:
    offset = uint64_member(json, "offset", path)
    size = _size(json, path)
    for field, value in (("offset", offset), ("size", size or 0)):
        if value % SECTOR:
            fail(join(path, field), "is not a multiple of 512 bytes")
    return _Segment(json, offset, size, _is_backup(json, path))


def _is_backup(json: JsonObject, path: str) -> bool:
    flags = strings_member(json, "flags", path) if "flags" in json else []
    return any(flag.startswith("backup-") for flag in flags)


def _count_regular(by_id: Mapping[int, _Segment]) -> int:
    """The number of regular segments, which all come before the backup ones."""
    if not by_id:
        fail("segments", "is empty")
    regular = min((identity for identity in by_id if by_id[identity].is_backup), default=len(by_id))
    if regular == 0:
        fail("segments", "has no regular segment")
    for identity in range(len(by_id)):
        if identity not in by_id:
            fail(f"segments.{identity}", "is missing: segments must be numbered without a gap")
        if by_id[identity].is_backup != (identity >= regular):
            fail(f"segments.{identity}", "comes after a backup segment and is not one")
    return regular


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
        if end > UINT64_MAX and len(spans) > 1:  # one alone is compared with nothing, and so not added up
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
    if keyslots_size % LUKS2_AREA_ALIGNMENT or keyslots_size > LUKS2_MOST_KEYSLOTS_BYTES:
        fail("config.keyslots_size", "is not a multiple of 4096 bytes up to 128 MiB")
    data_offset = _data_offset(metadata)
    if data_offset and data_offset < keyslots_size + 2 * metadata_size:
        fail("config.keyslots_size", "extends beyond the start of the data")
    if "flags" in config:
        strings_member(config, "flags", "config")


def _data_offset(metadata: JsonObject) -> int:
    offsets = [
        uint64_member(segment, "offset", path)
        for _, segment, path in _members(metadata, "segments")
        if not _is_backup(segment, path)
    ]
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
