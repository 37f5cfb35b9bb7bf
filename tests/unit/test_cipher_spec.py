"""Cipher specifications: what is understood, what is refused and by which name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdumpkey.crypto.cipher_spec import CipherSpec, dm_crypt_refusal
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
        ("aes-xts-plain64:sha256", ("aes", "xts", "plain64", "")),
        ("aes-xts-essiv:sha256", ("aes", "xts", "essiv", "sha256")),
        ("aes-ctr-benbi:8", ("aes", "ctr", "benbi", "")),
        ("aes-", ("aes", "cbc", "plain", "")),
        ("AES-cbc-ESSIV:sha256", ("aes", "cbc", "essiv", "sha256")),
        ("aes-ecb", ("aes", "ecb", "", "")),
        ("aes-ecb-plain64", ("aes", "ecb", "", "")),
        ("capi:essiv(cbc(aes),sha256)-plain64", ("aes", "cbc", "essiv", "sha256")),
        ("null", ("cipher_null", "ecb", "", "")),
        ("cipher_null-cbc-plain", ("cipher_null", "ecb", "", "")),
        ("capi:ecb(cipher_null)", ("cipher_null", "ecb", "", "")),
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
        ("", "cipher ''"),
        ("aes-XTS-plain64", "mode 'XTS'"),
        ("aes:64-cbc-lmk", "cipher 'aes:64'"),
        ("aes-gcm-random", "mode 'gcm'"),
        ("aes-ecb-essiv:sha256", "IV 'essiv:sha256' with mode 'ecb'"),
        ("aes-lrw-benbi", "mode 'lrw'"),
        ("aes-xts", "IV ''"),
        ("aes-cbc", "IV ''"),
        ("aes-xts-plain64le", "IV 'plain64le'"),
        ("aes-xts-random", "IV 'random'"),
        ("aes-cbc-lmk", "IV 'lmk'"),
        ("aes-xts-plain64-", "IV 'plain64-'"),
        ("aes-cbc-null-", "IV 'null-'"),
        ("aes-cbc-essiv", "hash ''"),
        ("aes-cbc-essiv:", "hash ''"),
        ("aes-cbc-essiv:sha0", "hash 'sha0'"),
        ("aes-cbc-essiv:sha1", "hash 'sha1'"),
        ("capi:xts(serpent)-plain64", "cipher 'serpent'"),
        ("capi:adiantum(xchacha12,aes)-plain64", "cipher 'xchacha12,aes'"),
        ("capi:gcm(aes)-random", "mode 'gcm'"),
        ("capi:essiv(cbc(aes),sha1)-plain64", "hash 'sha1'"),
        ("capi:essiv(cbc(aes),sha256)-essiv:sha256", "IV 'essiv:sha256'"),
        ("capi:essiv(cbc(aes),sha256)", "IV ''"),
        ("capi:xts(aes)plain64", "capi:xts(aes)plain64"),
        ("capi:xts(aes)", "IV ''"),
        ("capi:xts(ecb(aes))-plain64", "capi:xts(ecb(aes))-plain64"),
        ("capi:", "cipher 'capi:'"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(CipherError, match=re.escape(named)):
        CipherSpec.parse(text)


@given(st.text(alphabet="aescbxtplin64:-()\0\n sh256capiu_,", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        spec = CipherSpec.parse(text)
    except CipherError:
        return
    assert spec.text == text
    assert spec.is_null or (spec.cipher, spec.mode in ("xts", "cbc", "ecb", "ctr")) == ("aes", True)
    assert bool(spec.iv_hash) == (spec.iv == "essiv")
    dm_crypt_refusal(text)


@pytest.mark.parametrize(
    ("text", "sizes"), [("aes-xts-plain64", {32, 48, 64}), ("aes-cbc-plain", {16, 24, 32})]
)
def test_key_sizes_are_the_ciphers_own(text: str, sizes: set[int]) -> None:
    spec = CipherSpec.parse(text)
    for size in range(129):
        if size in sizes:
            spec.check_key_size(size)
        else:
            with pytest.raises(CipherError, match=f"not of {size * 8}"):
                spec.check_key_size(size)


@pytest.mark.parametrize(
    "text",
    [
        "aes-xts-plain64",
        "aes-xts-plain64:sha256",
        "aes-cbc-essiv:sha3-256",
        "serpent-xts-plain64",
        "xchacha12,aes-adiantum-plain64",
        "aes:64-cbc-lmk",
        "aes-cbc-tcw",
        "aes-cbc-elephant",
        "aes-xts-eboiv",
        "aes",
        "aes-plain",
        "aes-ecb",
        "aes-ecb-plain64",
        "cipher_null-ecb",
        "capi:xts(aes)-plain64",
        "capi:adiantum(xchacha12,aes)-plain64",
        "capi:cbc(aes)-essiv:sha3-256",
        "capi:essiv(cbc(aes),sha256)-plain64",
        "capi:xts-aes-aesni-plain64",
        "capi:ecb(cipher_null)",
    ],
)
def test_dm_crypt_is_taken_to_have_every_cipher_that_a_kernel_may_have(text: str) -> None:
    assert not dm_crypt_refusal(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("aes-xts", "no IV"),
        ("AES-xts-plain64", "capital"),
        ("capi:xts(AES)-plain64", "capital"),
        ("aes-xts-PLAIN64", "'PLAIN64'"),
        ("aes-cbc-benbix", "'benbix'"),
        ("aes-cbc-essiv", "no hash"),
        ("aes-ecb-essiv:sha256", "not for ECB"),
        ("capi:cbc(aes)-essiv", "no hash"),
        ("capi:xts(aes)-plain65", "'plain65'"),
        ("aes-gcm-random", "authenticated"),
        ("aes-ctr-eboiv", "'eboiv'"),
        ("xts(aes)-plain64", "capi:"),
    ],
)
def test_what_dm_crypt_refuses_whatever_the_kernel_is_known_with_its_reason(text: str, why: str) -> None:
    assert why in dm_crypt_refusal(text)
