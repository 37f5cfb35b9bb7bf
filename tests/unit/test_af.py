"""The anti-forensic splitter: against a real image, against its definition, and with little work."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey.crypto import af
from kdumpkey.crypto.kdf import Pbkdf2, derive
from kdumpkey.errors import CipherError
from kdumpkey.secret import SecretBuffer
from naive_ciphers import crypt
from tools import require_tool
from work import steps

IMAGE = Path(__file__).parents[1] / "vectors" / "luks1-aes128-cbc-essiv.bin"
STRIPES = 4000


def by_definition(area: bytes, key_size: int, hash_name: str) -> bytes:
    """The key of an area, on integers and slices as the specification's text has it."""
    state = bytes(key_size)
    stripes = [area[at : at + key_size] for at in range(0, len(area), key_size)]
    for number, stripe in enumerate(stripes):
        state = bytes(a ^ b for a, b in zip(state, stripe, strict=True))
        if number < len(stripes) - 1:
            size = hashlib.new(hash_name).digest_size
            cut = [state[at : at + size] for at in range(0, key_size, size)]
            state = b"".join(
                hashlib.new(hash_name, index.to_bytes(4, "big") + block).digest()[: len(block)]
                for index, block in enumerate(cut)
            )
    return state


def key_of_first_luks1_slot(image: bytes, passphrase: bytes) -> SecretBuffer:
    """The volume key in the first keyslot of a LUKS1 image; only splitter and KDF are the project's."""

    def text(at: int) -> str:
        return image[at : at + 32].rstrip(b"\0").decode()

    spec, hash_name, key_size = f"{text(8)}-{text(40)}", text(72), int.from_bytes(image[108:112], "big")
    slot = image[208:256]
    iterations, salt = int.from_bytes(slot[4:8], "big"), slot[8:40]
    at, stripes = int.from_bytes(slot[40:44], "big") * 512, int.from_bytes(slot[44:48], "big")
    with derive(Pbkdf2(hash_name, iterations, salt), passphrase, key_size) as area_key:
        size = -(-key_size * stripes // 512) * 512
        numbers = range(size // 512)
        encrypted = image[at : at + size]
        area = crypt(
            "decrypt", spec, bytes(memoryview(area_key)), encrypted, sector_size=512, numbers=numbers
        )
    return af.merge(area, key_size, stripes, hash_name)


def test_the_key_that_cryptsetup_split_is_merged() -> None:
    with key_of_first_luks1_slot(IMAGE.read_bytes(), b"splitter") as key:
        assert key.equals(bytes((i * 37 + 11) % 256 for i in range(16)))


@pytest.mark.parametrize(
    ("spec", "bits", "hash_name"),
    [
        ("aes-xts-plain64", 512, "sha256"),
        ("aes-xts-plain64", 256, "sha512"),
        ("aes-cbc-essiv:sha256", 256, "sha1"),
        ("aes-cbc-plain", 192, "ripemd160"),
        ("aes-xts-plain64", 512, "whirlpool"),
        ("aes-xts-plain64", 512, "sha3-256"),
        ("aes-xts-plain64", 512, "blake2b-512"),
    ],
)
def test_cryptsetups_images_give_the_key_they_were_made_with(
    tmp_path: Path, spec: str, bits: int, hash_name: str
) -> None:
    cryptsetup = require_tool("cryptsetup")
    volume_key = bytes((i * 91 + 5) % 256 for i in range(bits // 8))
    image, key_file = tmp_path / "image", tmp_path / "key"
    key_file.write_bytes(volume_key)
    with image.open("wb") as made:
        made.truncate(4 << 20)
    command = f"""luksFormat --batch-mode --type luks1 --cipher {spec} --key-size {bits} --hash {hash_name}
        --volume-key-file {key_file} --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - {image}"""
    subprocess.run([cryptsetup, *command.split()], input=b"a passphrase", check=True, capture_output=True)
    with key_of_first_luks1_slot(image.read_bytes(), b"a passphrase") as key:
        assert key.equals(volume_key)


@given(st.binary(min_size=1, max_size=70), st.integers(1, 9), st.sampled_from(["sha1", "sha256", "sha512"]))
def test_merge_undoes_split(key: bytes, stripes: int, hash_name: str) -> None:
    with af.split(key, stripes, hash_name) as area, af.merge(area, len(key), stripes, hash_name) as merged:
        assert len(area) == len(key) * stripes
        assert merged.equals(key)


@given(
    st.integers(1, 70),
    st.integers(1, 9),
    st.sampled_from(["sha1", "sha256"]),
    st.randoms(use_true_random=False),
)
def test_merge_is_what_the_specification_defines(
    key_size: int, stripes: int, hash_name: str, random: object
) -> None:
    area = random.randbytes(key_size * stripes)  # type: ignore[attr-defined]
    with af.merge(area + b"what follows", key_size, stripes, hash_name) as merged:
        assert merged.equals(by_definition(area, key_size, hash_name))


def test_split_takes_the_stripes_before_the_last_from_the_source_it_is_given() -> None:
    with af.split(b"k" * 32, 5, "sha256", lambda count: bytes(range(count))) as area:
        assert bytes(memoryview(area)[:128]) == bytes(range(128))
    with pytest.raises(ValueError, match="different structures"):
        af.split(b"k" * 32, 5, "sha256", lambda count: bytes(count - 1))


def test_split_gives_other_stripes_each_time() -> None:
    with af.split(b"k" * 32, 2, "sha256") as one, af.split(b"k" * 32, 2, "sha256") as other:
        assert not one.equals(other)


def test_an_area_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="63 bytes hold no 2 stripes of 32 bytes"):
        af.merge(bytes(63), 32, 2, "sha256")


@pytest.mark.parametrize(("key_size", "stripes"), [(0, 1), (1, 0), (-1, -1)])
def test_counts_that_are_not_positive_are_refused(key_size: int, stripes: int) -> None:
    with pytest.raises(ValueError, match=f"{stripes} stripes of {key_size}"):
        af.merge(bytes(64), key_size, stripes, "sha256")


def test_an_unknown_hash_is_refused_by_name() -> None:
    with pytest.raises(CipherError, match="'sha0'"):
        af.merge(bytes(64), 32, 2, "sha0")


def test_the_memory_of_a_merged_area_can_be_given_back_at_once() -> None:
    area = SecretBuffer(64)
    af.merge(area, 32, 2, "sha256").close()
    source = bytearray(64)
    af.merge(source, 32, 2, "sha256").close()
    source.append(0)  # a BufferError if a view were left


@pytest.mark.parametrize("key_size", [32, 64])
def test_merging_takes_few_steps_a_digest(key_size: int) -> None:
    area = SecretBuffer.random(key_size * STRIPES)
    digests = (STRIPES - 1) * (key_size // 32)
    assert steps(lambda: af.merge(area, key_size, STRIPES, "sha256").close()) <= 20 * digests
