"""Argon2 by its reference implementation, through the bindings of argon2-cffi: the oracle of our own."""

from __future__ import annotations

import random
from dataclasses import dataclass

from _argon2_cffi_bindings import ffi, lib

TYPES = {"argon2i": 1, "argon2id": 2}  # RFC 9106, section 3.1


@dataclass(frozen=True)
class Case:
    """One set of parameters and inputs; `version` 0x13 or 0x10."""

    variant: str
    version: int
    passes: int
    memory_kib: int
    lanes: int
    password: bytes
    salt: bytes
    secret: bytes
    associated: bytes
    tag_size: int

    def __str__(self) -> str:
        return (
            f"{self.variant} {self.version:#x} t={self.passes} m={self.memory_kib} p={self.lanes} "
            f"{len(self.password)}+{len(self.secret)}+{len(self.associated)} bytes to {self.tag_size}"
        )

    def line(self, tag: bytes) -> str:
        """The line of a file of vectors for the C test: numbers, then hex, ``-`` where there is nothing."""
        numbers = (TYPES[self.variant], self.version, self.passes, self.memory_kib, self.lanes)
        fields = (self.password, self.salt, self.secret, self.associated, tag)
        return " ".join([*map(str, numbers), *(field.hex() or "-" for field in fields)]) + "\n"


def inputs_of_rfc9106(variant: str) -> Case:
    """The inputs of the vectors in RFC 9106, section 5."""
    return Case(variant, 0x13, 3, 32, 4, b"\1" * 32, b"\2" * 16, b"\3" * 8, b"\4" * 12, 32)


# RFC 9106, sections 5.2 and 5.3
RFC9106 = {
    "argon2i": bytes.fromhex("c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
    "argon2id": bytes.fromhex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
}


def tag(case: Case) -> bytes:
    """What the reference implementation makes of a case."""
    out = ffi.new("uint8_t[]", case.tag_size)
    inputs = (case.password, case.salt, case.secret, case.associated)
    held = [ffi.new("uint8_t[]", data) if data else ffi.NULL for data in inputs]
    context = ffi.new(
        "argon2_context *",
        {
            "out": out,
            "outlen": case.tag_size,
            "pwd": held[0],
            "pwdlen": len(case.password),
            "salt": held[1],
            "saltlen": len(case.salt),
            "secret": held[2],
            "secretlen": len(case.secret),
            "ad": held[3],
            "adlen": len(case.associated),
            "t_cost": case.passes,
            "m_cost": case.memory_kib,
            "lanes": case.lanes,
            "threads": 1,
            "version": case.version,
            "flags": lib.ARGON2_DEFAULT_FLAGS,
        },
    )
    status = lib.argon2_ctx(context, lib.Argon2_i if case.variant == "argon2i" else lib.Argon2_id)
    assert status == lib.ARGON2_OK, ffi.string(lib.argon2_error_message(status))
    return bytes(ffi.buffer(out, case.tag_size))


def random_case(source: random.Random, most_kib: int) -> Case:
    """A random case: memory log-uniform up to `most_kib`, and the edges of lengths now and then."""
    lanes = source.randint(1, 9)
    least = 8 * lanes
    memory = round(least * (max(most_kib, least) / least) ** source.random())
    return Case(
        variant=source.choice(("argon2i", "argon2id")),
        version=source.choice((0x13, 0x13, 0x10)),
        passes=source.randint(1, 6),
        memory_kib=memory,
        lanes=lanes,
        password=source.randbytes(source.choice((0, 1, 8, 64, 127, 128, 129, source.randint(0, 1000)))),
        salt=source.randbytes(source.choice((8, 16, 32, source.randint(8, 200)))),
        secret=source.randbytes(source.choice((0, 0, 8, source.randint(0, 64)))),
        associated=source.randbytes(source.choice((0, 0, 12, source.randint(0, 300)))),
        tag_size=source.choice((4, 31, 32, 33, 63, 64, 65, 96, 97, 128, source.randint(4, 600))),
    )
