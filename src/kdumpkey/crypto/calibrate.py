"""How many iterations a time buys here: the costs of a new keyslot, measured on this machine.

It measures the functions that cryptsetup itself uses (`kdumpkey.crypto.reference`), not kdumpkey's own, which
are several times as fast: others open the keyslot, too, at boot for one. `fast` measures our own.

Source: docs/spec/luks.md "Defaults of luksFormat"; what cryptsetup 2.6.1 chooses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kdumpkey.crypto import kdf, reference
from kdumpkey.crypto.kdf import Argon2, Pbkdf2

if TYPE_CHECKING:
    from kdumpkey.crypto.kdf import Kdf

_PASSPHRASE: Final = b"foo"
_SALT: Final = bytes(32)
_MIN_PBKDF2: Final = 1000
_MIN_PASSES: Final = 4
_FIRST_MEMORY_KIB: Final = 64 * 1024
_MIN_MEMORY_KIB: Final = 32
_ENOUGH_S: Final = 0.25  # a run of less time says too little about a longer one
_NEAR: Final = (0.95, 1.10)
_MOST_RUNS: Final = 8
_MOST_ITERATIONS: Final = 2**31 - 1


def pbkdf2_iterations(hash_name: str, key_bytes: int, time_ms: int, *, fast: bool = False) -> int:
    """Iterations of PBKDF2 that take a time here, at least 1000.

    Args:
        hash_name: By cryptsetup's name.
        key_bytes: Length of the key to be derived.
        time_ms: What it is to take.
        fast: By kdumpkey's own implementation.

    Raises:
        CipherError: There is no such hash.
    """
    per_second = pbkdf2_per_second(hash_name, key_bytes, fast=fast)
    return min(max(_MIN_PBKDF2, per_second * time_ms // 1000), _MOST_ITERATIONS)


def pbkdf2_per_second(hash_name: str, key_bytes: int, *, fast: bool = False) -> int:
    """Iterations of PBKDF2 in a second of the processor's, from a run that took long enough.

    What else the machine does meanwhile makes no keyslot weaker.

    Raises:
        CipherError: There is no such hash.
    """
    iterations = 1 << 15
    while True:
        seconds = _seconds(Pbkdf2(hash_name, iterations, _SALT), key_bytes, time.thread_time, fast=fast)
        if seconds >= _ENOUGH_S or iterations >= _MOST_ITERATIONS // 4:
            return int(iterations / max(seconds, 1e-9))
        iterations = int(iterations * min(8.0, max(1.5, 1.2 * _ENOUGH_S / max(seconds, 1e-6))))


def argon2_costs(  # noqa: PLR0913 - the parameters of Argon2
    variant: str, key_bytes: int, time_ms: int, max_memory_kib: int, parallel: int, *, fast: bool = False
) -> tuple[int, int]:
    """Passes and memory of Argon2 that take a time here: as much memory as allowed first, then passes.

    However short the time, memory is never less than 64 MiB, or what is allowed: on a slow or busy machine
    the passphrase needs its strength, too.

    Args:
        variant: ``argon2i`` or ``argon2id``.
        key_bytes: Length of the key to be derived.
        time_ms: What it is to take.
        max_memory_kib: What it may use.
        parallel: Lanes.
        fast: By kdumpkey's own implementation.

    Returns:
        Passes, at least 4, and memory in KiB.

    Raises:
        ResourceError: The memory cannot be had.
    """
    target = time_ms / 1000
    passes, memory = _MIN_PASSES, _least_memory(max_memory_kib, parallel)
    seconds = _argon2_seconds(variant, key_bytes, passes, memory, parallel, fast=fast)
    while seconds < min(_ENOUGH_S, target) and memory < max_memory_kib:
        memory = min(max_memory_kib, int(memory * min(16.0, max(1.5, 1.2 * _ENOUGH_S / max(seconds, 1e-6)))))
        seconds = _argon2_seconds(variant, key_bytes, passes, memory, parallel, fast=fast)
    for _ in range(_MOST_RUNS):
        ratio = target / max(seconds, 1e-6)
        if _NEAR[0] <= 1 / ratio <= _NEAR[1]:
            break
        before = passes, memory
        passes, memory = _scaled(passes, memory, ratio, max_memory_kib, parallel)
        if (passes, memory) == before:
            break
        seconds = _argon2_seconds(variant, key_bytes, passes, memory, parallel, fast=fast)
    return passes, memory


def _scaled(passes: int, memory: int, ratio: float, max_memory_kib: int, parallel: int) -> tuple[int, int]:
    """Costs that take `ratio` times as long: memory grows before passes, and passes shrink before memory."""
    work = passes * memory * ratio
    grown = min(max_memory_kib, work / _MIN_PASSES)
    new_memory = max(_least_memory(max_memory_kib, parallel), int(grown))
    new_passes = max(_MIN_PASSES, int(work / new_memory))
    return new_passes, new_memory


def _least_memory(max_memory_kib: int, parallel: int) -> int:
    return max(min(_FIRST_MEMORY_KIB, max_memory_kib), _MIN_MEMORY_KIB, 8 * parallel)


def own_seconds(function: Kdf, key_bytes: int) -> float:
    """How long a function takes here, by kdumpkey's own implementation.

    Raises:
        ResourceError: The memory cannot be had.
    """
    return _seconds(function, key_bytes, time.perf_counter, fast=True)


def both_seconds(function: Kdf, key_bytes: int) -> tuple[float, float]:
    """How long a function takes here: by kdumpkey's own implementation, and by cryptsetup's.

    Raises:
        KdfError: The reference implementation of Argon2 is not installed.
        ResourceError: The memory cannot be had.
    """
    return own_seconds(function, key_bytes), _seconds(function, key_bytes, time.perf_counter, fast=False)


def memory_cap_kib(wanted_kib: int) -> int:
    """The memory that a benchmark takes: what is wanted, but no more than half of the machine's.

    If that half is less than 2 GiB and there is no swap, half of what is free, unless that is very little.
    """
    numbers = {}
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                name, value = line.split(":", 1)
                numbers[name] = int(value.split()[0])
    except (OSError, ValueError):
        return wanted_kib
    half = numbers.get("MemTotal", 2 * wanted_kib) // 2
    free = (numbers.get("MemFree", 0) + numbers.get("Buffers", 0) + numbers.get("Cached", 0)) // 2
    if half < 2 * 1024 * 1024 and not numbers.get("SwapTotal") and free > _FIRST_MEMORY_KIB:
        half = free
    return min(wanted_kib, half)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _argon2_seconds(  # noqa: PLR0913 - the parameters of Argon2
    variant: str, key_bytes: int, passes: int, memory: int, parallel: int, *, fast: bool
) -> float:
    return _seconds(Argon2(variant, passes, memory, parallel, _SALT), key_bytes, time.perf_counter, fast=fast)


def _seconds(function: Kdf, key_bytes: int, clock: Callable[[], float], *, fast: bool) -> float:
    derive = kdf.derive if fast else reference.derive
    began = clock()
    derive(function, _PASSPHRASE, key_bytes).close()
    return clock() - began
