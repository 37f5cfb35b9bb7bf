"""The AES-CBC engine's Python face: published vectors, what it refuses, and how long a context lives."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from forked import in_child
from kdumpkey._native.aescbc import AesCbc, default_tier, tier_status, tiers, usable_tiers
from kdumpkey.secret import SecretBuffer
from vectors import cbc

every_tier = pytest.mark.parametrize("tier", usable_tiers())
KEY = bytes(range(32))


def test_the_vectors_have_the_cases_they_are_known_to_have() -> None:
    vectors = cbc.all_vectors()
    assert {len(vector.key) for vector in vectors} == {16, 24, 32}
    assert len(vectors) > 2000


@every_tier
def test_every_vector_holds_in_both_directions(tier: str) -> None:
    for vector in cbc.all_vectors():
        with AesCbc(vector.key, tier=tier) as context:
            out = bytearray(len(vector.plaintext))
            context.crypt_unit(vector.plaintext, out, vector.iv, False)
            assert out == vector.ciphertext, vector.where
            context.crypt_unit(out, out, vector.iv, True)
            assert out == vector.plaintext, vector.where


def peer(key: bytes, iv_key: bytes | None, number: int, big_endian: bool, sector: bytes) -> bytes:
    """One sector by `cryptography`."""
    iv = number.to_bytes(16, "big" if big_endian else "little")
    if iv_key is not None:
        iv = Cipher(algorithms.AES(iv_key), modes.ECB()).encryptor().update(iv)  # noqa: S305 - what ESSIV is
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(sector)


aes_keys = st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n))


@given(
    st.sampled_from(usable_tiers()),
    aes_keys,
    st.none() | aes_keys,
    st.integers(1, 40),
    st.integers(0, 70),
    st.integers(0, 2**64 - 1) | st.integers(2**32 - 80, 2**32),
    st.integers(0, 9),
    st.sampled_from([32, 64]),
    st.booleans(),
)
def test_a_run_is_its_sectors_by_cryptography_and_comes_back(
    tier: str,
    key: bytes,
    iv_key: bytes | None,
    blocks: int,
    sectors: int,
    first: int,
    step: int,
    bits: int,
    big_endian: bool,
) -> None:
    size = 16 * blocks
    data = bytes((i * 167 + (i >> 8) * 59) & 0xFF for i in range(size * sectors))
    numbers = [(first + i * step) % 2**bits for i in range(sectors)]
    expected = b"".join(
        peer(key, iv_key, number, big_endian, data[i * size : (i + 1) * size])
        for i, number in enumerate(numbers)
    )
    out = bytearray(len(data))
    with AesCbc(key, iv_key, tier) as context:
        context.encrypt(data, out, size, first, step, bits, big_endian)
        assert out == expected
        context.decrypt(out, out, size, first, step, bits, big_endian)
        assert out == data


@every_tier
@pytest.mark.parametrize("decrypt", [False, True])
def test_a_bad_argument_is_a_value_error_and_nothing_is_written(tier: str, decrypt: bool) -> None:
    dst = bytearray(b"\xc3" * 1024)
    with AesCbc(KEY, tier=tier) as context:
        crypt = context.decrypt if decrypt else context.encrypt
        for sector_size in (0, 1, 15, 17, 511, 65536 + 16):
            with pytest.raises(ValueError, match="multiple of 16 from 16 to 65536"):
                crypt(bytes(1024), dst, sector_size)
        for src, arguments, match in (
            (bytes(1024), (48,), "whole number of sectors"),
            (bytes(1008), (16,), "differ in length"),
            (bytes(1024), (512, 0, 1, 63), "64 bits or 32"),
            (bytes(1024), (512, -1), "negative or past 64 bits"),
            (bytes(1024), (512, 2**64), "negative or past 64 bits"),
        ):
            with pytest.raises(ValueError, match=match):
                crypt(src, dst, *arguments)
        with pytest.raises(BufferError):
            crypt(bytes(1024), bytes(1024), 512)
        arena = bytearray(1536)
        with pytest.raises(ValueError, match="overlap"):
            crypt(memoryview(arena)[:1024], memoryview(arena)[512:], 512)
    assert dst == b"\xc3" * 1024
    assert not any(arena)


@pytest.mark.parametrize("size", [0, 1, 15, 20, 33, 48, 64])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16, 24 or 32 bytes"):
        AesCbc(bytes(size))
    if size:
        with pytest.raises(ValueError, match="16, 24 or 32 bytes"):
            AesCbc(KEY, bytes(size))


def test_every_tier_is_known_and_says_whether_it_is_usable() -> None:
    assert tiers() == ("portable", "aesni", "vaes_avx2", "vaes_avx512", "armv8ce")
    assert usable_tiers() == tuple(name for name in tiers() if tier_status(name) == "usable")
    assert default_tier() in usable_tiers()
    assert tier_status("sse9") == "unknown"
    with pytest.raises(ValueError, match="no tier has this name"):
        AesCbc(KEY, tier="sse9")
    for tier in usable_tiers():
        with AesCbc(KEY, tier=tier) as context:
            assert context.tier == tier


def test_keys_are_copied_and_a_closed_context_refuses() -> None:
    secret = SecretBuffer.copy_of(KEY)
    out, same = bytearray(512), bytearray(512)
    context = AesCbc(secret, secret)
    secret.close()
    context.encrypt(bytes(512), out, 512)
    with AesCbc(KEY, KEY) as other:
        other.encrypt(bytes(512), same, 512)
    assert out == same
    context.close()
    context.close()
    assert context.closed
    with pytest.raises(ValueError, match="context is closed"):
        context.decrypt(out, out, 512)
    assert out == same


def test_a_context_is_not_copied_or_pickled() -> None:
    with AesCbc(KEY) as context:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="not copied or pickled"):
                attempt(context)


def test_a_forked_child_sees_a_closed_context() -> None:
    with AesCbc(KEY) as context:

        def child() -> None:
            assert context.closed
            with pytest.raises(ValueError, match="in a forked child: left to the parent"):
                context.decrypt(bytes(512), bytearray(512), 512)

        in_child(child)
        assert not context.closed


def test_close_during_calls_in_other_threads_lets_them_end_well() -> None:
    data, expected = bytes(1 << 20), bytearray(1 << 20)
    with AesCbc(KEY) as own:
        own.decrypt(data, expected, 512)
    context, ends, first_calls = AesCbc(KEY), list[str](), threading.Barrier(3)

    def work() -> None:
        out = bytearray(len(data))
        context.decrypt(data, out, 512)
        first_calls.wait()
        while True:
            try:
                context.decrypt(data, out, 512)
            except ValueError as error:
                ends.append(str(error))
                return
            if out != expected:
                ends.append("a wrong result")
                return

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    first_calls.wait()
    context.close()
    for thread in threads:
        thread.join()
    assert ends == ["the context is closed (in a forked child: left to the parent)"] * 2
