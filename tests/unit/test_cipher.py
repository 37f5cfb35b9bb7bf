"""Sector ciphers: against a naive reference, runs against single sectors, numbering, sharing, closing."""

from __future__ import annotations

import sys
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
IVS = ["plain", "plain64", "plain64be", "null", "benbi", "eboiv", "essiv:sha256", "essiv:md5"]
RARE = [
    f"aes-{mode}-{iv}"
    for mode in ("xts", "cbc", "ctr", "cfb", "ofb")
    for iv in IVS
    if f"aes-{mode}-{iv}" not in XTS + CBC and (mode in ("xts", "cbc") or iv != "eboiv")
] + ["aes-ecb"]
SHARED = [XTS[0], CBC[2], "aes-xts-benbi", "aes-ecb", "aes-ctr-essiv:sha256", "aes-cfb-plain64"]
KEYS = {
    size: bytes((i * 59 + size) % 256 for i in range(size)) for size in (16, 24, 32, 48, 64)
}  # no two halves of one are equal


@st.composite
def ciphers(draw: st.DrawFn, texts: list[str]) -> tuple[str, bytes, int, bool]:
    text = draw(st.sampled_from(texts))
    sizes = [size for size in CipherSpec.parse(text).key_sizes if text in RARE or size != 48]
    key = KEYS[draw(st.sampled_from(sizes))]
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


@given(ciphers(XTS + CBC), run_lengths, numbers)
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


@given(ciphers(XTS + CBC + RARE), st.integers(0, 140), st.integers(0, 140), st.integers(0, 2**40))
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


@given(ciphers(XTS + CBC + RARE), st.sampled_from([1, 2, 129, 140]))
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


@pytest.mark.parametrize("text", [*XTS, *CBC, "aes-xts-benbi", "aes-xts-eboiv", "aes-cbc-plain64be"])
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


@pytest.mark.parametrize(
    "text", ["aes-xts-plain64", "aes-cbc-essiv:sha256", "aes-ctr-null", "aes-xts-null", "cipher_null"]
)
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


@pytest.mark.parametrize(
    ("text", "size"),
    [("aes-xts-plain64", 40), ("aes-cbc-plain", 64), ("aes-ctr-plain64", 64), ("aes-ecb", 8)],
)
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


@pytest.mark.parametrize(("text", "size"), [("aes-cbc-plain64", 32), ("aes-xts-plain64", 48)])
def test_a_tier_is_not_ignored_where_the_cipher_has_none(text: str, size: int) -> None:
    with pytest.raises(TierError, match=f"{text} with {size * 8}"):
        sector_cipher(CipherSpec.parse(text), KEYS[size], tier="portable")


@pytest.mark.parametrize("text", RARE)
@pytest.mark.parametrize("sector_size", SECTOR_SIZES)
def test_every_mode_iv_and_key_size_is_the_reference(text: str, sector_size: int) -> None:
    spec, data, first = CipherSpec.parse(text), content(3, sector_size), 2**33 + 8
    for size in spec.key_sizes:
        for large_iv in (False, True):
            numbers = iv_numbers(first, 3, sector_size, large_iv)
            expected = crypt("encrypt", text, KEYS[size], data, sector_size=sector_size, numbers=numbers)
            with sector_cipher(spec, KEYS[size], sector_size=sector_size, large_iv=large_iv) as cipher:
                assert encrypted(cipher, data, first) == expected
                assert decrypted(cipher, expected, first) == data


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("aes-xts-plain64:sha256", "aes-xts-plain64"),
        ("aes-cbc-plain:", "aes-cbc-plain"),
        ("aes-xts-plain64be:x:y", "aes-xts-plain64be"),
        ("aes-cbc-benbi:64", "aes-cbc-benbi"),
        ("aes-xts-null:x", "aes-xts-null"),
        ("aes-cbc-eboiv:x", "aes-cbc-eboiv"),
        ("aes-ecb-plain64", "aes-ecb"),
        ("AES-xts-PLAIN64", "aes-xts-plain64"),
        ("aes", "aes-cbc-plain"),
        ("aes-", "aes-cbc-plain"),
        ("capi:xts(aes)-plain64", "aes-xts-plain64"),
        ("capi:ctr(aes)-benbi", "aes-ctr-benbi"),
        ("capi:ecb(aes)", "aes-ecb"),
        ("capi:ecb(aes)-null", "aes-ecb"),
        ("capi:cbc(aes)-essiv:sha256", "aes-cbc-essiv:sha256"),
        ("capi:essiv(cbc(aes),sha256)-plain64", "aes-cbc-essiv:sha256"),
        ("capi:essiv(xts(aes),sha3-256)-plain64:x", "aes-xts-essiv:sha3-256"),
    ],
)
def test_other_spellings_of_a_cipher_are_that_cipher(text: str, same: str) -> None:
    data, number = content(4, 512), 2**32 + 1
    expected = crypt(
        "encrypt", same, KEYS[32], data, sector_size=512, numbers=iv_numbers(number, 4, 512, False)
    )
    with sector_cipher(CipherSpec.parse(text), KEYS[32]) as cipher:
        assert encrypted(cipher, data, number) == expected
        assert decrypted(cipher, expected, number) == data


