"""The dump of a LUKS2 header, whatever its strings and numbers hold."""

from __future__ import annotations

from typing import Any

import pytest

from fuzz.base_headers import base
from fuzz.images import SparseReader, image_of
from kdumpkey.cli.dump_text import header_text
from kdumpkey.luks import layout, luks2


def _dump(metadata: dict[str, Any]) -> str:
    return header_text(luks2.read(SparseReader(image_of(metadata, size=33554432))), "image")


def test_numbers_end_at_a_nul_and_may_begin_with_thousands_of_zeros() -> None:
    metadata = base("plain")
    metadata["segments"]["0"]["offset"] = "0" * 5000 + "16777216\x009"
    metadata["keyslots"]["0"]["area"]["size"] = "258048\0"
    metadata["config"]["keyslots_size"] = "\t+16744448"
    text = _dump(metadata)
    assert "\toffset: 16777216 [bytes]\n" in text
    assert "\tArea length:258048 [bytes]\n" in text
    assert "Keyslots area: \t16744448 [bytes]\n" in text


def test_a_digest_may_name_its_keyslot_and_segment_with_a_nul_behind() -> None:
    metadata = base("plain")
    metadata["digests"] = {"07": {**metadata["digests"]["0"], "keyslots": ["0\0"], "segments": ["0\0x"]}}
    text = _dump(metadata)
    assert "  0: luks2\n" in text
    assert "\tDigest ID:  07\n" in text


def test_a_digest_that_names_a_keyslot_twice_is_shown_twice() -> None:
    metadata = base("plain")
    metadata["digests"]["0"]["keyslots"] = ["0", "0"]
    assert "\tDigest ID:  0\n\tDigest ID:  0\nTokens:" in _dump(metadata)


@pytest.mark.parametrize(("length", "shown"), [(4081, True), (4082, False), (5000, False)])
def test_a_line_longer_than_cryptsetup_can_log_is_left_out(length: int, shown: bool) -> None:
    metadata = base("plain")
    metadata["digests"]["0"]["hash"] = "x" * length
    assert ("xxx" in _dump(metadata)) is shown


def test_what_no_rule_binds_is_shown_as_json_c_gives_it() -> None:
    metadata = base("slots and tokens")
    metadata["keyslots"]["0"]["priority"] = "1x"
    metadata["tokens"]["0"]["key_description"] = {"a": []}
    metadata["digests"]["0"].update(iterations="9" * 5000, hash=None, salt="no base64!")
    metadata["keyslots"]["1"]["kdf"] = {"type": "other", "memory": -1}
    text = _dump(metadata)
    assert "\tPriority:   normal\n" in text
    assert '\tKey description: { "a": [ ] }\n' in text
    assert "\tHash:       (null)\n\tIterations: 9223372036854775807\n\tSalt:       \tDigest:     " in text
    assert "\tMemory:     18446744073709551615\n" in text


def test_a_text_field_ends_at_its_last_byte_at_the_latest() -> None:
    assert layout.text(b"x" * 48) == "x" * 47
    assert layout.text(b"a\xff\0b" + bytes(44)) == "a\udcff"
