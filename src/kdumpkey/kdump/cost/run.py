"""One key derivation in a process of its own, which says how long it took and how much memory it had.

``python -m kdumpkey.kdump.cost.run`` reads the parameters as JSON from standard input and writes what it
measured to standard output. A process of its own, because a peak is a process's, and because what is measured
may be killed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from kdumpkey.crypto import kdf, reference
from kdumpkey.crypto.kdf import Argon2, Kdf, Pbkdf2
from kdumpkey.errors import KdumpkeyError
from kdumpkey.memory.available import check_fits

_PASSPHRASE = b"the cost does not depend on it"
_KEY_BYTES = 64


def own_peak_kib() -> int:
    """The peak of this process's own memory: VmHWM without the pages of files.

    Pages of files (the interpreter, libraries) are not this process's: they can be dropped and read again,
    and in a kdump kernel they are the initramfs itself, which is counted as such.
    """
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak, files, shared = (int(fields[name].split()[0]) for name in ("VmHWM", "RssFile", "RssShmem"))
    return peak - files - shared


def parameters(request: dict[str, object]) -> Kdf:
    """The function that a request names."""
    salt = bytes(32)
    if request["kdf"] == "pbkdf2":
        return Pbkdf2(str(request["hash"]), int(str(request["iterations"])), salt)
    passes, memory, lanes = (int(str(request[name])) for name in ("time", "memory_kib", "parallel"))
    return Argon2(str(request["kdf"]), passes, memory, lanes, salt)


def main() -> int:
    """Derive once; exit code 0, or 3 where memory is short, after saying so."""
    request: dict[str, object] = json.load(sys.stdin)
    function = parameters(request)
    derive = reference.derive if request.get("reference") else kdf.derive
    try:
        if request.get("check") and isinstance(function, Argon2):
            check_fits(function.memory_kib, "the measurement", function.variant)
        if isinstance(function, Argon2):  # what is imported on first use is not the function's time
            derive(function._replace(memory_kib=8, time=1, parallel=1), b"", 4).close()
        began = time.perf_counter()
        derive(function, _PASSPHRASE, _KEY_BYTES).close()
        seconds = time.perf_counter() - began
    except KdumpkeyError as error:
        json.dump({"refused": str(error)}, sys.stdout)
        return error.exit_code
    json.dump({"seconds": seconds, "peak_kib": own_peak_kib()}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
