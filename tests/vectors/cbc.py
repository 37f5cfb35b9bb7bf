"""AES-CBC vectors: NIST SP 800-38A, appendix F.2, and NIST CAVP (package cryptography_vectors)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cryptography_vectors

_PLAIN = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
# NIST SP 800-38A, F.2.1, F.2.3 and F.2.5: key and ciphertext; IV and plaintext are the same in all of them.
_SP_800_38A = (
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
        "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
)


@dataclass(frozen=True)
class Vector:
    """One known answer; `where` names its file and number."""

    where: str
    key: bytes
    iv: bytes
    plaintext: bytes
    ciphertext: bytes


def all_vectors() -> list[Vector]:
    """Every vector of both sources."""
    own = [
        Vector(
            f"SP 800-38A {len(key) * 4}",
            bytes.fromhex(key),
            bytes(range(16)),
            bytes.fromhex(_PLAIN),
            bytes.fromhex(text),
        )
        for key, text in _SP_800_38A
    ]
    folder = Path(cryptography_vectors.__file__).parent / "ciphers" / "AES" / "CBC"
    return own + [vector for path in sorted(folder.glob("*.rsp")) for vector in _cavp(path)]


def _cavp(path: Path) -> Iterator[Vector]:
    fields: dict[str, str] = {}
    for line in [*path.read_text(encoding="ascii").splitlines(), ""]:
        name, equals, value = line.partition(" = ")
        if equals:
            fields[name] = value
        elif {"KEY", "IV", "PLAINTEXT", "CIPHERTEXT"} <= set(fields):
            parts = (bytes.fromhex(fields[each]) for each in ("KEY", "IV", "PLAINTEXT", "CIPHERTEXT"))
            yield Vector(f"{path.name} {fields['COUNT']}", *parts)
            fields = {}
