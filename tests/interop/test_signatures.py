"""Where the primary header is gone, kdumpkey and cryptsetup see the same foreign signatures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from foreign_signatures import FOREIGN, HARMLESS, SIZE, Edits
from fuzz.base_headers import base
from fuzz.images import image_of
from kdumpkey.errors import AmbiguousSignatureError
from kdumpkey.luks import read_header
from kdumpkey.luks.signatures import foreign_signature
from kdumpkey.storage.device import open_readonly
from tools import require_tool


def image_with(edits: Edits, path: Path, *, primary: bool = False) -> Path:
    """A LUKS2 image without its primary header (`primary`: with it), and what `edits` put there."""
    chunks = image_of(base("plain")).chunks
    with path.open("wb") as file:
        file.truncate(SIZE)

        for offset, data in [*chunks[0 if primary else 1 :], *edits]:
            os.pwrite(file.fileno(), data, offset)
    return path


def cryptsetup_dump(path: Path) -> subprocess.CompletedProcess[str]:
    command = [require_tool("cryptsetup"), "luksDump", "--disable-locks", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_signature_is_ambiguous(tmp_path: Path, name: str) -> None:
    path = image_with(FOREIGN[name], tmp_path / "image")
    with open_readonly(path) as device:
        assert foreign_signature(device)
        with pytest.raises(AmbiguousSignatureError, match="Device contains ambiguous signatures"):
            read_header(device)
    done = cryptsetup_dump(path)
    assert done.returncode == 1
    assert "Device contains ambiguous signatures" in done.stderr


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_signature_stands_in_nobodys_way(tmp_path: Path, name: str) -> None:
    path = image_with(HARMLESS[name], tmp_path / "image")
    with open_readonly(path) as device:
        assert not foreign_signature(device)
        assert read_header(device).used == 1
    assert cryptsetup_dump(path).returncode == 0


@pytest.mark.parametrize(
    ("tool", "arguments"), [("mke2fs", ["-q", "-t", "ext4"]), ("mkswap", []), ("mkfs.vfat", [])]
)
def test_what_the_real_tools_make_is_seen(tmp_path: Path, tool: str, arguments: list[str]) -> None:
    made = tmp_path / "made"
    with made.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run([require_tool(tool), *arguments, str(made)], capture_output=True, check=True)
    path = image_with([(0, made.read_bytes()[:4096])], tmp_path / "image")
    with open_readonly(path) as device, pytest.raises(AmbiguousSignatureError):
        read_header(device)
    assert cryptsetup_dump(path).returncode == 1


@pytest.mark.parametrize("name", ["btrfs", "iso9660", "md 0.90", "VMFS"])
def test_two_good_headers_are_not_doubted_and_one_is(tmp_path: Path, name: str) -> None:
    path = image_with(FOREIGN[name], tmp_path / "image", primary=True)
    with open_readonly(path) as device:
        assert read_header(device).used == 0
    assert cryptsetup_dump(path).returncode == 0
    damaged = image_with([*FOREIGN[name], (16384 + 300, b"x")], path, primary=True)
    with open_readonly(damaged) as device, pytest.raises(AmbiguousSignatureError):
        read_header(device)
    assert cryptsetup_dump(damaged).returncode == 1
