"""LUKS1 headers: what is refused and by what name, and that they come back byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from fuzz.images import luks1_image
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import HeaderError, NotLuksError
from kdumpkey.luks import luks1, read_header
from kdumpkey.luks.model import Luks1Header
from kdumpkey.storage.device import BytesReader

pytestmark = pytest.mark.every_python


def read(size: int = 2068480, **changes: Any) -> Luks1Header:
    header = read_header(BytesReader(luks1_image(size, **changes).content(), "image"))
    assert isinstance(header, Luks1Header)
    return header


def test_the_fields_and_what_follows_from_them() -> None:
    header = read()
    assert (header.version, header.cipher_name, header.cipher_mode) == (1, "aes", "xts-plain64")
    assert header.data_offset == 4096 * 512
    assert header.segments[0].encryption == "aes-xts-plain64"
    assert header.segments[0].size is None
    assert list(header.keyslots) == [0]
    assert [slot.active for slot in header.slots] == [True] + [False] * 7
    keyslot = header.keyslots[0]
    assert (keyslot.area.offset, keyslot.area.size, keyslot.key_size) == (4096, 256000, 64)
    assert keyslot.kdf == Pbkdf2(hash="sha256", iterations=1000, salt=b"s" * 32)
    assert header.digests[0].digest == b"d" * 20
    assert header.digest_of_keyslot(0) is header.digests[0]
    assert not header.is_unbound(0)
    assert header.requirements == ()


def test_a_header_is_written_back_byte_for_byte() -> None:
    content = luks1_image().content()
    assert luks1.serialise(luks1.parse(content)) == content[:592]


def test_a_detached_header_has_its_data_at_the_beginning() -> None:
    assert read(payload_offset=0).data_offset == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hash_spec": b"md5"}, "Requested LUKS hash md5 is not supported."),
        ({"hash_spec": b"nope"}, "Requested LUKS hash nope is not supported."),
        ({"key_bytes": 0}, "the volume key has no bytes"),
        ({"slot3": (0xDEAD, 0, b"", 8 + 504 * 3, 3999)}, "LUKS keyslot 3 is invalid."),
        ({"slot0": (0xAC71F3, 1000, b"", 1, 4000)}, "LUKS keyslot 0 is invalid."),
        ({"slot2": (0xDEAD, 0, b"", 8 + 504 * 2 - 5, 4000)}, "LUKS keyslot 1 is invalid."),
        ({"payload_offset": 4035}, "LUKS keyslot 7 is invalid."),
        ({"key_bytes": 65}, "LUKS keyslot 0 is invalid."),
        ({"key_bytes": 2**32 - 1}, "LUKS keyslot 0 is invalid."),
        ({"version": 3}, "Unsupported LUKS version 3."),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HeaderError) as caught:
        read(**changes)
    assert str(caught.value) == message


def test_the_last_slot_must_fit_the_device() -> None:
    assert read(size=2066432)
    with pytest.raises(HeaderError, match=r"image is too small\. \(LUKS1 requires at least 2066432 "):
        read(size=2066431)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 591, 592, 1023])
def test_a_truncated_header_is_none(size: int) -> None:
    with pytest.raises(NotLuksError):
        read(size=size)


def test_bytes_that_are_no_text_survive() -> None:
    assert luks1.serialise(read(uuid=b"\xff\xfe"))[168:170] == b"\xff\xfe"
