"""PBKDF2: the vectors of the RFCs, and random parameters for a comparison with hashlib."""

from __future__ import annotations

import random
from dataclasses import dataclass

HASHES = ("sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Vector:
    """Inputs and output; `out` in hex."""

    hash: str
    password: bytes
    salt: bytes
    iterations: int
    out: str


VECTORS = (
    # RFC 6070, section 2; the one of 16777216 iterations is left out
    Vector("sha1", b"password", b"salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
    Vector("sha1", b"password", b"salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
    Vector("sha1", b"password", b"salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
    Vector(
        "sha1",
        b"passwordPASSWORDpassword",
        b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
        4096,
        "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
    ),
    Vector("sha1", b"pass\0word", b"sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
    # RFC 7914, section 11
    Vector(
        "sha256",
        b"passwd",
        b"salt",
        1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
    ),
    Vector(
        "sha256",
        b"Password",
        b"NaCl",
        80000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
    ),
)


def random_vector(source: random.Random) -> Vector:
    """Random inputs, the edges of the lengths among them, without an output."""
    return Vector(
        hash=source.choice(HASHES),
        password=source.randbytes(source.choice((0, 1, 63, 64, 65, 127, 128, 129, source.randint(0, 300)))),
        salt=source.randbytes(
            source.choice((0, 8, 32, 51, 52, 55, 64, 107, 111, 112, source.randint(0, 300)))
        ),
        iterations=source.choice((1, 2, 3, source.randint(1, 300))),
        out="00" * source.choice((1, 20, 21, 32, 40, 64, 65, 128, source.randint(1, 1400))),
    )
