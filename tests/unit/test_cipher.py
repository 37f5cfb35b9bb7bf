"""Sector ciphers: against a naive reference, runs against single sectors, numbering, sharing, closing."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forked import in_child
from kdumpkey._native import aesxts
from kdumpkey.crypto.cipher import SECTOR_SIZES, CipherSpec, SectorCipher, sector_cipher
from kdumpkey.errors import CipherError, TierError, TierNotBuiltError, TierNotOnThisCpuError, UnknownTierError
from kdumpkey.secret import SecretBuffer
from naive_ciphers import crypt

XTS = ["aes-xts-plain64", "aes-xts-plain"]
CBC = ["aes-cbc-plain64", "aes-cbc-plain", "aes-cbc-essiv:sha256"]
KEYS = {
    size: bytes((i * 59 + size) % 256 for i in range(size)) for size in (16, 24, 32, 64)
}  # no two halves of one are equal


@st.composite
def ciphers(draw: st.DrawFn) -> tuple[str, bytes, int, bool]:
    text = draw(st.sampled_from(XTS + CBC))
    key = KEYS[draw(st.sampled_from(CipherSpec.parse(text).key_sizes))]
    return text, key, draw(st.sampled_from(SECTOR_SIZES)), draw(st.booleans())


def content(sectors: int, sector_size: int, seed: int = 0) -> bytes:
    block = bytes((i * 31 + seed) % 251 for i in range(sector_size + 1))
    return (block * (sectors + 1))[: sectors * sector_size]


def iv_numbers(first_sector: int, sectors: int, sector_size: int, large_iv: bool) -> range:
    units = sector_size // 512
    if large_iv:
        return range(first_sector // units, first_sector // units + sectors)
    return range(first_sector, first_sector + sectors * units, units)


def encrypted(cipher: SectorCipher, data: bytes, first_sector: int) -> bytes:
    out = bytearray(len(data))
    cipher.encrypt_into(data, out, first_sector)
    return bytes(out)


def decrypted(cipher: SectorCipher, data: bytes, first_sector: int) -> bytes:
    out = bytearray(len(data))
    cipher.decrypt_into(data, out, first_sector)
    return bytes(out)


numbers = st.one_of(st.integers(0, 100), st.integers(2**32 - 40, 2**32 + 8), st.integers(0, 2**63))
run_lengths = st.one_of(st.integers(0, 5), st.sampled_from([16, 31, 33, 129, 140]))


@given(ciphers(), run_lengths, numbers)
def test_a_run_is_the_reference_sector_by_sector_and_comes_back(
    made: tuple[str, bytes, int, bool], sectors: int, first_sector: int
) -> None:
    text, key, size, large_iv = made
    data = content(sectors, size)
    expected = crypt(
        "encrypt",
        text,
        key,
        data,
        sector_size=size,
        numbers=iv_numbers(first_sector, sectors, size, large_iv),
    )
    with sector_cipher(CipherSpec.parse(text), key, sector_size=size, large_iv=large_iv) as cipher:
        assert encrypted(cipher, data, first_sector) == expected
        assert decrypted(cipher, expected, first_sector) == data


@given(ciphers(), st.integers(0, 140), st.integers(0, 140), st.integers(0, 2**40))
def test_a_run_is_its_parts(
    made: tuple[str, bytes, int, bool], sectors: int, cut: int, first_sector: int
) -> None:
    text, key, size, large_iv = made
    cut = min(cut, sectors)
    first_sector -= first_sector % (size // 512)
    beyond = first_sector + cut * size // 512
    data = content(sectors, size)
    with sector_cipher(CipherSpec.parse(text), key, sector_size=size, large_iv=large_iv) as cipher:
        for apply in (encrypted, decrypted):
            whole = apply(cipher, data, first_sector)
            parts = apply(cipher, data[: cut * size], first_sector), apply(cipher, data[cut * size :], beyond)
            assert whole == b"".join(parts)


@given(ciphers(), st.sampled_from([1, 2, 129, 140]))
def test_in_place_gives_the_same_as_apart(made: tuple[str, bytes, int, bool], sectors: int) -> None:
    text, key, size, large_iv = made
    data = content(sectors, size)
    with (
        sector_cipher(CipherSpec.parse(text), key, sector_size=size, large_iv=large_iv) as cipher,
        SecretBuffer.copy_of(data) as buffer,
    ):
        cipher.encrypt_into(buffer, buffer, 7)
        assert buffer.equals(encrypted(cipher, data, 7))
        cipher.decrypt_into(buffer, buffer, 7)
        assert buffer.equals(data)


@pytest.mark.parametrize("text", XTS + CBC)
@pytest.mark.parametrize("size", [512, 4096])
@pytest.mark.parametrize("before", [0, 1, 8, 11])
@pytest.mark.parametrize("large_iv", [False, True])
def test_sector_numbers_wrap_at_64_bits(text: str, size: int, before: int, large_iv: bool) -> None:
    units, sectors, first_sector = size // 512, 5, 2**64 - before
    unwrapped = [(first_sector + i * units) % 2**64 for i in range(sectors)]
    data = content(sectors, size)
    expected = b"".join(
        crypt(
            "encrypt",
            text,
            KEYS[32],
            data[i * size : (i + 1) * size],
            sector_size=size,
            numbers=iv_numbers(number, 1, size, large_iv),
        )
        for i, number in enumerate(unwrapped)
    )
    with sector_cipher(CipherSpec.parse(text), KEYS[32], sector_size=size, large_iv=large_iv) as cipher:
        assert encrypted(cipher, data, first_sector) == expected
        assert decrypted(cipher, expected, first_sector) == data


@pytest.mark.parametrize("text", ["aes-xts-plain64", "aes-cbc-essiv:sha256"])
@pytest.mark.parametrize(
    ("source", "target", "sector"),
    [
        (bytes(511), bytearray(511), 0),
        (bytes(1024), bytearray(512), 0),
        (bytes(512), bytearray(512), -1),
        (bytes(512), bytes(512), 0),
    ],
    ids=["half a sector", "other lengths", "negative number", "read-only"],
)
def test_arguments_that_do_not_fit_are_refused_and_nothing_is_written(
    text: str, source: bytes, target: bytearray, sector: int
) -> None:
    with sector_cipher(CipherSpec.parse(text), KEYS[32]) as cipher:
        with pytest.raises((ValueError, BufferError)):
            cipher.decrypt_into(source, target, sector)
        assert not any(target)


@pytest.mark.parametrize(("text", "size"), [("aes-xts-plain64", 48), ("aes-cbc-plain", 64)])
def test_a_key_of_another_size_is_refused(text: str, size: int) -> None:
    with pytest.raises(CipherError, match=f"{size * 8}"):
        sector_cipher(CipherSpec.parse(text), bytes(size))


@pytest.mark.parametrize("size", [0, 16, 511, 768, 8192, -512])
def test_a_sector_size_that_dm_crypt_has_not_is_refused(size: int) -> None:
    with pytest.raises(CipherError, match=f"sector size {size}"):
        sector_cipher(CipherSpec.parse("aes-xts-plain64"), KEYS[64], sector_size=size)


def test_every_usable_tier_can_be_demanded() -> None:
    data = content(9, 4096)
    results = set()
    for tier in aesxts.usable_tiers():
        with sector_cipher(
            CipherSpec.parse("aes-xts-plain64"), KEYS[64], sector_size=4096, tier=tier
        ) as cipher:
            results.add(encrypted(cipher, data, 8))
    assert len(results) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("unknown", UnknownTierError),
        ("not built", TierNotBuiltError),
        ("not on this cpu", TierNotOnThisCpuError),
    ],
)
def test_a_tier_that_cannot_be_used_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch, status: str, error: type[TierError]
) -> None:
    monkeypatch.setattr("kdumpkey.crypto.cipher.aesxts.tier_status", lambda _: status)
    with pytest.raises(error, match="'some-tier'"):
        sector_cipher(CipherSpec.parse("aes-xts-plain64"), KEYS[64], tier="some-tier")


def test_a_tier_is_not_ignored_where_the_cipher_has_none() -> None:
    with pytest.raises(TierError, match="aes-cbc-plain64"):
        sector_cipher(CipherSpec.parse("aes-cbc-plain64"), KEYS[32], tier="portable")


@pytest.mark.parametrize("text", XTS[:1] + CBC[2:])
def test_many_threads_share_a_cipher(text: str) -> None:
    data = content(300, 512)
    wrong: list[int] = []
    with sector_cipher(CipherSpec.parse(text), KEYS[32]) as cipher:
        expected = [encrypted(cipher, data, number) for number in range(4)]

        def work(number: int) -> None:
            for _ in range(10):
                if encrypted(cipher, data, number) != expected[number]:
                    wrong.append(number)
                if decrypted(cipher, expected[number], number) != data:
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("text", XTS[:1] + CBC[2:])
def test_a_closed_cipher_refuses_to_work(text: str) -> None:
    cipher = sector_cipher(CipherSpec.parse(text), KEYS[32])
    encrypted(cipher, bytes(512), 0)
    cipher.close()
    cipher.close()
    with pytest.raises(ValueError, match="closed"):
        encrypted(cipher, bytes(512), 0)


@pytest.mark.parametrize("text", XTS[:1] + CBC[2:])
def test_a_forked_child_cannot_use_its_parents_cipher(text: str) -> None:
    with sector_cipher(CipherSpec.parse(text), KEYS[32]) as cipher:
        encrypted(cipher, bytes(512), 0)

        def body() -> None:
            with pytest.raises(ValueError, match="closed"):
                encrypted(cipher, bytes(512), 0)

        in_child(body)
        assert decrypted(cipher, encrypted(cipher, bytes(512), 0), 0) == bytes(512)


@pytest.mark.parametrize("text", XTS[:1] + CBC[2:])
def test_the_key_is_copied_and_no_view_of_it_is_kept(text: str) -> None:
    key = bytearray(KEYS[32])
    with sector_cipher(CipherSpec.parse(text), key) as cipher:
        before = encrypted(cipher, bytes(512), 0)
        key[:] = bytes(32)
        key.append(0)  # a BufferError if a view were left
        assert encrypted(cipher, bytes(512), 0) == before
