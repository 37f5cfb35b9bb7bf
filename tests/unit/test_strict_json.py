"""The JSON of a header: RFC 8259 text and nothing else, values as json-c has them, the same text back."""

from __future__ import annotations

import pytest

from kdumpkey.errors import HeaderError
from kdumpkey.luks.strict_json import Real, parse, pretty, serialise


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"a":[],"b":{},"c":null,"d":true,"e":false,"f":""}',
        b'{"z":1,"a":2,"m":[{"x":-1},[0]]}',
        b'{"a":1.50e3,"b":-0.0,"c":1E+400,"d":0e0}',
        b'{"a":9223372036854775808,"b":18446744073709551615,"c":-9223372036854775808}',
        '{"é":"π𝄞/\x7f"}'.encode(),
        rb'{"a":"\b\f\n\r\t\"\\","b":"\u0001\u001f"}',
        rb'{"a":"x\u0000y"}',
    ],
)
def test_text_as_json_c_writes_it_comes_back_byte_for_byte(text: bytes) -> None:
    assert serialise(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b' {"a" : 1}'[1:] + b" \n\r\t", b'{"a":1}'),
        (b'{"a":-0}', b'{"a":0}'),
        (rb'{"a":"\/"}', b'{"a":"/"}'),
        (rb'{"a":"\u00e9\ud834\udd1e"}', '{"a":"é𝄞"}'.encode()),
        (b'{"a":18446744073709551616}', b'{"a":18446744073709551615}'),
        (b'{"a":-9223372036854775809}', b'{"a":-9223372036854775808}'),
        (b'{"a":' + b"1" * 5000 + b"}", b'{"a":18446744073709551615}'),
        (b'{"a":-' + b"1" * 5000 + b"}", b'{"a":-9223372036854775808}'),
        (rb'{"a":"\ud800x"}', '{"a":"\ufffdx"}'.encode()),
        (rb'{"a":"\ud800\ud800"}', '{"a":"\ufffd\ufffd"}'.encode()),
        (rb'{"a":"\ud800\ud834\udd1e\udd1e"}', '{"a":"\ufffd𝄞\ufffd"}'.encode()),
        (rb'{"a":"\\ud800"}', rb'{"a":"\\ud800"}'),
        (rb'{"a\u0000b":1}', b'{"a":1}'),
    ],
)
def test_what_json_c_reads_differently_is_read_as_json_c_does(text: bytes, written: bytes) -> None:
    assert serialise(parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b' {"a":1}',
        b"{",
        b'{"a":1,}',
        b'{"a":[1,]}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1}x',
        b'{"a":1}{}',
        b'{"a":/* */1}',
        b'{"a":True}',
        b'{"a":"\n"}',
        b'{"a":"\t"}',
        b'{"a":"\x00"}',
        rb'{"a":"\x41"}',
        rb'{"a":"\u12"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":1\x0b}',
        b'{"a":1\xc2\xa0}',
        b'\xef\xbb\xbf{"a":1}',
    ],
)
def test_what_is_not_an_rfc_8259_object_is_refused(text: bytes) -> None:
    with pytest.raises(HeaderError, match="the JSON area"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"x":[{"b":1,"a":2,"b":3}]}',
        rb'{"a":1,"\u0061":2}',
        rb'{"a\u0000b":1,"a\u0000c":2}',
    ],
)
def test_a_member_named_twice_is_refused(text: bytes) -> None:
    with pytest.raises(HeaderError, match=r'two members named "[ab]"'):
        parse(text)


def test_nesting_ends_at_32_levels_of_values_as_json_cs_does() -> None:
    def nested(levels: int, innermost: bytes) -> bytes:
        return b'{"a":' + b"[" * levels + innermost + b"]" * levels + b"}"

    assert parse(nested(31, b""))
    assert parse(nested(30, b"1"))
    assert parse(nested(30, b"{}"))
    for text in (nested(32, b""), nested(31, b"1"), nested(30, b'{"a":1}'), b'{"a":' * 5000):
        with pytest.raises(HeaderError, match="nested more than 32"):
            parse(text)


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse(b'{"a":"' + b"[{" * 40 + b'","b\\"[[":["' + b"\\\\" + b"[" * 40 + b'"]}')


def test_numbers_with_a_fraction_keep_their_text_and_are_no_integers() -> None:
    assert parse(b'{"a":1.0}') == {"a": Real("1.0")}
    assert not isinstance(Real("1"), (int, float, str))


def test_pretty_is_laid_out_as_json_c_lays_it_out() -> None:
    value = parse(b'{"a":[],"b":{},"c":[1,{"x":"/"}]}')
    assert pretty(value) == (
        '{\n  "a":[\n  ],\n  "b":{\n  },\n  "c":[\n    1,\n    {\n      "x":"/"\n    }\n  ]\n}'
    )
