"""Compiles limit.c together with the engine's own sources, and calls it."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIERS = ["portable", "aesni", "vaes_avx2", "vaes_avx512", "armv8ce"]
PAGE = 4096


@dataclass(frozen=True)
class Native:
    """Both functions return the seconds of one pass over the buffer, averaged over `passes`."""

    library: ctypes.CDLL

    def limit(self, tier: str, buffer: Buffer, passes: int) -> Callable[[], float]:
        """The AES instructions of the tier's vector width alone."""
        run = self.library.bench_limit
        return lambda: run(TIERS.index(tier), buffer.address, buffer.nbytes, passes) / passes

    def engine(
        self, tier: str, buffer: Buffer, sector_size: int, passes: int, *, decrypt: bool = True
    ) -> Callable[[], float]:
        """The engine, in place."""
        run = self.library.bench_engine

        def call() -> float:
            took = run(TIERS.index(tier), decrypt, buffer.address, buffer.nbytes, sector_size, passes)
            assert took >= 0, "the engine refused the call"
            return float(took) / passes

        return call


class Buffer:
    """`nbytes` of page-aligned memory."""

    def __init__(self, nbytes: int) -> None:
        self._memory = bytearray(nbytes + PAGE)
        whole = (ctypes.c_char * len(self._memory)).from_buffer(self._memory)
        self.offset = -ctypes.addressof(whole) % PAGE
        self.address = ctypes.c_void_p(ctypes.addressof(whole) + self.offset)
        self.nbytes = nbytes
        self.view = memoryview(self._memory)[self.offset : self.offset + nbytes]


def build(folder: Path) -> Native:
    """Compile into `folder`."""
    engine = ROOT / "cext" / "aesxts"
    common = ROOT / "cext" / "common"
    target = folder / "limit.so"
    sources = [ROOT / "bench" / "limit.c", *sorted(engine.glob("kdk_*.c")), *sorted(common.glob("*.c"))]
    includes = [f"-I{ROOT / 'cext' / name}" for name in ("aes", "aesxts", "common")]
    command = ["cc", "-O3", "-std=c11", "-shared", "-fPIC", *includes, "-o", str(target)]
    result = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"limit.c does not compile here:\n{result.stderr}")
    library = ctypes.CDLL(str(target))
    library.bench_limit.restype = library.bench_engine.restype = ctypes.c_double
    library.bench_limit.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.bench_engine.argtypes = [
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    return Native(library)
