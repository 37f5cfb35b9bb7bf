"""benchmark: key derivation in cryptsetup's lines, with other numbers."""

from __future__ import annotations

import re

import pytest

from both import ours, run

_FAST = ("-i", "50", "--pbkdf-memory", "1024")


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
