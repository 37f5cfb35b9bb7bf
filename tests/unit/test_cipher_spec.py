"""Cipher specifications: what is understood, what is refused and by which name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey.crypto.cipher_spec import CipherSpec
from kdumpkey.errors import CipherError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("aes-xts-plain64", ("aes", "xts", "plain64", "")),
        ("aes-xts-plain", ("aes", "xts", "plain", "")),
        ("aes-cbc-essiv:sha256", ("aes", "cbc", "essiv", "sha256")),
        ("aes-cbc-essiv:sha3-256", ("aes", "cbc", "essiv", "sha3-256")),
        ("aes-cbc-plain", ("aes", "cbc", "plain", "")),
        ("aes-cbc-plain64", ("aes", "cbc", "plain64", "")),
        ("aes", ("aes", "cbc", "plain", "")),
        ("aes-plain", ("aes", "cbc", "plain", "")),
        ("capi:xts(aes)-plain64", ("aes", "xts", "plain64", "")),
        ("capi:cbc(aes)-essiv:sha256", ("aes", "cbc", "essiv", "sha256")),
        ("capi:cbc(aes)-plain", ("aes", "cbc", "plain", "")),
    ],
)
def test_a_specification_is_taken_apart(text: str, parts: tuple[str, str, str, str]) -> None:
    spec = CipherSpec.parse(text)
    assert (spec.cipher, spec.mode, spec.iv, spec.iv_hash) == parts
    assert spec.text == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("serpent-xts-plain64", "cipher 'serpent'"),
        ("cipher_null-ecb", "cipher 'cipher_null'"),
        ("", "cipher ''"),
        ("AES-xts-plain64", "cipher 'AES'"),
        ("aes:64-cbc-lmk", "cipher 'aes:64'"),
        ("aes-ecb", "mode 'ecb'"),
        ("aes-lrw-benbi", "mode 'lrw'"),
        ("aes-", "mode ''"),
        ("aes-xts", "IV ''"),
        ("aes-cbc", "IV ''"),
        ("aes-xts-plain64be", "IV 'plain64be'"),
        ("aes-xts-plain64:sha256", "IV 'plain64:sha256'"),
        ("aes-xts-plain64-", "IV 'plain64-'"),
        ("aes-cbc-null", "IV 'null'"),
        ("aes-xts-essiv:sha256", "IV 'essiv:sha256' with mode 'xts'"),
        ("aes-cbc-essiv", "hash ''"),
        ("aes-cbc-essiv:", "hash ''"),
        ("aes-cbc-essiv:sha0", "hash 'sha0'"),
        ("aes-cbc-essiv:sha1", "hash 'sha1'"),
        ("capi:xts(serpent)-plain64", "cipher 'serpent'"),
        ("capi:adiantum(xchacha12,aes)-plain64", "cipher 'xchacha12,aes'"),
        ("capi:ecb(aes)-plain64", "mode 'ecb'"),
        ("capi:xts(aes)", "IV ''"),
        ("capi:xts(ecb(aes))-plain64", "capi:xts(ecb(aes))-plain64"),
        ("capi:", "cipher 'capi:'"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(CipherError, match=re.escape(named)):
        CipherSpec.parse(text)


@given(st.text(alphabet="aescbxtplin64:-()\0\n sh256capi", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        spec = CipherSpec.parse(text)
    except CipherError:
        return
    iv = f"{spec.iv}:{spec.iv_hash}" if spec.iv_hash else spec.iv
    forms = {
        f"{spec.cipher}-{spec.mode}-{iv}",
        f"capi:{spec.mode}({spec.cipher})-{iv}",
        "aes",
        "aes-",
        "aes-plain",
    }
    assert text in forms


@pytest.mark.parametrize(("text", "sizes"), [("aes-xts-plain64", {32, 64}), ("aes-cbc-plain", {16, 24, 32})])
def test_key_sizes_are_the_ciphers_own(text: str, sizes: set[int]) -> None:
    spec = CipherSpec.parse(text)
    for size in range(129):
        if size in sizes:
            spec.check_key_size(size)
        else:
            with pytest.raises(CipherError, match=f"not of {size * 8}"):
                spec.check_key_size(size)
