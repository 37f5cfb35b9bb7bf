"""The largest JSON area, hostile in every way that is known, is read or refused with little work."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from forked import in_child
from fuzz.base_headers import base
from fuzz.images import Copy, HeaderImage, SparseReader
from kdumpkey.errors import HeaderError
from kdumpkey.luks import read_header
from work import steps

AREA = (4 << 20) - 4096
METADATA_SIZE = AREA + 4096
MOST_STEPS_A_BYTE = 6  # a segment of 57 bytes takes 4.8
LIMIT_BYTES = 640 << 20


def filled(before: bytes, unit: bytes, after: bytes) -> bytes:
    return before + unit * ((AREA - 1 - len(before) - len(after)) // len(unit)) + after


def members(template: str, before: str, after: str) -> bytes:
    parts, size = [], 0
    for count in range(AREA):
        part = template.format(count)
        size += len(part) + 1
        if size + len(before) + len(after) >= AREA:
            break
        parts.append(part)
    return (before + ",".join(parts) + after).encode()


def many_keyslots() -> bytes:
    metadata = base("plain")
    metadata["config"] = {"json_size": str(AREA), "keyslots_size": str(128 << 20)}
    metadata["segments"]["0"]["offset"] = "0"
    del metadata["keyslots"]
    metadata["digests"]["0"]["keyslots"] = []
    rest = json.dumps(metadata)[1:]
    slots, size = [], 0
    start = 2 * METADATA_SIZE
    for count in range(AREA):
        area = f'{{"type":"x","offset":"{start + count}","size":"1"}}'
        text = f'"{count}":{{"type":"x","key_size":1,"area":{area}}}'
        size += len(text) + 1
        if size + len(rest) + 30 > AREA:
            break
        slots.append(text)
    return ('{"keyslots":{' + ",".join(slots) + "}," + rest).encode()


def many_segments() -> bytes:
    metadata = base("plain")
    metadata["config"] = {"json_size": str(AREA), "keyslots_size": str(128 << 20)}
    metadata["keyslots"] = {}
    metadata["digests"] = {}
    del metadata["segments"]
    rest = json.dumps(metadata)[1:]
    start = 2 * METADATA_SIZE + (128 << 20)
    segments, size = [], 0
    for count in range(AREA):
        text = f'"{count}":{{"type":"x","offset":"{start + 512 * count}","size":"512"}}'
        size += len(text) + 1
        if size + len(rest) + 30 > AREA:
            break
        segments.append(text)
    return ('{"segments":{' + ",".join(segments) + "}," + rest).encode()


AREAS = {
    "nested arrays": filled(b'{"a":', b"[", b""),
    "nested objects": filled(b"", b'{"a":', b""),
    "empty arrays": filled(b'{"a":[', b"[],", b"1]}"),
    "empty objects": filled(b'{"a":[', b"{},", b"1]}"),
    "short integers": filled(b'{"a":[', b"1,", b"1]}"),
    "fractions": filled(b'{"a":[', b"1e5,", b"1]}"),
    "one long integer": filled(b'{"a":', b"1", b"}"),
    "one long negative integer": filled(b'{"a":-', b"1", b"}"),
    "one long fraction": filled(b'{"a":0.', b"1", b"}"),
    "long integers": filled(b'{"a":[', b"1" * 1000 + b",", b"1]}"),
    "one name many times": filled(b"{", b'"a":1,', b'"a":1}'),
    "many names": members('"{0}":0', "{", "}"),
    "many names that C cannot tell apart": members('"\\u0000{0}":0', "{", "}"),
    "escaped quotes": filled(b'{"a":"', b'\\"', b'"}'),
    "escaped quotes without an end": filled(b'{"a":"', b'\\"', b""),
    "backslashes": filled(b'{"a":"', b"\\\\", b'"}'),
    "half characters": filled(b'{"a":"', b"\\ud800", b'"}'),
    "quotes": filled(b'{"a":', b'"', b""),
    "as deep as may be, often": filled(b'{"a":[', b"[" * 29 + b"]" * 29 + b",", b"1]}"),
    "white space": filled(b"{", b" ", b"}"),
    "commas": filled(b"{", b",", b"}"),
    "no UTF-8": filled(b'{"a":"', b"\xff", b'"}'),
    "keyslots": many_keyslots(),
    "segments": many_segments(),
    "a long number as digits": filled(
        b'{"keyslots":{},"tokens":{},"digests":{},"config":{},"segments":{"0":{"type":"x","offset":"',
        b"1",
        b'"}}}',
    ),
    "a long name of digits": filled(
        b'{"keyslots":{},"tokens":{"', b"1", b'":{"type":"x","keyslots":[]}},"config":{}}'
    ),
}
ACCEPTED = {"keyslots", "segments"}


def image(text: bytes) -> SparseReader:
    assert len(text) < AREA
    copy = Copy(text, hdr_size=METADATA_SIZE)
    size = 2 * METADATA_SIZE + (128 << 20 if text.startswith((b'{"keyslots":{"0"', b'{"segments"')) else 0)
    return SparseReader(HeaderImage(size, ((0, copy.pack(AREA)),)))


@pytest.mark.parametrize("name", AREAS)
def test_a_hostile_area_costs_few_steps_a_byte(name: str) -> None:
    reader, said = image(AREAS[name]), ""

    def reading() -> None:
        nonlocal said
        try:
            read_header(reader)
        except HeaderError as error:
            said = str(error)

    in_child(reading)  # what C code does takes no steps, but must come to an end
    assert steps(reading) <= MOST_STEPS_A_BYTE * AREA
    assert (not said) == (name in ACCEPTED)
    assert len(said) < 400


@pytest.mark.slow
@pytest.mark.parametrize("name", ["empty objects", "as deep as may be, often", "many names"])
def test_a_hostile_area_costs_bounded_memory(name: str) -> None:
    reader = image(AREAS[name])
    tracemalloc.start()
    try:
        with pytest.raises(HeaderError):
            read_header(reader)
        assert tracemalloc.get_traced_memory()[1] < LIMIT_BYTES
    finally:
        tracemalloc.stop()
