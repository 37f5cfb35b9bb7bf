"""The project's own shell scripts, read by shellcheck."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import require_tool

TOP = Path(__file__).resolve().parents[2]
SCRIPTS = [
    ".ci/run",
    *(
        str(path.relative_to(TOP))
        for folder in ("lab", "src/kdumpkey/kdump/generate/scripts", "tests")
        for path in (TOP / folder).glob("*.sh")
    ),
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_sound(script: str) -> None:
    done = subprocess.run(
        [require_tool("shellcheck"), TOP / script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_lab_s_guest_is_sound() -> None:
    # The scenarios are one script with what they are sourced by: each sets what the others use.
    parts = [TOP / "lab/guest/lib.sh", *sorted((TOP / "lab/scenarios").glob("*.sh"))]
    words = [require_tool("shellcheck"), "--shell=sh", "--exclude=SC1091,SC2034,SC2154,SC2086,SC2317,SC2329"]
    for part in [TOP / "lab/guest/init", *parts]:
        done = subprocess.run([*words, part], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
