"""The PBKDF2 engine: the RFCs' vectors, hashlib, its bounds, and how it ends early."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading

import pytest

from forked import in_child
from kdumpkey._native import pbkdf2
from kdumpkey.secret import SecretBuffer
from pbkdf2_vectors import HASHES, VECTORS, Vector, random_vector

SETS = int(os.environ.get("KDUMPKEY_PBKDF2_SETS", "400"))  # 2000: all that the project promises
EVERY_TIER = [(name, tier) for name in HASHES for tier in pbkdf2.usable_tiers(name)]


def derived(vector: Vector, tier: str | None = None) -> bytes:
    out = bytearray(len(vector.out) // 2)
    inputs = vector.password, vector.salt
    pbkdf2.derive_into(out, *inputs, hash=vector.hash, iterations=vector.iterations, tier=tier)
    return bytes(out)


@pytest.mark.parametrize("vector", VECTORS)
def test_every_tier_gives_the_keys_of_the_rfcs(vector: Vector) -> None:
    for tier in pbkdf2.usable_tiers(vector.hash):
        assert derived(vector, tier).hex() == vector.out, tier


@pytest.mark.parametrize("part", range(4))
def test_random_parameters_give_the_same_key_on_every_tier_and_by_hashlib(part: int) -> None:
    source = random.Random(part)
    for _ in range(SETS // 4):
        vector = random_vector(source)
        inputs = vector.password, vector.salt, vector.iterations, len(vector.out) // 2
        expected = hashlib.pbkdf2_hmac(vector.hash, *inputs)
        for tier in (None, *pbkdf2.usable_tiers(vector.hash)):
            assert derived(vector, tier) == expected, (tier, vector)


@pytest.mark.parametrize(("name", "tier"), EVERY_TIER)
def test_every_number_of_blocks_comes_out_right(name: str, tier: str) -> None:
    size = hashlib.new(name).digest_size
    for blocks in range(1, 35):
        vector = Vector(name, b"password", b"salt", 3, "00" * (size * blocks - blocks % 3))
        expected = hashlib.pbkdf2_hmac(name, b"password", b"salt", 3, len(vector.out) // 2)
        assert derived(vector, tier) == expected, blocks


@pytest.mark.parametrize(("name", "tier"), EVERY_TIER)
def test_iterations_beyond_one_batch_come_out_right(name: str, tier: str) -> None:
    for iterations in (8192, 8193, 8194, 20000):
        vector = Vector(name, b"password", b"salt", iterations, "00" * 16)
        assert derived(vector, tier) == hashlib.pbkdf2_hmac(name, b"password", b"salt", iterations, 16)


@pytest.mark.parametrize(
    ("name", "iterations", "size", "tier", "message"),
    [
        ("md5", 1, 16, None, "sha1, sha256 or sha512"),
        ("sha256", 0, 16, None, "at least one iteration"),
        ("sha256", -1, 16, None, "-1 iterations"),
        ("sha256", 1 << 32, 16, None, "4294967296 iterations"),
        ("sha256", 1, 0, None, "at least 1 byte|from 1 byte"),
        ("sha256", 1, 16, "sse9", "no tier"),
    ],
)
def test_what_is_out_of_bounds_is_refused_and_the_output_stays(
    name: str, iterations: int, size: int, tier: str | None, message: str
) -> None:
    out = bytearray(b"*" * size)
    with pytest.raises(ValueError, match=message):
        pbkdf2.derive_into(out, b"password", b"salt", hash=name, iterations=iterations, tier=tier)
    assert out == b"*" * size
    out.append(0)  # a BufferError if a view were left


def test_a_tier_without_the_hash_or_of_another_architecture_says_so() -> None:
    statuses = {(tier, name): pbkdf2.tier_status(tier, name) for tier in pbkdf2.tiers() for name in HASHES}
    assert statuses["portable", "sha512"] == "usable"
    assert "not built" in statuses.values()
    messages = {"not built": "another architecture", "not for this hash": "no instructions for this hash"}
    for (tier, name), status in statuses.items():
        if status in messages:
            with pytest.raises(ValueError, match=messages[status]):
                pbkdf2.derive_into(bytearray(16), b"", b"", hash=name, iterations=1, tier=tier)
    assert pbkdf2.tier_status("no such", "sha1") == "unknown"


@pytest.mark.parametrize("name", HASHES)
def test_the_default_is_a_usable_tier_whatever_the_length(name: str) -> None:
    for nbytes in (1, 20, 64, 100, 500, 5000):
        assert pbkdf2.default_tier(name, nbytes) in pbkdf2.usable_tiers(name)


def test_a_secret_buffer_is_filled_in_place_and_no_view_of_it_is_left() -> None:
    with SecretBuffer(64) as out, SecretBuffer.copy_of(b"password") as password:
        pbkdf2.derive_into(out, password, b"salt", hash="sha512", iterations=3)
        assert out.equals(hashlib.pbkdf2_hmac("sha512", b"password", b"salt", 3, 64))
    assert out.closed


def test_ctrl_c_ends_it_and_leaves_zeros() -> None:
    def body() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        started, out = threading.Event(), bytearray(b"*" * 100)

        def interrupt() -> None:
            started.wait()
            os.kill(os.getpid(), signal.SIGINT)

        other = threading.Thread(target=interrupt)
        other.start()
        started.set()
        with pytest.raises(KeyboardInterrupt):
            # An hour of work: it ends because of the signal or not at all.
            pbkdf2.derive_into(out, b"", b"", hash="sha512", iterations=2**32 - 1)
        other.join()
        assert out == bytes(100)

    in_child(body)


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_is_hashlibs_for_every_length_and_cut(name: str) -> None:
    message = random.Random(180).randbytes(700)
    for length in range(300):
        assert pbkdf2.Sha(name, message[:length]).digest() == hashlib.new(name, message[:length]).digest()
    for cut in range(0, 300, 7):
        hashed = pbkdf2.Sha(name, message[:cut])
        for at in range(cut, len(message), 97):
            hashed.update(memoryview(message)[at : at + 97])
        assert hashed.digest() == hashlib.new(name, message).digest(), cut


@pytest.mark.parametrize("name", HASHES)
def test_a_long_message_hashes_as_by_hashlib(name: str) -> None:
    message = os.urandom((1 << 17) + 5)
    assert pbkdf2.Sha(name, message).digest() == hashlib.new(name, message).digest()


@pytest.mark.parametrize("name", HASHES)
def test_a_copy_of_a_hash_goes_on_by_itself(name: str) -> None:
    first = pbkdf2.Sha(name, b"one")
    second = first.copy()
    second.update(b", two")
    assert first.digest() == first.digest() == hashlib.new(name, b"one").digest()
    assert second.digest() == hashlib.new(name, b"one, two").digest()


def test_a_hash_of_another_name_or_of_no_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="sha1, sha256 or sha512"):
        pbkdf2.Sha("md5")
    with pytest.raises(TypeError):
        pbkdf2.Sha("sha1", "text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        pbkdf2.Sha("sha1", memoryview(b"0123")[::2])
