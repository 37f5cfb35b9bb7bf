"""Runs programs and measures them from outside: seconds, and the most memory that they had."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import kdumpkey
import newer_cryptsetup

# A child's ru_maxrss begins with what its parent had when it was made, so a small process makes the child.
_LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
child = os.fork()
if child == 0:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - began
used = usage.ru_utime + usage.ru_stime
print(json.dumps([took, usage.ru_maxrss, os.waitstatus_to_exitcode(status), used]))
"""


@dataclass(frozen=True)
class Run:
    """What one run took: wall-clock seconds, its peak resident memory in KiB, and processor seconds."""

    seconds: float
    peak_kib: int
    processor_seconds: float


def run(command: list[str | Path], stdin: bytes = b"") -> Run:
    """Run a program to its end.

    Raises:
        RuntimeError: It failed.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, command)]
    done = subprocess.run(launcher, input=stdin, capture_output=True, check=True)
    seconds, peak_kib, code, processor_seconds = json.loads(done.stdout)
    if code != 0:
        raise RuntimeError(f"{command[0]} ended with {code}: {done.stderr.decode(errors='replace')}")
    return Run(seconds, peak_kib, processor_seconds)


@cache
def newer_cryptsetup_command() -> tuple[str | Path, ...]:
    """A newer cryptsetup, run by its release's loader: the wrapper is a script, which would be counted.

    Raises:
        UnavailableError: It cannot be had here.
    """
    root = newer_cryptsetup.provide().parent / "root"
    libraries = next(root.glob("usr/lib/*/libcryptsetup.so.12")).parent
    loader = next(root.glob("usr/lib*/ld-linux*.so.*"))
    return (loader, "--library-path", libraries, root / "usr/sbin/cryptsetup")


@cache
def console_script() -> Path:
    """The kdumpkey that is installed beside this Python, compiled as an installed one is."""
    package = Path(kdumpkey.__file__).parent
    if not compileall.compile_dir(package, quiet=1):
        raise RuntimeError(f"{package} cannot be compiled")
    return Path(sys.executable).parent / "kdumpkey"
