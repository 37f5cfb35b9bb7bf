"""Each rule of LUKS2 metadata names the field that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fuzz.base_headers import BASES, base
from kdumpkey.errors import HeaderError
from kdumpkey.luks.rules import c_int, number
from kdumpkey.luks.validate import validated


def area_size(metadata: dict[str, Any]) -> int:
    return 28672 if metadata["config"].get("json_size") == "28672" else 12288


@pytest.mark.parametrize("name", BASES)
def test_real_metadata_is_valid_and_stays_as_it_is(name: str) -> None:
    metadata = base(name)
    assert validated(metadata, area_size(metadata)) is metadata
    assert metadata == base(name)


def put(*path: str, to: Any) -> Callable[[Any], None]:
    def change(metadata: Any) -> None:
        for key in path[:-1]:
            metadata = metadata[key]
        metadata[path[-1]] = to

    return change


def drop(*path: str) -> Callable[[Any], None]:
    def change(metadata: Any) -> None:
        for key in path[:-1]:
            metadata = metadata[key]
        del metadata[path[-1]]

    return change


MANDATORY = "config.requirements.mandatory"
SECOND = base("slots and tokens")["keyslots"]["1"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (put("config", "requirements", to=[]), "config.requirements"),
        (put("config", "requirements", to={"mandatory": [1]}), MANDATORY),
        (
            put("config", "requirements", to={"mandatory": ["online-reencrypt"] * 2}),
            "config.requirements.mandatory",
        ),
        (put("tokens", to=[]), "tokens"),
        (put("tokens", "x", to={}), "tokens.x"),
        (put("tokens", "0", to={"keyslots": []}), "tokens.0.type"),
        (put("tokens", "0", to={"type": "", "keyslots": []}), "tokens.0.type"),
        (put("tokens", "0", to={"type": "a", "keyslots": ["1"]}), "tokens.0.keyslots"),
        (put("tokens", "0", to={"type": "a", "keyslots": [0]}), "tokens.0.keyslots"),
        (drop("digests", "0", "type"), "digests.0.type"),
        (put("digests", "0", "segments", to=["1"]), "digests.0.segments"),
        (put("segments", to={}), "digests.0.segments"),
        (put("segments", "0", "type", to=42), "segments.0.type"),
        (put("segments", "0", "offset", to="513"), "segments.0.offset"),
        (put("segments", "0", "offset", to=16777216), "segments.0.offset"),
        (put("segments", "0", "size", to="0"), "segments.0.size"),
        (put("segments", "0", "size", to="18446744073709551616"), "segments.0.size"),
        (put("segments", "0", "size", to="9" * 100000), "segments.0.size"),
        (put("segments", "0", "size", to="512"), "segments.0.size"),
        (put("segments", "0", "flags", to=["x", 1]), "segments.0.flags"),
        (put("segments", "0", "flags", to=["backup-final"]), "segments"),
        (put("segments", "2", to=BASES["two segments"]["segments"]["1"]), "segments.1"),
        (put("segments", "1", to=BASES["two segments"]["segments"]["1"]), "segments"),
        (put("segments", "0", "encryption", to=""), "segments.0.encryption"),
        (put("segments", "0", "sector_size", to=1023), "segments.0.sector_size"),
        (put("segments", "0", "sector_size", to=True), "segments.0.sector_size"),
        (put("segments", "0", "sector_size", to=2**32), "segments.0.sector_size"),
        (drop("segments", "0", "iv_tweak"), "segments.0.iv_tweak"),
        (put("segments", "0", "integrity", to={"type": "x"}), "segments.0.integrity.journal_encryption"),
        (put("digests", "0", "segments", to=[]), "segments.0"),
        (put("keyslots", "0", "key_size", to=-1), "keyslots.0.key_size"),
        (put("keyslots", "0", "area", to=42), "keyslots.0.area"),
        (put("keyslots", "x", to=SECOND), "keyslots.x"),
        (put("config", "json_size", to="12289"), "config.json_size"),
        (put("config", "json_size", to="28672"), "config.keyslots_size"),
        (put("config", "keyslots_size", to="16744449"), "config.keyslots_size"),
        (put("config", "keyslots_size", to=str((128 << 20) + 4096)), "config.keyslots_size"),
        (put("config", "flags", to={}), "config.flags"),
        (put("keyslots", "0", "area", "offset", to="28672"), "keyslots.0.area.offset"),
        (put("keyslots", "0", "area", "size", to="0"), "keyslots.0.area.size"),
        (put("keyslots", "0", "area", "size", to=str(2**64 - 1)), "keyslots.0.area"),
        (put("keyslots", "0", "kdf", to=1), "keyslots.0.kdf"),
        (drop("keyslots", "0", "kdf", "salt"), "keyslots.0.kdf"),
        (put("keyslots", "0", "af", "type", to="x"), "keyslots.0.af.type"),
        (put("keyslots", "0", "area", "type", to="x"), "keyslots.0.area.type"),
        (put("digests", "0", "keyslots", to=[]), "keyslots.0"),
        (put("digests", "1", to=BASES["plain"]["digests"]["0"]), "keyslots.0"),
        (put("keyslots", "1", to={**SECOND, "type": "reencrypt"}), "keyslots.1.mode"),
    ],
)
def test_the_field_that_breaks_a_rule_is_named(change: Callable[[Any], None], path: str) -> None:
    metadata = base("plain")
    change(metadata)
    with pytest.raises(HeaderError) as caught:
        validated(metadata, 12288)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"the LUKS2 metadata is invalid: {path} ")


def test_there_must_be_a_segment() -> None:
    metadata = base("plain")
    metadata["digests"], metadata["keyslots"], metadata["segments"] = {}, {}, {}
    with pytest.raises(HeaderError, match=r"invalid: segments is empty$"):
        validated(metadata, 12288)


def test_the_json_size_must_be_the_binary_headers() -> None:
    with pytest.raises(HeaderError, match=r"invalid: config.json_size differs"):
        validated(base("plain"), 28672)


def test_the_ends_of_segments_are_compared_only_where_there_are_several() -> None:
    metadata = base("plain")
    metadata["segments"]["0"]["size"] = str(2**64 - 4096)
    assert validated(metadata, 12288) is metadata
    metadata["segments"]["1"] = BASES["two segments"]["segments"]["1"]
    with pytest.raises(HeaderError, match=r"invalid: segments.0 ends beyond the 64-bit limit$"):
        validated(metadata, 12288)


def test_overlapping_areas_are_named_both() -> None:
    metadata = base("slots and tokens")
    metadata["keyslots"]["1"]["area"]["offset"] = "290815"
    with pytest.raises(HeaderError, match=r"invalid: keyslots.1.area overlaps keyslots.0.area$"):
        validated(metadata, 12288)


def test_leftover_parameters_are_dropped_in_memory_alone() -> None:
    metadata = base("slots and tokens")
    metadata["keyslots"]["1"]["kdf"].update(hash="sha256", iterations=1)
    before = {**metadata["keyslots"]["1"]["kdf"]}
    assert validated(metadata, 12288) == base("slots and tokens")
    assert metadata["keyslots"]["1"]["kdf"] == before
    assert list(validated(metadata, 12288)["keyslots"]) == ["0", "1", "2"]  # type: ignore[arg-type]


def test_leftovers_excuse_nothing_else() -> None:
    metadata = base("plain")
    metadata["keyslots"]["0"]["kdf"]["time"] = 1
    metadata["segments"]["0"]["offset"] = "1"
    with pytest.raises(HeaderError, match=r"invalid: segments.0.offset"):
        validated(metadata, 12288)


@pytest.mark.parametrize(
    ("digits", "value"),
    [("", 0), ("007", 7), (str(2**31), -(2**31)), (str(2**32), 0), (str(2**63), -1), ("9" * 1000, -1)],
)
def test_numbers_beyond_an_int_wrap_as_they_do_in_c(digits: str, value: int) -> None:
    assert c_int(digits) == value


@pytest.mark.parametrize(
    ("name", "valid"), [("2147483648", True), ("4294967295", True), ("4294967296", False), ("007", False)]
)
def test_the_name_of_a_keyslot_is_a_number_of_32_bits_to_its_digest(name: str, valid: bool) -> None:
    metadata = base("plain")
    metadata["keyslots"] = {name: metadata["keyslots"]["0"]}
    metadata["digests"]["0"]["keyslots"] = [name]
    if valid:
        assert validated(metadata, 12288) == metadata
    else:
        with pytest.raises(HeaderError, match="does not belong to exactly one digest"):
            validated(metadata, 12288)


def test_only_the_shortest_form_of_a_number_is_an_address() -> None:
    assert [number(text) for text in ("0", "10", "00", "01", "", "-1", "x", "१", "9" * 11)] == [0, 10] + [
        None
    ] * 7
