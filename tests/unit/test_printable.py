"""What others wrote is shown, and not obeyed."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from kdumpkey.printable import printable, printable_json

TROUBLE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff\u200b\U000e0041",
]


@pytest.mark.parametrize("character", TROUBLE, ids=lambda each: f"{ord(each):04x}")
def test_no_control_character_direction_mark_or_line_separator_is_left(character: str) -> None:
    assert printable(f"a{character}b").isprintable()
    assert character not in printable(f"a{character}b")


def test_nothing_that_unicode_calls_a_control_or_a_format_is_left() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    kinds = {unicodedata.category(each) for each in printable(every)}
    assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def test_printable_text_stays_as_it_is() -> None:
    assert printable("Größe 一 é \\x1b /dev/sda2") == "Größe 一 é \\x1b /dev/sda2"


def test_the_escapes_say_what_was_there() -> None:
    assert printable("\x1b[2J\n\u202e\udcff\x9b") == "\\x1b[2J\\n\\u202e\\xff\\x9b"


def test_lines_stay_where_the_text_is_laid_out_already() -> None:
    assert printable("a\n\tb\rc", lines=True) == "a\n\tb\\rc"


def test_escaped_json_means_the_same() -> None:
    value = {"a\x7f\u202e": "\x1b\x9b\U000e0041\u2028é"}
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert printable(text, lines=True) == text
