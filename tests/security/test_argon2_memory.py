"""Argon2's blocks are in memory while it runs and in none of it afterwards, seen from outside."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import pytest

from memory_scan import child

TAG, MEMORY_KIB, LANES = 64, 4096, 2

PROGRAM = """
import sys
from kdumpkey._native import argon2
from kdumpkey.secret import SecretBuffer
state = {{}}
def derive(stop):
    def progress(done, total):
        if done == {pause_at}:
            print("paused", flush=True)
            sys.stdin.readline()
            if stop: raise LookupError
    with SecretBuffer({tag}) as key, open({path!r}, "rb", buffering=0) as file, SecretBuffer(48) as secret:
        file.readinto(secret)
        argon2.derive_into(key, secret, bytes(16), variant="argon2id", passes=1, memory_kib={memory_kib},
            lanes={lanes}, threads={threads}, progress=progress)
parts = dict(success=lambda: derive(False), cancelled=lambda: derive(True))
"""


def first_block(password: bytes, lane: int) -> bytes:
    """B[lane][0] of RFC 9106, section 3.2: what an attacker who finds it can try passwords against."""
    numbers = (LANES, TAG, MEMORY_KIB, 1, 0x13, 2)
    seed = hashlib.blake2b(b"".join(number.to_bytes(4, "little") for number in numbers))
    for data in (password, bytes(16), b"", b""):
        seed.update(len(data).to_bytes(4, "little") + data)
    start = seed.digest() + (0).to_bytes(4, "little") + lane.to_bytes(4, "little")
    value = hashlib.blake2b((1024).to_bytes(4, "little") + start).digest()
    out = b""
    while len(out) + 64 < 1024:
        out += value[:32]
        value = hashlib.blake2b(value).digest()
    return out + value


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("part", "ending"), [("success", "done"), ("cancelled", "LookupError")])
@pytest.mark.parametrize("pause_at", [1, 4])
def test_no_block_is_left_after_success_or_cancellation(
    tmp_path: Path, part: str, ending: str, threads: int, pause_at: int
) -> None:
    password = secrets.token_hex(24).encode()
    path = f"{tmp_path}/password"
    with open(path, "wb") as file:
        file.write(password)
    wanted = {f"lane {lane}": first_block(password, lane)[:512] for lane in range(LANES)}
    wanted["the password"] = password
    program = PROGRAM.format(
        tag=TAG, memory_kib=MEMORY_KIB, lanes=LANES, threads=threads, pause_at=pause_at, path=path
    )
    with child(program) as process:
        assert process.holds(wanted) == {}
        assert process.run(part) == "paused"
        assert set(process.holds(wanted)) == set(wanted)
        assert process.run("go on") == ending
        assert process.holds(wanted) == {}
