"""The table of a mapping: what the kernel is told, and what is read out of what it tells."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey.errors import CipherError, MappingError
from kdumpkey.mapping.table import CryptTarget, KeyReference

KEY = KeyReference(64, "logon", "cryptsetup:4ed84ef3-a5c4-4f6a-a2a2-3b8e2a2b9f6f-d0")
TARGET = CryptTarget(4096, "aes-xts-plain64", KEY, 64, 0, "254:0", 32768)
LINE = f"0 4096 crypt aes-xts-plain64 {KEY} 0 254:0 32768"
WORDS = st.text(string.ascii_lowercase + string.digits + "_-()", min_size=1, max_size=20)
NUMBERS = st.integers(0, (1 << 63) - 1)


def test_a_table_names_the_key_by_its_keyring() -> None:
    assert TARGET.to_text() == LINE
    assert " :64:logon:cryptsetup:4ed84ef3-" in LINE


def test_options_are_counted_and_the_sector_size_is_one_unless_it_is_512() -> None:
    assert replace(TARGET, sector_size=4096).to_text() == f"{LINE} 1 sector_size:4096"
    options = ("allow_discards", "no_read_workqueue")
    assert replace(TARGET, options=options).to_text() == f"{LINE} 2 allow_discards no_read_workqueue"
    both = replace(TARGET, options=options[:1], sector_size=2048)
    assert both.to_text() == f"{LINE} 2 allow_discards sector_size:2048"


def test_a_cipher_that_would_say_more_to_the_kernel_is_refused() -> None:
    for cipher in ("aes-xts-plain64 00ff", "aes\n0 1 zero", "", "aes\\ xts", "a\x00b", "aés"):
        with pytest.raises(CipherError):
            replace(TARGET, cipher=cipher).to_text()
    with pytest.raises(MappingError):
        replace(TARGET, key=KeyReference(64, "logon", "cryptsetup:a b")).to_text()


def test_a_table_without_reference_is_never_written() -> None:
    with pytest.raises(MappingError):
        replace(TARGET, key=None).to_text()


def test_the_null_cipher_has_no_key_in_its_table() -> None:
    target = replace(TARGET, cipher="cipher_null-ecb", key=None, key_size_bytes=0)
    assert target.to_text() == "0 4096 crypt cipher_null-ecb - 0 254:0 32768"
    assert CryptTarget.parse(target.to_text()) == target


@pytest.mark.parametrize(
    "cipher",
    [
        "serpent-xts-plain64",
        "aes-xts-plain64:sha256",
        "aes:64-cbc-lmk",
        "xchacha12,aes-adiantum-plain64",
        "capi:essiv(cbc(aes),sha256)-plain64",
        "capi:adiantum(xchacha20,aes)-plain64",
        "capi:xts-aes-aesni-plain64",
    ],
)
def test_a_table_takes_ciphers_that_user_space_has_not(cipher: str) -> None:
    target = replace(TARGET, cipher=cipher)
    assert CryptTarget.parse(target.to_text()) == target


@given(
    numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    cipher=WORDS,
    options=st.lists(WORDS, max_size=4),
    sector_size=st.sampled_from((512, 1024, 2048, 4096)),
    key=st.builds(KeyReference, st.integers(0, 512), st.sampled_from(("logon", "user")), WORDS),
)
def test_what_is_written_is_read_again(
    numbers: tuple[int, int, int], cipher: str, options: list[str], sector_size: int, key: KeyReference
) -> None:
    size, iv, offset = numbers
    target = CryptTarget(size, cipher, key, key.size_bytes, iv, "8:1", offset, tuple(options), sector_size)
    assert CryptTarget.parse(target.to_text() + "\n") == target


def test_the_table_of_a_key_in_the_kernels_own_hands_tells_its_size() -> None:
    zeros = CryptTarget.parse(f"0 8 crypt aes-xts-plain64 {'0' * 128} 5 8:1 4096 1 allow_discards")
    assert zeros is not None
    assert (zeros.key, zeros.key_size_bytes, zeros.iv_offset_sectors) == (None, 64, 5)
    assert zeros.options == ("allow_discards",)
    none = CryptTarget.parse("0 8 crypt cipher_null-ecb - 0 8:1 4096")
    assert none is not None
    assert none.key_size_bytes == 0


@pytest.mark.parametrize(
    "text",
    ["", "0 8 linear 8:1 0", "0 8 zero", f"{LINE}\n{LINE}", "0 x crypt a - 0 8:1 0", "1 8 crypt a - 0 8:1 0"],
)
def test_other_tables_are_not_a_crypt_targets(text: str) -> None:
    assert CryptTarget.parse(text) is None
