"""PBKDF2 and Argon2 against published vectors."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives import hashes as reference
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from kdumpkey.crypto import hashes
from kdumpkey.crypto.kdf import Argon2, Pbkdf2, derive
from pyca_vectors import records

# RFC 6070 also has one of 16,777,216 iterations, which takes seconds and shows no more than the others.
RFC_6070 = [
    row
    for row in records("KDF/rfc-6070-PBKDF2-SHA1.txt")
    if "ITERATIONS" in row and len(row["ITERATIONS"]) < 6
]

# RFC 7914, section 11: PBKDF2-HMAC-SHA-256 with 64 bytes of output.
RFC_7914 = [
    (
        b"passwd",
        b"salt",
        1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
    ),
    (
        b"Password",
        b"NaCl",
        80_000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
    ),
]

# RFC 9106's own vectors have a secret and associated data, which LUKS has not. The package's files, of which
# each names its source, hold those and others; the records with `secret` are left out.
ARGON2 = [
    (variant, row)
    for variant in ("argon2i", "argon2id")
    for row in records(f"KDF/{variant}.txt")
    if "output" in row and "secret" not in row
]

# "abc" by the papers: RIPEMD-160 (Dobbertin, Bosselaers, Preneel, 1996, appendix B), Whirlpool (ISO/IEC
# 10118-3:2004, the test vectors of its authors).
ABC = {
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",  # FIPS 180
    "ripemd160": "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    "whirlpool": "4e2448a4c6f486bb16b6562c73b4020bf3043e3a731bce721ae1b303d97e6d4c"
    "7181eebdb6c57e277d0e34957114cbd6c797fc9d95d8b582d225292076d4eef5",
}


def raw(text: str) -> bytes:
    return text.encode().replace(b"\\0", b"\0")


@pytest.mark.parametrize("row", RFC_6070, ids=lambda row: f"count-{row['COUNT']}")
def test_pbkdf2_with_sha1_agrees_with_rfc_6070(row: dict[str, str]) -> None:
    kdf = Pbkdf2("sha1", int(row["ITERATIONS"]), raw(row["SALT"]))
    with derive(kdf, raw(row["PASSWORD"]), int(row["LENGTH"])) as key:
        assert key.equals(bytes.fromhex(row["DERIVED_KEY"]))


@pytest.mark.parametrize(("passphrase", "salt", "iterations", "expected"), RFC_7914)
def test_pbkdf2_with_sha256_agrees_with_rfc_7914(
    passphrase: bytes, salt: bytes, iterations: int, expected: str
) -> None:
    with derive(Pbkdf2("sha256", iterations, salt), passphrase, 64) as key:
        assert key.equals(bytes.fromhex(expected))


@pytest.mark.parametrize(
    ("variant", "row"), ARGON2, ids=lambda value: value if isinstance(value, str) else value["COUNT"]
)
def test_argon2_agrees_with_the_published_vectors(variant: str, row: dict[str, str]) -> None:
    kdf = Argon2(
        variant, int(row["iter"]), int(row["memcost"]), int(row["lanes"]), bytes.fromhex(row["salt"])
    )
    with derive(kdf, bytes.fromhex(row["pass"]), int(row["length"])) as key:
        assert key.equals(bytes.fromhex(row["output"]))


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("sha1", reference.SHA1()),  # noqa: S303 (LUKS1's old default)
        ("sha256", reference.SHA256()),
        ("sha384", reference.SHA384()),
        ("sha512", reference.SHA512()),
        ("sha3-256", reference.SHA3_256()),
        ("blake2b-512", reference.BLAKE2b(64)),
        ("blake2s-256", reference.BLAKE2s(32)),
    ],
)
@pytest.mark.parametrize("length", [1, 20, 64, 65])
def test_pbkdf2_by_cryptsetups_hash_names_agrees_with_cryptography(
    name: str, algorithm: reference.HashAlgorithm, length: int
) -> None:
    expected = PBKDF2HMAC(algorithm, length, b"a salt", 1001).derive(b"a passphrase")
    with derive(Pbkdf2(name, 1001, b"a salt"), b"a passphrase", length) as key:
        assert key.equals(expected)


@pytest.mark.parametrize("name", ABC)
def test_a_hash_agrees_with_its_published_vector(name: str) -> None:
    found = hashes.find(name)
    assert found.new(b"abc").digest().hex() == ABC[name]
    assert found.size == len(ABC[name]) // 2


@pytest.mark.parametrize("name", ["ripemd160", "whirlpool"])
def test_pbkdf2_with_a_hash_of_openssls_legacy_provider_is_pbkdf2(name: str) -> None:
    hash_name = hashes.find(name).openssl_name
    first = hmac.new(b"secret", b"salt\x00\x00\x00\x01", hash_name).digest()
    second = hmac.new(b"secret", first, hash_name).digest()
    with derive(Pbkdf2(name, 2, b"salt"), b"secret", len(first)) as key:
        assert key.equals(bytes(a ^ b for a, b in zip(first, second, strict=True)))
