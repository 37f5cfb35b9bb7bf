"""A cryptsetup of a newer Debian release, 2.8 or later, unpacked beside the system's."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from newer_release import UnavailableError, run, unpacked

PACKAGE = "cryptsetup-bin"
SUITE = "forky"
LEAST = (2, 8)

# Paths are found at run time, so that the folder may be moved. OpenSSL's legacy module has whirlpool.
WRAPPER = """#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
libraries=$(dirname "$(echo "$root"/usr/lib/*/libcryptsetup.so.12)")
OPENSSL_MODULES="$libraries/ossl-modules" OPENSSL_CONF=/dev/null \\
  exec "$(echo "$root"/usr/lib*/ld-linux*.so.*)" --library-path "$libraries" "$root/usr/sbin/cryptsetup" "$@"
"""


def provide() -> Path:
    """The path of a cryptsetup >= 2.8; fetched, unless it is in the cache.

    Raises:
        UnavailableError: There is no apt here, it reaches no such release, or what it brought does not run.
    """
    return unpacked("cryptsetup", PACKAGE, suite=SUITE, finish=_wrap) / "cryptsetup"


def _wrap(folder: Path) -> None:
    program = folder / "cryptsetup"
    program.write_text(WRAPPER)
    program.chmod(0o755)
    version = run(str(program), "--version")
    numbers = re.match(r"cryptsetup (\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < LEAST:
        raise UnavailableError(f"the unpacked {PACKAGE} says {version!r}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except UnavailableError as error:
        sys.exit(str(error))
