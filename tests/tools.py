"""What a test does where a program it needs is missing: skip with the reason, or fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

HANGS_AFTER_S = 300  # a test that waits longer fails; machines with much to do are slow
STAND_INS: dict[str, str] = {}  # what `require_tool` gives instead of a program of the system


def unavailable(reason: str) -> NoReturn:
    """Skip the test; with KDUMPKEY_REQUIRE_TOOLS=1, fail it instead."""
    if os.environ.get("KDUMPKEY_REQUIRE_TOOLS") == "1":
        pytest.fail(f"KDUMPKEY_REQUIRE_TOOLS=1, and {reason}")
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """The path of a program of the system, or of what stands in for it."""
    return STAND_INS.get(name) or shutil.which(name) or unavailable(f"{name} is not installed")


def chrooted(root: Path) -> list[str]:
    """What to put before a command so that it runs with another root directory, as root or nearly so."""
    words = ["chroot"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "chroot"]
    require_tool(words[0])
    done = subprocess.run([*words, "/", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(f"no other root directory can be had: {done.stderr.strip()}")
    return [*words, str(root)]


def unmeasured() -> dict[str, str]:
    """This environment without coverage.py, for a program whose imports or memory are looked at."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def newer_stands_in() -> bool:
    """Whether it is a newer cryptsetup than the system's that tests are run against just now."""
    return "cryptsetup" in STAND_INS
