"""Every published vector × every tier that runs here × in place, separate and misaligned buffers."""

from __future__ import annotations

import mmap
from collections.abc import Callable

import pytest

from kdumpkey._native.aesxts import AesXts, usable_tiers
from vectors import xts
from vectors.xts import Collection, XtsVector

SOURCES: dict[str, Callable[[], Collection]] = {
    "nist": xts.nist,
    "ieee1619": xts.ieee1619,
    "wycheproof": xts.wycheproof,
}
every_tier = pytest.mark.parametrize("tier", usable_tiers())
every_source = pytest.mark.parametrize("source", SOURCES)
VECTOR_BYTES = 64  # the widest vector of any tier
GUARD = b"\xa5" * VECTOR_BYTES


def transforms(vector: XtsVector) -> list[tuple[bool, bytes, bytes]]:
    """(decrypt?, from, to): both directions, but for keys with equal halves, which only decrypt."""
    back = (True, vector.ciphertext, vector.plaintext)
    return [back] if vector.equal_halves else [(False, vector.plaintext, vector.ciphertext), back]


def test_the_sources_have_the_cases_they_are_known_to_have_and_the_rest_was_left_out_for_a_reason() -> None:
    counts = {name: (len(of().vectors), of().stealing, of().aes192) for name, of in SOURCES.items()}
    assert counts == {"nist": (2400, 1600, 0), "ieee1619": (15, 0, 0), "wycheproof": (42, 60, 21)}
    assert [str(v) for v in xts.all_vectors() if v.equal_halves] == ["IEEE 1619-2007 Annex B vector 1"]
    assert {len(vector.key) for vector in xts.all_vectors()} == {32, 64}


@every_source
@every_tier
def test_vectors_hold_from_one_buffer_to_another(tier: str, source: str) -> None:
    for vector in SOURCES[source]().vectors:
        with AesXts(vector.key, tier) as context:
            for decrypt, given, expected in transforms(vector):
                out = bytearray(len(given))
                context.crypt_unit(given, out, vector.tweak, decrypt)
                assert out == expected, vector


@every_source
@every_tier
def test_vectors_hold_in_place(tier: str, source: str) -> None:
    for vector in SOURCES[source]().vectors:
        with AesXts(vector.key, tier) as context:
            for decrypt, given, expected in transforms(vector):
                data = bytearray(given)
                context.crypt_unit(data, data, vector.tweak, decrypt)
                assert data == expected, vector


@every_source
@every_tier
def test_vectors_hold_however_the_buffers_are_misaligned(tier: str, source: str) -> None:
    # Anonymous mappings begin on a page, so an offset is the misalignment.
    sources, targets = memoryview(mmap.mmap(-1, mmap.PAGESIZE)), memoryview(mmap.mmap(-1, mmap.PAGESIZE))
    for vector in SOURCES[source]().vectors:
        n = len(vector.plaintext)
        with AesXts(vector.key, tier) as context:
            for decrypt, given, expected in transforms(vector):
                framed = GUARD + expected + GUARD
                for off in range(1, VECTOR_BYTES):
                    far = off * 37 % VECTOR_BYTES  # the same offsets in another order
                    src = sources[off : off + n]
                    frame = targets[far : far + len(framed)]
                    src[:] = given
                    frame[:] = b"\xa5" * len(framed)
                    context.crypt_unit(src, frame[VECTOR_BYTES:-VECTOR_BYTES], vector.tweak, decrypt)
                    assert frame == framed, (vector, off, far)
                    context.crypt_unit(src, src, vector.tweak, decrypt)
                    assert src == expected, (vector, off)


@every_tier
def test_vectors_with_a_data_unit_number_hold_as_a_first_sector(tier: str) -> None:
    numbered = [vector for vector in xts.all_vectors() if not any(vector.tweak[8:])]
    assert len(numbered) > 1200
    for vector in numbered:
        number = int.from_bytes(vector.tweak, "little")
        with AesXts(vector.key, tier) as context:
            out = bytearray(len(vector.plaintext))
            context.decrypt(vector.ciphertext, out, sector_size=len(out), first_sector=number)
            assert out == vector.plaintext, vector


@every_tier
def test_the_vector_with_equal_key_halves_decrypts_and_does_not_encrypt(tier: str) -> None:
    (vector,) = (vector for vector in xts.all_vectors() if vector.equal_halves)
    out = bytearray(len(vector.plaintext))
    with AesXts(vector.key, tier) as context:
        with pytest.raises(ValueError, match="halves of the key are equal"):
            context.crypt_unit(vector.plaintext, out, vector.tweak, False)
        assert not any(out)
        context.crypt_unit(vector.ciphertext, out, vector.tweak, True)
    assert out == vector.plaintext
