"""C test programs, compiled with the project's own C sources."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tools import HANGS_AFTER_S, require_tool

ROOT = Path(__file__).resolve().parent.parent
CEXT = ROOT / "cext"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def program(into: Path, source: str, *parts: str, options: list[str], compiler: str | None = None) -> Path:
    """Compile a test program.

    Args:
        into: The folder for the program, which is named as its source.
        source: A file of tests/c, without its suffix.
        parts: Globs, relative to cext/, of the C files that it tests.
        options: For the compiler, after the strict ones of every C test.
        compiler: Default: the one that CC names, or cc.
    """
    command, *prefix = shlex.split(compiler or os.environ.get("CC") or "cc")
    sources = [
        ROOT / "tests" / "c" / f"{source}.c",
        *(path for part in parts for path in sorted(CEXT.glob(part))),
    ]
    includes = [f"-I{folder}" for folder in sorted(CEXT.iterdir()) if folder.is_dir()]
    target = into / source
    subprocess.run(
        [require_tool(command), *prefix, *STRICT, *includes, *options, *sources, "-o", target, "-lm"],
        check=True,
    )
    return target


def run(*command: str | Path, timeout: float = HANGS_AFTER_S) -> str:
    """What a program prints; an exit other than 0, or a word on stderr, is a failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
