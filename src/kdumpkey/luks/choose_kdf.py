"""The key derivation function of a new keyslot: the costs that were asked for, and a new salt."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.crypto import hashes
from kdumpkey.crypto.kdf import ARGON2_MAX_MEMORY_KIB, ARGON2_VARIANTS, Argon2, Kdf, Pbkdf2
from kdumpkey.errors import CipherError, KdfError
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.luks.seal import DEFAULT_HASH

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

_DEFAULT_KIND: Final = "argon2id"
_DEFAULT_TIME_MS: Final = 2000
_KEY_BYTES: Final = 64
_DEFAULT_MEMORY_KIB: Final = 1048576
_MAX_THREADS: Final = 4
_MIN_ITERATIONS: Final = {"pbkdf2": 1000, "argon2i": 4, "argon2id": 4}
_MIN_MEMORY_KIB: Final = 32
_SALT: Final = 32
_UNSET: Final = "Failed to set pbkdf parameters."


@dataclass(frozen=True)
class KdfRequest:
    """What is wanted of a new keyslot's key derivation function; None: the default.

    `iterations` forces the costs, and nothing is measured; otherwise they are to take `time_ms`: by the
    implementation that cryptsetup uses or, with `fast`, by kdumpkey's own.
    """

    kind: str | None = None
    hash: str | None = None
    iterations: int | None = None
    time_ms: int | None = None
    memory_kib: int | None = None
    parallel: int | None = None
    fast: bool = False

    @property
    def af_hash(self) -> str:
        """The hash of the anti-forensic splitter of a LUKS2 keyslot, with any function."""
        return DEFAULT_HASH if self.hash is None else self.hash


def choose_kdf(request: KdfRequest, header: LuksHeader) -> Kdf:
    """Make the function that a request describes, measuring this machine unless the costs are forced.

    Args:
        request: What is wanted.
        header: LUKS1 headers take PBKDF2 with their own hash alone.

    Raises:
        KdfError: The costs are out of the bounds for new keyslots, or LUKS1 cannot say the function.
    """
    checked = checked_request(request, header)
    kind, salt = checked.kind or _DEFAULT_KIND, os.urandom(_SALT)
    time_ms = checked.time_ms or _DEFAULT_TIME_MS
    if kind == "pbkdf2":
        iterations = checked.iterations
        if iterations is None:
            iterations = measured_iterations(checked.af_hash, _KEY_BYTES, time_ms, fast=checked.fast)
        return Pbkdf2(checked.af_hash, iterations, salt)
    memory_kib, lanes = checked.memory_kib or _DEFAULT_MEMORY_KIB, threads(checked.parallel)
    if checked.iterations is not None:
        return Argon2(kind, checked.iterations, memory_kib, lanes, salt)
    from kdumpkey.crypto import calibrate  # noqa: PLC0415 - forced costs are not measured

    most = calibrate.memory_cap_kib(memory_kib)
    passes, memory_kib = calibrate.argon2_costs(kind, _KEY_BYTES, time_ms, most, lanes, fast=checked.fast)
    return Argon2(kind, passes, memory_kib, lanes, salt)


def measured_iterations(hash_name: str, key_bytes: int, time_ms: int, *, fast: bool = False) -> int:
    """The iterations of PBKDF2 that take a time on this machine.

    Args:
        hash_name: PBKDF2's hash.
        key_bytes: Length of the key to be derived.
        time_ms: What it is to take.
        fast: By kdumpkey's own implementation, not cryptsetup's.
    """
    from kdumpkey.crypto import calibrate  # noqa: PLC0415 - forced costs are not measured

    return calibrate.pbkdf2_iterations(hash_name, key_bytes, time_ms, fast=fast)


def checked_request(request: KdfRequest, header: LuksHeader) -> KdfRequest:
    """Return the request with kind and hash decided.

    Raises:
        KdfError: As `choose_kdf`.
    """
    match header:
        case Luks1Header():
            if request.kind not in (None, "pbkdf2"):
                raise KdfError(f"Requested PBKDF type is not supported for LUKS1.\n{_UNSET}")
            kind, hash_name = "pbkdf2", header.hash_spec
        case Luks2Header():
            kind, hash_name = request.kind or _DEFAULT_KIND, request.af_hash
        case _:
            assert_never(header)
    if kind not in _MIN_ITERATIONS:
        raise KdfError(f"Unknown PBKDF type {kind}.\n{_UNSET}")
    for name in (request.af_hash, hash_name):  # LUKS1 has its own: what was asked for must be there, too
        try:
            hashes.find(name)
        except CipherError as error:
            raise KdfError(f"Requested hash {name} is not supported.\n{_UNSET}") from error
    _check_costs(request, kind)
    return replace(request, kind=kind, hash=hash_name)


def _check_costs(request: KdfRequest, kind: str) -> None:
    low = _MIN_ITERATIONS[kind]
    if request.iterations is not None and request.iterations < low:
        raise KdfError(f"Forced iteration count is too low for {kind} (minimum is {low}).\n{_UNSET}")
    if kind in ARGON2_VARIANTS and request.memory_kib:
        if request.memory_kib > ARGON2_MAX_MEMORY_KIB:
            raise KdfError(
                "Requested maximum PBKDF memory cost is too high "
                f"(maximum is {ARGON2_MAX_MEMORY_KIB} kilobytes).\n{_UNSET}"
            )
        if request.memory_kib < _MIN_MEMORY_KIB:
            raise KdfError(
                f"Forced memory cost is too low for {kind} (minimum is {_MIN_MEMORY_KIB} kilobytes)."
                f"\n{_UNSET}"
            )


def threads(wanted: int | None) -> int:
    """Argon2's lanes: as many as wanted, no more than processors or four."""
    return max(1, min(wanted or _MAX_THREADS, _MAX_THREADS, os.cpu_count() or 1))
