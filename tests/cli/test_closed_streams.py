"""Standard streams that are closed when the program starts: no device takes their place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from both import ENVIRONMENT
from tools import HANGS_AFTER_S

OPENED = [0, 1, 2]
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


def with_closed(closed: list[int], line: list[str], folder: Path) -> int:
    """The exit code of a run that begins with these streams closed, and the others empty."""
    words = " ".join(f"{fd}>&-" if fd in closed else f"{fd}<>/dev/null" for fd in OPENED)
    command = ["sh", "-c", f'exec "$@" {words}', "sh", sys.executable, "-m", "kdumpkey", *line]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=False, timeout=HANGS_AFTER_S).returncode


@pytest.fixture
def device(tmp_path: Path, folder: Path) -> Path:
    for name in ("luks1.img", "pass"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "luks1.img").chmod(0o600)
    return tmp_path / "luks1.img"


@pytest.mark.parametrize("closed", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_a_message_to_a_closed_stream_is_not_written_over_the_header(
    device: Path, closed: list[int], folder: Path
) -> None:
    line = ["luksKillSlot", "-v", "-q", device.name, "5"]  # which is not active
    assert with_closed(closed, line, device.parent) == 1
    assert device.read_bytes() == (folder / "luks1.img").read_bytes()


def test_what_is_said_of_a_change_is_not_written_over_the_header(device: Path) -> None:
    # Nobody hears of it, and so it fails; what it has done until then is whole.
    assert with_closed([1], ["erase", "-v", "-q", device.name], device.parent) == 1
    assert device.read_bytes().startswith(b"LUKS\xba\xbe\x00\x01")


def test_a_closed_standard_input_is_no_passphrase(device: Path, folder: Path) -> None:
    line = ["luksAddKey", "-q", *CHEAP, device.name, "pass"]
    assert with_closed([0], line, device.parent) == 1
    assert device.read_bytes() == (folder / "luks1.img").read_bytes()
