"""AES-XTS tiers against each other, against `cryptography`, and against what a run of sectors means."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey._native.aesxts import AesXts, usable_tiers

every_tier = pytest.mark.parametrize("tier", usable_tiers())
# Around the width of each tier's batch (1, 2, 4, 8, 16, 32 blocks), in blocks.
BLOCK_COUNTS = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]
# Tweaks are encrypted in groups of up to 64 sectors.
SECTOR_COUNTS = st.integers(1, 130)

keys = (
    st.sampled_from([32, 64])
    .flatmap(lambda n: st.binary(min_size=n, max_size=n))
    .filter(lambda key: key[: len(key) // 2] != key[len(key) // 2 :])
)
numbers = st.integers(0, 2**40) | st.sampled_from([2**32 - 130, 2**32 - 1, 2**32, 2**63 - 1, 2**63])
tiers = st.sampled_from(usable_tiers())


def pattern(n: int, seed: int) -> bytes:
    """Cheap bytes of any length that repeat at no block or sector."""
    return bytes((i * 167 + (i >> 8) * 59 + seed) & 0xFF for i in range(n))


def peer(key: bytes, tweak: int, data: bytes, decrypt: bool) -> bytes:
    """One data unit by `cryptography`."""
    cipher = Cipher(algorithms.AES(key), modes.XTS(tweak.to_bytes(16, "little")))
    return (cipher.decryptor() if decrypt else cipher.encryptor()).update(data)


def crypted(
    context: AesXts,
    data: bytes,
    decrypt: bool,
    sector_size: int,
    first_sector: int = 0,
    iv_step: int = 1,
    iv_bits: int = 64,
) -> bytes:
    out = bytearray(len(data))
    transform = context.decrypt if decrypt else context.encrypt
    transform(data, out, sector_size, first_sector, iv_step, iv_bits)
    return bytes(out)


@every_tier
@pytest.mark.parametrize("blocks", BLOCK_COUNTS)
@pytest.mark.parametrize("key_bytes", [32, 64])
def test_each_tier_is_portable_and_cryptography_at_every_size_around_a_width(
    tier: str, blocks: int, key_bytes: int
) -> None:
    key = pattern(key_bytes, 1)
    size = 16 * blocks
    with AesXts(key, tier) as fast, AesXts(key, "portable") as oracle:
        for sectors in (1, 2, 3, 5):
            data = pattern(size * sectors, blocks)
            for decrypt in (False, True):
                out = crypted(fast, data, decrypt, size, 7)
                assert out == crypted(oracle, data, decrypt, size, 7)
                units = [data[at : at + size] for at in range(0, len(data), size)]
                assert out == b"".join(peer(key, 7 + i, unit, decrypt) for i, unit in enumerate(units))


@every_tier
@pytest.mark.parametrize("sector_size", [16, 48, 512, 528])
def test_a_run_of_any_number_of_sectors_is_its_sectors_one_by_one(tier: str, sector_size: int) -> None:
    key = pattern(64, 9)
    data = pattern(130 * sector_size, 3)
    first = 2**32 - 65
    expected = b"".join(
        peer(key, first + i, data[i * sector_size : (i + 1) * sector_size], True) for i in range(130)
    )
    with AesXts(key, tier) as context:
        for sectors in range(1, 131):
            n = sectors * sector_size
            assert crypted(context, data[:n], True, sector_size, first) == expected[:n], sectors


@given(tiers, keys, st.binary(min_size=16, max_size=16), st.data())
def test_a_unit_is_the_same_by_each_tier_by_portable_and_by_cryptography(
    tier: str, key: bytes, tweak: bytes, data: st.DataObject
) -> None:
    blocks = data.draw(st.sampled_from(BLOCK_COUNTS) | st.integers(1, 70))
    text = data.draw(st.binary(min_size=16 * blocks, max_size=16 * blocks))
    for decrypt in (False, True):
        outs = []
        for name in (tier, "portable"):
            with AesXts(key, name) as context:
                out = bytearray(len(text))
                context.crypt_unit(text, out, tweak, decrypt)
                outs.append(bytes(out))
        assert outs[0] == outs[1] == peer(key, int.from_bytes(tweak, "little"), text, decrypt)


@given(
    tiers,
    keys,
    st.integers(1, 40),
    SECTOR_COUNTS,
    numbers,
    st.sampled_from([1, 2, 8]),
    st.sampled_from([32, 64]),
)
def test_decryption_undoes_encryption_also_by_another_tier(
    tier: str, key: bytes, blocks: int, sectors: int, first: int, step: int, bits: int
) -> None:
    data = pattern(16 * blocks * sectors, first & 0xFF)
    with AesXts(key, tier) as context, AesXts(key) as other:
        secret = crypted(context, data, False, 16 * blocks, first, step, bits)
        assert secret != data
        assert crypted(context, secret, True, 16 * blocks, first, step, bits) == data
        assert crypted(other, secret, True, 16 * blocks, first, step, bits) == data


@given(tiers, keys, st.integers(1, 40), SECTOR_COUNTS, numbers, st.integers(1, 130), st.booleans())
def test_a_run_is_its_parts_wherever_it_is_cut(
    tier: str, key: bytes, blocks: int, sectors: int, first: int, cut: int, decrypt: bool
) -> None:
    size = 16 * blocks
    data = pattern(size * sectors, 5)
    cut = min(cut, sectors)
    with AesXts(key, tier) as context:
        whole = crypted(context, data, decrypt, size, first)
        head = crypted(context, data[: cut * size], decrypt, size, first)
        tail = crypted(context, data[cut * size :], decrypt, size, first + cut)
    assert whole == head + tail


@given(tiers, keys, SECTOR_COUNTS, numbers, st.sampled_from([1, 2, 3, 8, 128, 2**32 + 1]), st.booleans())
def test_each_sector_has_the_number_that_the_step_says(
    tier: str, key: bytes, sectors: int, first: int, step: int, decrypt: bool
) -> None:
    data = pattern(32 * sectors, 2)
    with AesXts(key, tier) as context:
        out = crypted(context, data, decrypt, 32, first, step)
    for i in {0, sectors // 2, sectors - 1}:
        assert out[32 * i : 32 * (i + 1)] == peer(key, first + i * step, data[32 * i : 32 * (i + 1)], decrypt)


@every_tier
@pytest.mark.parametrize("step", [1, 8])
@pytest.mark.parametrize("before", [0, 1, 8, 63, 64, 65])
def test_plain_begins_again_at_zero_after_32_bits_and_plain64_goes_on(
    tier: str, step: int, before: int
) -> None:
    key = pattern(64, 4)
    sectors = 70
    data = pattern(32 * sectors, 6)
    first = 2**32 - before * step
    units = [data[at : at + 32] for at in range(0, len(data), 32)]
    with AesXts(key, tier) as context:
        plain = crypted(context, data, True, 32, first, step, iv_bits=32)
        plain64 = crypted(context, data, True, 32, first, step, iv_bits=64)
    ivs = [first + i * step for i in range(sectors)]
    assert plain64 == b"".join(peer(key, iv, unit, True) for iv, unit in zip(ivs, units, strict=True))
    assert plain == b"".join(peer(key, iv % 2**32, unit, True) for iv, unit in zip(ivs, units, strict=True))
    assert plain != plain64


@every_tier
def test_the_last_sector_numbers_of_64_bits_work(tier: str) -> None:
    key = pattern(32, 8)
    data = pattern(48, 1)
    with AesXts(key, tier) as context:
        out = crypted(context, data, False, 16, 2**64 - 3)
    assert out == b"".join(peer(key, 2**64 - 3 + i, data[16 * i : 16 * (i + 1)], False) for i in range(3))


@every_tier
def test_a_sector_of_the_largest_size_works_and_an_empty_run_does_nothing(tier: str) -> None:
    key = pattern(64, 2)
    data = pattern(65536, 1)
    with AesXts(key, tier) as context:
        assert crypted(context, data, False, 65536, 3) == peer(key, 3, data, False)
        assert crypted(context, b"", False, 512) == b""
