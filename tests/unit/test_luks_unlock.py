"""The keyslot loop: its order, what it refuses before it works, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fuzz.base_headers import base
from fuzz.images import HeaderImage, SparseReader, image_of
from kdumpkey.crypto import af, kdf
from kdumpkey.crypto.cipher import CipherSpec, sector_cipher
from kdumpkey.errors import CipherError, DeviceError, KdfError, KeyslotError, ResourceError, WrongKeyError
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Af, Digest, Keyslot, Luks2Header, UnknownKdf
from kdumpkey.luks.unlock import Search, Unlocked, open_keyslot, unlock
from kdumpkey.luks.volume_key import verify_volume_key
from kdumpkey.memory import available as memory
from kdumpkey.secret import SecretBuffer

pytestmark = pytest.mark.every_python

SALT = b"t" * 32
KEY = bytes(range(64))
OTHER_KEY = bytes(range(64, 128))
PBKDF2 = kdf.Pbkdf2("sha256", 2, SALT)


def area_of(key: bytes, passphrase: bytes, function: kdf.Kdf = PBKDF2) -> bytes:
    """The bytes of a keyslot area."""
    stripes = af.split(key, 4000, "sha256")
    with (
        kdf.derive(function, passphrase, 64) as area_key,
        sector_cipher(CipherSpec.parse("aes-xts-plain64"), area_key) as cipher,
        stripes,
    ):
        cipher.encrypt_into(stripes, stripes, 0)
        return bytes(memoryview(stripes))


def digest_of(number: int, key: bytes, keyslots: tuple[int, ...], segments: tuple[int, ...]) -> Digest:
    with kdf.derive(PBKDF2, key, 32) as value:
        return Digest(number, "pbkdf2", keyslots, segments, "sha256", 2, SALT, bytes(memoryview(value)))


@pytest.fixture
def volume() -> tuple[SparseReader, Luks2Header]:
    """Keyslots 0 "zero", 1 "one", 2 "two" (another key, unbound), all PBKDF2."""
    image = image_of(base("slots and tokens"))
    chunks = (
        *image.chunks,
        (32768, area_of(KEY, b"zero")),
        (290816, area_of(KEY, b"one")),
        (548864, area_of(OTHER_KEY, b"two")),
    )
    reader = SparseReader(HeaderImage(image.size, chunks))
    header = read_header(reader)
    assert isinstance(header, Luks2Header)
    keyslots = {number: slot._replace(kdf=PBKDF2, priority=1) for number, slot in header.keyslots.items()}
    digests = {0: digest_of(0, KEY, (0, 1), (0,)), 1: digest_of(1, OTHER_KEY, (2,), ())}
    return reader, header._replace(keyslots=keyslots, digests=digests)


def changed(header: Luks2Header, number: int, **changes: Any) -> Luks2Header:
    return header._replace(keyslots={**header.keyslots, number: header.keyslots[number]._replace(**changes)})


def opened(result: Unlocked) -> tuple[int, int, bytes]:
    with result.volume_key as key:
        return result.keyslot, result.digest, bytes(memoryview(key))


def test_each_passphrase_opens_its_keyslot(volume: tuple[SparseReader, Luks2Header]) -> None:
    reader, header = volume
    assert opened(unlock(reader, header, b"zero")) == (0, 0, KEY)
    assert opened(unlock(reader, header, bytearray(b"one"))) == (1, 0, KEY)
    with SecretBuffer.copy_of(b"one") as passphrase:
        assert opened(unlock(reader, header, passphrase, Search(keyslot=1))) == (1, 0, KEY)


def test_a_wrong_passphrase_opens_none(volume: tuple[SparseReader, Luks2Header]) -> None:
    reader, header = volume
    for options in ({}, {"keyslot": 1}, {"unbound": True}):
        with pytest.raises(WrongKeyError, match=r"^No key available with this passphrase\.$") as caught:
            unlock(reader, header, b"zer0", Search(**options))  # type: ignore[arg-type]
        assert caught.value.exit_code == 2


def test_an_unbound_keyslot_opens_when_named_or_asked_for(volume: tuple[SparseReader, Luks2Header]) -> None:
    reader, header = volume
    with pytest.raises(WrongKeyError):
        unlock(reader, header, b"two")
    assert opened(unlock(reader, header, b"two", Search(keyslot=2))) == (2, 1, OTHER_KEY)
    assert opened(unlock(reader, header, b"two", Search(unbound=True))) == (2, 1, OTHER_KEY)


def test_preferred_keyslots_come_first_and_ignored_ones_only_when_named(
    volume: tuple[SparseReader, Luks2Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, header = volume
    tried: list[int] = []
    real = open_keyslot

    def noting(device: Any, header: Any, keyslot: Keyslot, *rest: Any, **options: Any) -> Unlocked:
        tried.append(keyslot.id)
        return real(device, header, keyslot, *rest, **options)

    monkeypatch.setattr("kdumpkey.luks.unlock.open_keyslot", noting)
    opened(unlock(reader, changed(header, 1, priority=2), b"zero"))
    assert tried == [1, 0]
    tried.clear()
    ignored = changed(header, 0, priority=0)
    with pytest.raises(WrongKeyError):
        unlock(reader, ignored, b"zero")
    assert tried == [1]
    assert opened(unlock(reader, ignored, b"zero", Search(keyslot=0))) == (0, 0, KEY)


def test_no_usable_keyslot_is_said_as_such(volume: tuple[SparseReader, Luks2Header]) -> None:
    reader, header = volume
    reencrypting = changed(header, 0, type="reencrypt")
    for asked, options in (
        (header, {"keyslot": 7}),
        (reencrypting, {"keyslot": 0}),
        (header._replace(keyslots={}), {}),
    ):
        with pytest.raises(KeyslotError, match=r"^No usable keyslot is available\.$") as caught:
            unlock(reader, asked, b"zero", Search(**options))  # type: ignore[arg-type]
        assert caught.value.exit_code == 1


def in_area(**changes: Any) -> Callable[[Keyslot], dict[str, Any]]:
    return lambda keyslot: {"area": keyslot.area._replace(**changes)}


def in_slot(**changes: Any) -> Callable[[Keyslot], dict[str, Any]]:
    return lambda _: changes


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (in_slot(key_size=0), KeyslotError, "key of 0 bytes"),
        (in_slot(key_size=-1), KeyslotError, "key of -1 bytes"),
        (in_slot(key_size=2**31), KeyslotError, "key of 2147483648 bytes"),
        (in_slot(key_size=128), KeyslotError, "its stripes need 512000"),
        (in_slot(af=None), KeyslotError, "4000 stripes"),
        (in_slot(af=Af("luks1", 4001, "sha256")), KeyslotError, "4000 stripes"),
        (in_slot(af=Af("luks1", 2**31, "sha256")), KeyslotError, "4000 stripes"),
        (in_slot(af=Af("luks1", 4000, "nope")), CipherError, "nope"),
        (in_area(size=255999), KeyslotError, "its stripes need 256000"),
        (in_area(offset=16777216), DeviceError, "ends before the area of keyslot 0"),
        (in_area(offset=2**63), DeviceError, "ends before the area of keyslot 0"),
        (in_area(key_size=2**31 - 1), CipherError, "aes-xts-plain64"),
        (in_area(key_size=-64), CipherError, "aes-xts-plain64"),
        (in_area(encryption="serpent-xts-plain64"), CipherError, "serpent"),
        (in_area(encryption=""), CipherError, "not supported"),
        (in_slot(kdf=None), KdfError, "no usable KDF"),
        (in_slot(kdf=UnknownKdf("argon2")), KdfError, "'argon2' is unknown"),
        (in_slot(kdf=UnknownKdf("pbkdf2", "the salt is not base64")), KdfError, "not base64"),
        (in_slot(kdf=PBKDF2._replace(salt=b"x" * 31)), KdfError, "salt of 31 bytes"),
        (in_slot(kdf=PBKDF2._replace(iterations=0)), KdfError, "iterations"),
        (in_slot(kdf=PBKDF2._replace(iterations=-1)), KdfError, "iterations"),
        (in_slot(kdf=PBKDF2._replace(iterations=2**32)), KdfError, "iterations"),
        (in_slot(kdf=PBKDF2._replace(hash="nope")), CipherError, "nope"),
        (in_slot(kdf=kdf.Argon2("argon2id", 0, 65536, 1, SALT)), KdfError, "time"),
        (in_slot(kdf=kdf.Argon2("argon2id", 4, 7, 1, SALT)), KdfError, "memory"),
        (in_slot(kdf=kdf.Argon2("argon2id", 4, 2**32, 1, SALT)), KdfError, "memory"),
        (in_slot(kdf=kdf.Argon2("argon2i", 4, 65536, 0, SALT)), KdfError, "parallel"),
    ],
)
def test_what_a_header_may_not_demand_is_refused_and_ends_the_loop(
    volume: tuple[SparseReader, Luks2Header],
    changes: Callable[[Keyslot], dict[str, Any]],
    error: type[Exception],
    message: str,
) -> None:
    reader, header = volume
    hostile = changed(header, 0, **changes(header.keyslots[0]))
    with pytest.raises(error, match=message):
        unlock(reader, hostile, b"one", Search(check_memory=False))


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": b""},
        {"digest": None},
        {"digest": b"x" * 19},
        {"digest": b"x" * 65},
        {"salt": None},
        {"iterations": 0},
        {"type": "other"},
    ],
)
def test_a_digest_that_says_nothing_fits_no_key(
    volume: tuple[SparseReader, Luks2Header], changes: dict[str, Any]
) -> None:
    reader, header = volume
    hollow = header._replace(digests={**header.digests, 0: header.digests[0]._replace(**changes)})
    with pytest.raises(KdfError):
        unlock(reader, hollow, b"zero")
    with pytest.raises(KdfError):
        verify_volume_key(hollow, KEY)


def test_memory_that_is_not_there_is_said_before_argon2_runs(
    volume: tuple[SparseReader, Luks2Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, header = volume
    costly = changed(header, 0, kdf=kdf.Argon2("argon2id", 4, 1048576, 4, SALT))
    monkeypatch.setattr(memory, "available", lambda **_: memory.Availability(187 * 1024, memory.MACHINE))
    monkeypatch.setattr(kdf, "derive", lambda *_: pytest.fail("Argon2 ran"))
    message = "^keyslot 0 needs 1048576 KiB for argon2id, 187 MiB are available here$"
    with pytest.raises(ResourceError, match=message) as caught:
        unlock(reader, costly, b"zero")
    assert caught.value.exit_code == 3


def test_the_memory_check_can_be_left_out(
    volume: tuple[SparseReader, Luks2Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, header = volume
    cheap = changed(header, 0, kdf=kdf.Argon2("argon2id", 1, 64, 1, SALT))
    monkeypatch.setattr(memory, "available", lambda **_: memory.Availability(1, memory.MACHINE))
    with pytest.raises(ResourceError):
        unlock(reader, cheap, b"zero", Search(keyslot=0))
    with pytest.raises(WrongKeyError):  # it ran, and the key is another one
        unlock(reader, cheap, b"zero", Search(keyslot=0, check_memory=False))


def test_a_volume_key_is_checked_by_the_digests_of_segments(volume: tuple[SparseReader, Luks2Header]) -> None:
    _, header = volume
    assert verify_volume_key(header, KEY).id == 0
    assert verify_volume_key(header, OTHER_KEY, unbound=True).id == 1
    for wrong in (OTHER_KEY, KEY[:-1], KEY + b"\0", b""):
        with pytest.raises(WrongKeyError, match=r"^Volume key does not match the volume\.$"):
            verify_volume_key(header, wrong)


@pytest.mark.parametrize("failing", ["kdumpkey.crypto.af.merge", "kdumpkey.luks.unlock.fits"])
def test_no_secret_is_left_open_where_something_fails(
    volume: tuple[SparseReader, Luks2Header], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    reader, header = volume
    made: list[SecretBuffer] = []
    real_derive, real_merge = kdf.derive, af.merge

    def noting(make: Callable[..., SecretBuffer]) -> Callable[..., SecretBuffer]:
        def wrapped(*arguments: Any) -> SecretBuffer:
            made.extend(argument for argument in arguments if isinstance(argument, SecretBuffer))
            made.append(make(*arguments))
            return made[-1]

        return wrapped

    def fail(*arguments: Any) -> Any:
        made.extend(argument for argument in arguments if isinstance(argument, SecretBuffer))
        raise KdfError("made to fail")

    monkeypatch.setattr(kdf, "derive", noting(real_derive))
    monkeypatch.setattr(af, "merge", noting(real_merge))
    monkeypatch.setattr(failing, fail)
    with pytest.raises(KdfError, match="made to fail"):
        unlock(reader, header, b"zero")
    assert len(made) >= 2
    assert all(buffer.closed for buffer in made)


def test_only_the_key_is_left_open_in_the_end(
    volume: tuple[SparseReader, Luks2Header], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, header = volume
    made: list[SecretBuffer] = []
    real = kdf.derive
    monkeypatch.setattr(kdf, "derive", lambda *arguments: made.append(real(*arguments)) or made[-1])
    result = unlock(reader, header, b"one")  # by way of keyslot 0, which it does not open
    assert len(made) == 4
    assert all(buffer.closed for buffer in made)
    assert not result.volume_key.closed
    result.volume_key.close()


def test_a_volume_key_without_its_last_zeros_is_refused(volume: tuple[SparseReader, Luks2Header]) -> None:
    _, header = volume
    key = bytes(range(1, 61)) + bytes(4)
    zeros = header._replace(digests={0: digest_of(0, key, (0, 1), (0,))})
    assert verify_volume_key(zeros, key).id == 0
    for short in (key[:60], key[:63], key + bytes(1)):
        with pytest.raises(WrongKeyError, match="Volume key does not match the volume"):
            verify_volume_key(zeros, short)
