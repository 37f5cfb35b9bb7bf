"""LUKS2 headers: which copy is used, what is said of the other, what is never allocated."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fuzz.base_headers import base
from fuzz.images import Copy, HeaderImage, image_of
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.errors import AmbiguousSignatureError, DeviceError, HeaderError, NotLuksError
from kdumpkey.luks import luks2, read_header
from kdumpkey.luks.layout import LUKS2_METADATA_SIZES, Luks2Binary
from kdumpkey.luks.model import CopyState, Luks2Header, UnknownKdf
from kdumpkey.storage.device import BytesReader

pytestmark = pytest.mark.every_python

SIZE = 16777216
TEXT = json.dumps(base("plain"), separators=(",", ":")).encode()


def copies(**changes: Any) -> tuple[Copy, Copy]:
    first = Copy(TEXT)
    second = Copy(TEXT, b"SKUL\xba\xbe", hdr_offset=16384, salt=b"t" * 64)
    return replace(first, **changes.get("first", {})), replace(second, **changes.get("second", {}))


def content(size: int = SIZE, **changes: Any) -> bytes:
    first, second = copies(**changes)
    return HeaderImage(size, ((0, first.pack(12288)), (16384, second.pack(12288)))).content()


def read(image: bytes) -> Luks2Header:
    header = read_header(BytesReader(image, "image"))
    assert isinstance(header, Luks2Header)
    return header


def states(header: Luks2Header) -> list[CopyState]:
    return [copy.state for copy in header.copies]


def test_the_fields_of_a_header() -> None:
    header = read(content(first={"label": b"name", "subsystem": b"sub"}))
    assert (header.version, header.seqid, header.metadata_size) == (2, 3, 16384)
    assert (header.label, header.subsystem, header.checksum_alg) == ("name", "sub", "sha256")
    assert header.uuid == "78c26f5f-7864-4b3d-a66b-a285583acaa8"
    assert header.json_text == TEXT
    assert header.json == base("plain")
    assert (header.data_offset, header.areas_end) == (16777216, 16777216)
    assert isinstance(header.keyslots[0].kdf, Pbkdf2)
    assert states(header) == [CopyState.CURRENT, CopyState.CURRENT]
    assert [copy.salt for copy in header.copies] == [b"s" * 64, b"t" * 64]


def test_keyslots_tokens_digests_and_flags() -> None:
    header = read(image_of(base("slots and tokens"), size=SIZE).content())
    assert [keyslot.priority for keyslot in header.keyslots.values()] == [2, 1, 1]
    assert header.keyslots[1].kdf == Argon2("argon2id", 4, 65536, 2, header.keyslots[1].kdf.salt)  # type: ignore[union-attr]
    assert [header.is_unbound(number) for number in range(3)] == [False, False, True]
    assert header.tokens[0].keyslots == (0,)
    assert header.tokens[0].json["key_description"] == "a:b"
    assert header.config.flags == ("allow-discards", "no-read-workqueue")


def test_segments_with_their_backups_apart() -> None:
    header = read(image_of(base("encryption"), size=SIZE).content())
    assert [segment.id for segment in header.data_segments] == [0, 1]
    assert header.data_segments[0].size == 16777216
    assert header.requirements == ("online-reencrypt-v2",)
    assert header.keyslots[1].type == "reencrypt"
    assert header.keyslots[1].kdf is None


def test_a_kdf_that_cannot_be_run_is_kept_as_unknown() -> None:
    metadata = base("plain")
    metadata["keyslots"]["0"]["kdf"] = {"type": "argon2", "x": 1, "memory": "7x"}
    assert read(image_of(metadata).content()).keyslots[0].kdf == UnknownKdf("argon2", memory_kib=7)
    metadata = base("plain")
    metadata["keyslots"]["0"]["kdf"]["salt"] = "not base64!"
    assert isinstance(read(image_of(metadata).content()).keyslots[0].kdf, UnknownKdf)


def test_names_that_nothing_can_address_stay_in_the_json_alone() -> None:
    metadata = base("plain")
    metadata["tokens"] = {"007": {"type": "x", "keyslots": []}, str(2**40): {"type": "x", "keyslots": []}}
    header = read(image_of(metadata).content())
    assert not header.tokens
    assert header.json["tokens"] == metadata["tokens"]


@pytest.mark.parametrize(("first", "second", "used"), [(3, 3, 0), (4, 3, 0), (3, 4, 1), (0, 2**64 - 1, 1)])
def test_the_higher_seqid_wins_and_the_primary_among_equals(first: int, second: int, used: int) -> None:
    header = read(content(first={"seqid": first}, second={"seqid": second}))
    assert header.used == used
    assert header.seqid == max(first, second)
    expected = [CopyState.CURRENT, CopyState.CURRENT]
    if first != second:
        expected[1 - used] = CopyState.OBSOLETE
    assert states(header) == expected


@pytest.mark.parametrize("damage", [{"flip": 300}, {"flip": 5000}, {"magic": bytes(6)}, {"text": b"{}"}])
def test_one_damaged_copy_leaves_the_other(damage: dict[str, Any]) -> None:
    primary = read(content(second=damage))
    assert (primary.used, states(primary)) == (0, [CopyState.CURRENT, CopyState.DAMAGED])
    secondary = read(content(first=damage))
    assert (secondary.used, states(secondary)) == (1, [CopyState.DAMAGED, CopyState.CURRENT])
    assert all(copy.problem for copy in secondary.copies if copy.state is CopyState.DAMAGED)
    with pytest.raises(HeaderError):
        read(content(first=damage, second=damage))


@pytest.mark.parametrize("size", LUKS2_METADATA_SIZES)
def test_a_secondary_alone_is_found_wherever_it_may_be(size: int) -> None:
    metadata = base("plain")
    metadata["config"]["json_size"] = str(size - 4096)
    metadata["keyslots"]["0"]["area"]["offset"] = str(2 * size)
    metadata["segments"]["0"]["offset"] = str(2 * size + 16744448)
    text = json.dumps(metadata).encode()
    copy = Copy(text, b"SKUL\xba\xbe", hdr_size=size, hdr_offset=size)
    header = read(HeaderImage(2 * size + 16744448, ((size, copy.pack(size - 4096)),)).content())
    assert (header.metadata_size, header.used) == (size, 1)


def test_an_unsupported_version_is_said_even_where_the_secondary_is_valid() -> None:
    with pytest.raises(HeaderError, match=r"^Unsupported LUKS version 7\.$"):
        read(content(first={"version": 7}))


def test_the_device_must_hold_the_areas() -> None:
    with pytest.raises(HeaderError, match=r"image is too small. Need at least 16777216 bytes"):
        read(content(size=SIZE - 1))


@pytest.mark.parametrize("size", [0, 1, 1024, 4095, 4096, 16383, 16384, 20480])
def test_a_device_that_ends_within_the_header_has_none(size: int) -> None:
    with pytest.raises(HeaderError):
        read(content(size=size))


def test_no_header_at_all_is_not_luks() -> None:
    with pytest.raises(NotLuksError):
        read(bytes(1 << 20))


@pytest.mark.parametrize("hdr_size", [0, 4096, 16385, 1 << 23, 1 << 31, 1 << 63, (1 << 64) - 1])
def test_a_size_that_cannot_be_is_refused_before_it_is_allocated(hdr_size: int) -> None:
    class Counting(BytesReader):
        largest = 0

        def pread_into(self, buffer: Any, offset: int) -> None:
            self.largest = max(self.largest, memoryview(buffer).nbytes)
            super().pread_into(buffer, offset)

    reader = Counting(content(first={"hdr_size": hdr_size}, second={"magic": bytes(6)}))
    with pytest.raises(HeaderError, match=f"impossible size of {hdr_size} bytes"):
        read_header(reader)
    assert reader.largest <= 4096


def test_a_device_that_cannot_be_read_is_no_bad_header() -> None:
    class Failing(BytesReader):
        def pread_into(self, buffer: Any, offset: int) -> None:  # noqa: ARG002
            raise DeviceError("Cannot read device x at byte 0: Input/output error.")

    with pytest.raises(DeviceError):
        read_header(Failing(content()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.ljust(12288), "no NUL ends it"),
        (TEXT + b"\0x", "other bytes than NUL after its text"),
        (TEXT + b"x", "Extra data"),
        (b" " + TEXT, "does not begin with '{'"),
    ],
)
def test_what_follows_the_text_is_nul(text: bytes, message: str) -> None:
    with pytest.raises(HeaderError, match=message):
        read(content(first={"text": text}, second={"text": text}))


def test_white_space_after_the_text_is_allowed() -> None:
    assert read(content(first={"text": TEXT + b" \n\t"})).used == 0


def test_a_foreign_signature_over_the_primary_is_ambiguous_and_over_the_secondary_is_not() -> None:
    image = bytearray(content(first={"magic": bytes(6)}))
    assert read(bytes(image)).used == 1
    image[1080:1082] = b"\x53\xef"
    with pytest.raises(AmbiguousSignatureError, match=r"Device contains ambiguous signatures.*ext2/3/4"):
        read(bytes(image))
    assert luks2.read(BytesReader(bytes(image)), ignore_signatures=True).used == 1
    image = bytearray(content(second={"magic": bytes(6)}))
    image[16384 + 1080 : 16384 + 1082] = b"\x53\xef"
    assert read(bytes(image)).used == 0


def test_both_copies_are_written_back_byte_for_byte() -> None:
    image = content(
        first={"label": b"x" * 47, "seqid": 2**64 - 1}, second={"label": b"x" * 47, "seqid": 2**64 - 1}
    )
    header = read(image)
    assert luks2.serialise(header, secondary=False, salt=b"s" * 64) == image[:16384]
    assert luks2.serialise(header, secondary=True, salt=b"t" * 64) == image[16384:32768]


def test_one_copy_alone_can_be_read_from_its_place() -> None:
    reader = BytesReader(content(first={"seqid": 1}, second={"seqid": 9}))
    assert luks2.parse_copy(reader, 0).seqid == 1
    assert luks2.parse_copy(reader, 16384).seqid == 9


def test_json_that_does_not_fit_its_area_is_not_written() -> None:
    header = read(content())
    large = header._replace(json={**header.json, "x": "y" * 12288})
    with pytest.raises(HeaderError, match="too large"):
        luks2.serialise(large, secondary=False, salt=bytes(64))


def test_a_header_is_made_of_json_and_a_binary_header() -> None:
    fields = luks2.BinaryFields.of(Luks2Binary.unpack(content()))
    assert luks2.build(base("plain"), fields).json_text == TEXT
    with pytest.raises(HeaderError, match=r"invalid: segments is missing$"):
        luks2.build(_without(base("plain"), "segments"), fields)


def _without(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    del metadata[name]
    return metadata
