"""benchmark: cryptsetup's lines, with other numbers."""

from __future__ import annotations

import re

import pytest

from both import ours, run
from kdumpkey._native.aesxts import tiers

_FAST = ("-i", "50", "--pbkdf-memory", "1024")
_TABLE = "#     Algorithm |       Key |      Encryption |      Decryption"


def shape(text: str) -> str:
    return re.sub(r" *\d+(\.\d)? (?=iter|memory|MiB)", " N ", text)


@pytest.mark.parametrize(
    "words",
    [
        ("--pbkdf", "pbkdf2", "-h", "sha512"),
        ("-h", "sha256"),
        ("-h", "nohash"),
        ("--pbkdf", "argon2id", *_FAST),
        ("--pbkdf", "argon2i", "-s", "512", *_FAST),
        ("--pbkdf", "nothing"),
    ],
)
def test_key_derivation_lines_are_cryptsetups(words: tuple[str, ...], cryptsetup: str) -> None:
    mine, theirs = ours(["benchmark", *words]), run([cryptsetup, "benchmark", *words])
    assert (mine.code, shape(mine.out)) == (theirs.code, shape(theirs.out))


def test_a_cipher_has_a_row() -> None:
    lines = ours(["benchmark", "-c", "aes-xts-plain64", "-s", "512"]).out.splitlines()
    assert lines[1] == "# Algorithm |       Key |      Encryption |      Decryption"
    assert re.fullmatch(r"    aes-xts        512b  +\d+\.\d MiB/s  +\d+\.\d MiB/s", lines[2])


def test_each_tier_has_a_row() -> None:
    lines = ours(["benchmark", "--tiers"]).out.splitlines()
    assert lines[1] == _TABLE
    assert len(lines) == 2 + 2 * len(tiers())
    assert all(tier in line for tier, line in zip(tiers() * 2, lines[2:], strict=True))


@pytest.mark.parametrize("cipher", ["serpent-xts", "aes-lrw", "aes-xts"])
def test_a_cipher_that_is_not_there_is_named(cipher: str) -> None:
    result = ours(["benchmark", "-c", cipher, "-s", "192"])
    told = f"Cipher {cipher} (with 192 bits key) is not available."
    assert (result.code, result.err.splitlines()[-1]) == (1, told)