def test_essiv_encrypts_whichever_iv_it_is_given() -> None:
    data, number = content(1, 512), 2**32 + 1
    results = {}
    for iv in ("plain", "plain64", "plain64be", "null", "benbi"):
        with sector_cipher(CipherSpec.parse(f"capi:essiv(cbc(aes),sha256)-{iv}"), KEYS[32]) as cipher:
            results[iv] = encrypted(cipher, data, number)
    assert len(set(results.values())) == 5
    low_half = crypt("encrypt", "aes-cbc-essiv:sha256", KEYS[32], data, sector_size=512, numbers=range(1, 2))
    assert results["plain"] == low_half


def test_a_keyslots_iv_is_cryptsetups_where_dm_crypt_has_another() -> None:
    """cryptsetup counts blocks of the cipher, and encrypts offsets with the whole key, whatever the mode."""
    key, data = KEYS[32], content(2, 512)
    for text, naive in (("aes-ctr-benbi", "aes-ctr-plain64be"), ("aes-xts-eboiv", "aes-xts-null")):
        with (
            sector_cipher(CipherSpec.parse(text, keyslot=True), key) as keyslot,
            sector_cipher(CipherSpec.parse(text), key) as volume,
        ):
            assert encrypted(keyslot, data, 1) != encrypted(volume, data, 1)
            assert decrypted(keyslot, encrypted(keyslot, data, 1), 1) == data
        if text == "aes-ctr-benbi":  # two sectors of 32 blocks each, counted from 1 on
            expected = crypt("encrypt", naive, key, data, sector_size=1024, numbers=range(33, 34))
            assert encrypted(keyslot_cipher(text, key), data, 1) == expected


def keyslot_cipher(text: str, key: bytes) -> SectorCipher:
    return sector_cipher(CipherSpec.parse(text, keyslot=True), key)


@pytest.mark.parametrize("text", ["cipher_null", "cipher_null-ecb", "null", "capi:ecb(cipher_null)-null"])
def test_the_null_cipher_leaves_everything_as_it_is(text: str) -> None:
    spec = CipherSpec.parse(text)
    assert spec.is_null
    with sector_cipher(spec, b"", sector_size=4096) as cipher:
        assert encrypted(cipher, content(3, 4096), 5) == content(3, 4096)
        assert decrypted(cipher, content(3, 4096), 5) == content(3, 4096)


@pytest.mark.parametrize("text", ["aes-xts-plain64", "aes-xts-null", "aes-xts-benbi"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_equal_halves_of_an_xts_key_decrypt_and_do_not_encrypt(text: str, size: int) -> None:
    key = bytes(range(size)) * 2
    with sector_cipher(CipherSpec.parse(text), key) as cipher:
        expected = crypt("decrypt", text, key, bytes(512), sector_size=512, numbers=range(1))
        assert decrypted(cipher, bytes(512), 0) == expected
        with pytest.raises(ValueError, match="halves"):
            encrypted(cipher, bytes(512), 0)


@pytest.mark.parametrize("text", SHARED)
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


@pytest.mark.parametrize("text", SHARED)
def test_a_closed_cipher_refuses_to_work(text: str) -> None:
    cipher = sector_cipher(CipherSpec.parse(text), KEYS[32])
    encrypted(cipher, bytes(512), 0)
    cipher.close()
    cipher.close()
    with pytest.raises(ValueError, match="closed"):
        encrypted(cipher, bytes(512), 0)


@pytest.mark.parametrize("text", SHARED)
def test_a_forked_child_cannot_use_its_parents_cipher(text: str) -> None:
    with sector_cipher(CipherSpec.parse(text), KEYS[32]) as cipher:
        encrypted(cipher, bytes(512), 0)

        def body() -> None:
            with pytest.raises(ValueError, match="closed"):
                encrypted(cipher, bytes(512), 0)

        in_child(body)
        assert decrypted(cipher, encrypted(cipher, bytes(512), 0), 0) == bytes(512)


@pytest.mark.parametrize("text", SHARED)
def test_the_key_is_copied_and_no_view_of_it_is_kept(text: str) -> None:
    key = bytearray(KEYS[32])
    with sector_cipher(CipherSpec.parse(text), key) as cipher:
        before = encrypted(cipher, bytes(512), 0)
        key[:] = bytes(32)
        key.append(0)  # a BufferError if a view were left
        assert encrypted(cipher, bytes(512), 0) == before


@pytest.mark.parametrize("missing", ["cryptography.hazmat.primitives.ciphers", "kdumpkey.crypto.modes"])
def test_without_cryptography_what_needs_it_is_refused_by_name_and_aes_xts_is_not(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kdumpkey.crypto.modes", "kdumpkey.crypto.ivs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(CipherError, match="aes-ctr-plain64 needs the Python package cryptography"):
        sector_cipher(CipherSpec.parse("aes-ctr-plain64"), KEYS[32])
    sector_cipher(CipherSpec.parse("aes-xts-plain64"), KEYS[64]).close()
