"""Members that no rule binds are read as cryptsetup 2.6.1 shows that it reads them."""

from __future__ import annotations

import pytest

from kdumpkey.luks import json_c
from kdumpkey.luks.strict_json import JsonValue, Real

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        (2**63, INT64_MAX),
        (2**64 - 1, INT64_MAX),
        (True, 1),
        (None, 0),
        ([1], 0),
        ({"a": 1}, 0),
        ("12abc", 12),
        ("+ 7", 0),
        ("\v+7", 7),
        ("-7", -7),
        ("0x10", 0),
        ("1\x002", 1),
        ("\x0012", 0),
        ("", 0),
        ("-", 0),
        ("०12", 0),
        ("9" * 5000, INT64_MAX),
        ("-" + "9" * 5000, INT64_MIN),
        ("0" * 5000 + "7", 7),
        (Real("1.9"), 1),
        (Real("-1.9"), -1),
        (Real("1e400"), INT64_MAX),
        (Real("-1e400"), INT64_MIN),
        (Real("1e19"), INT64_MAX),
        (Real("0." + "3" * 5000), 0),
    ],
)
def test_the_number_of_a_value_is_the_nearest_of_64_bits(value: JsonValue, number: int) -> None:
    assert json_c.int64(value) == number


def test_the_number_of_32_bits_is_the_nearest_too() -> None:
    assert json_c.int32(2**32) == 2**31 - 1
    assert json_c.int32("-99999999999") == -(2**31)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("", b""),
        ("AA==", b"\0"),
        ("QUJD", b"ABC"),
        (" Q U\tJ\r\nD\0", b"ABC"),
        ("QU\0JD", b"ABC"),
        ("QQ=\n=", b"A"),
        (5, b""),
        (None, b""),
        (["QUJD"], b""),
        ("QUI", None),
        ("QUJD=", None),
        ("QR==", None),
        ("QQ==QQ==", None),
        ("QUJD\v", None),
        ("-_-_", None),
        ("é", None),
    ],
)
def test_base64_is_strict_but_for_white_space_and_nuls(value: JsonValue, octets: bytes | None) -> None:
    assert json_c.octets(value) == octets


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("sha256\0x", "sha256"),
        (None, "(null)"),
        (True, "true"),
        (
            {"a/b": [1, Real("1.50"), None, "é\x1b\x7f"], "e": {}, "f": []},
            '{ "a\\/b": [ 1, 1.50, null, "é\\u001b\x7f" ], "e": { }, "f": [ ] }',
        ),
    ],
)
def test_the_text_of_a_value_is_json_on_one_line(value: JsonValue, text: str) -> None:
    assert json_c.text(value) == text
