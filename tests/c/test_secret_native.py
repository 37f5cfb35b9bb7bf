"""The C code of secret memory, compiled and run by itself: as it is shipped, and under the sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools import require_tool

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = [ROOT / "tests/c/test_secret.c", ROOT / "cext/secret/kdk_secret.c"]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/cext/secret", f"-I{ROOT}/cext/common"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build_and_run(into: Path, *options: str) -> None:
    program = into / "test_secret"
    subprocess.run([require_tool("cc"), *FLAGS, *options, *SOURCES, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_secret_memory_holds_its_promises_as_it_is_shipped(tmp_path: Path) -> None:
    build_and_run(tmp_path, "-O3")


def test_secret_memory_is_clean_when_sanitized(tmp_path: Path) -> None:
    build_and_run(tmp_path, *SANITIZERS)
