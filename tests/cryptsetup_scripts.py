"""cryptsetup's own test scripts, run with any program in cryptsetup's place, on image files alone.

The scripts are read from a source tree of cryptsetup; they are not part of this repository. Each runs
unchanged: `compat/prelude.bash` has it use image files and go on after a check that fails, and
`compat/cryptsetup` stands in for the program. A check is a line of the script that calls `fail` where
something is not as it ought to be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from newer_release import UnavailableError, fetch_sources

HERE = Path(__file__).resolve().parent / "compat"
NAMED = "KDUMPKEY_CRYPTSETUP_SOURCE"
SUITE = "forky"  # of the newer cryptsetup
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Check:
    """A check that failed: where in the script, the script's text there, and the last call before it."""

    lines: str
    text: str
    call: str

    def __str__(self) -> str:
        return f"line {self.lines}: {self.text}\n    after: cryptsetup {self.call}"


@dataclass(frozen=True)
class ScriptOutcome:
    """What came of a script: the checks that failed, the number of calls, and all that was printed."""

    failed: frozenset[Check]
    calls: int
    output: str


def source_tree() -> Path:
    """The folder of tests in the source tree that KDUMPKEY_CRYPTSETUP_SOURCE names.

    Raises:
        UnavailableError: It names none.
    """
    named = os.environ.get(NAMED)
    if not named:
        raise UnavailableError(f"{NAMED} does not name a source tree of cryptsetup (make compat fetches one)")
    tests = Path(named) / "tests"
    if not (tests / "compat-test2").is_file():
        raise UnavailableError(f"{named} is not a source tree of cryptsetup")
    return tests


def run_script(
    tests: Path, script: str, program: Path | str, folder: Path, reencrypts: Path | str | None = None
) -> ScriptOutcome:
    """Run one of the scripts in a folder of its own, which is made and removed.

    Args:
        tests: Where the scripts are with their images.
        script: Its name.
        program: What takes cryptsetup's place.
        folder: A path that is not there yet.
        reencrypts: What is called to reencrypt, for a program that does not; default: the program.

    Raises:
        UnavailableError: The tree has no such script.
    """
    if not (tests / script).is_file():
        raise UnavailableError(f"cryptsetup's source tree has no {script}")
    shutil.copytree(tests, folder / "tests")
    (folder / "bin").mkdir()
    shutil.copy(HERE / "cryptsetup", folder / "bin" / "cryptsetup")
    _make_helpers(folder / "tests")
    failed, calls = folder / "failed", folder / "calls"
    for path in (failed, calls, folder / "calls.last"):
        path.touch()
    environment = {
        name: value for name, value in os.environ.items() if name in ("HOME", "PATH", "TMPDIR")
    } | {
        "BASH_ENV": str(HERE / "prelude.bash"),
        "COMPAT_CALLS": str(calls),
        "COMPAT_FAILED": str(failed),
        "COMPAT_PROGRAM": str(program),
        "COMPAT_REENCRYPTS": str(reencrypts or program),
        "COMPAT_SCRIPT": f"./{script}",
        "CRYPTSETUP_PATH": str(folder / "bin"),
        "LC_ALL": "C",
        "srcdir": ".",
    }
    try:
        done = subprocess.run(
            ["bash", f"./{script}"],
            cwd=folder / "tests",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        text = (tests / script).read_text().splitlines()
        return ScriptOutcome(
            frozenset(_check(line, text) for line in failed.read_text(errors="replace").splitlines()),
            len(calls.read_text(errors="replace").splitlines()),
            done.stdout.decode(errors="replace"),
        )
    finally:
        shutil.rmtree(folder)


def _check(line: str, text: list[str]) -> Check:
    lines, _, call = line.partition("\t")
    outermost = int(re.split("<", lines)[-1])
    return Check(lines, text[outermost - 1].strip(), call)


def _make_helpers(tests: Path) -> None:
    """The two programs of cryptsetup's build that the scripts call."""
    check = tests / "crypto-check"  # whether a cipher is there: a program that has none fails, as it should
    check.write_text("#!/bin/sh\nexit 0\n")
    check.chmod(0o755)
    subprocess.run(["cc", "-w", "-o", tests / "differ", tests / "differ.c"], check=True)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{fetch_sources('cryptsetup', SUITE)}\n")
    except UnavailableError as error:
        sys.exit(str(error))
