"""A device that is full or may only be read: cryptsetup's exit code, and the bytes as they were."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from pathlib import Path

import pytest

from both import Result, run
from tools import require_tool, unavailable

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
KDUMPKEY = f"{sys.executable} -m kdumpkey"
ACTIONS = [
    f"luksAddKey {CHEAP} -d one DEV two",
    f"luksChangeKey {CHEAP} -d one DEV two",
    f"luksConvertKey {CHEAP} -d one DEV",
    "luksKillSlot -q -d one DEV 0",
    "luksRemoveKey -q DEV one",
    "erase -q DEV",
    "luksUUID -q --uuid 12345678-1234-1234-1234-123456789abc DEV",
    "config --label x DEV",
    "config --priority prefer -S 0 DEV",
    "token add --key-description x DEV",
    "convert -q DEV --type luks1",
    "luksHeaderRestore -q DEV --header-backup-file backup",
    f"luksFormat -q {CHEAP} DEV two",
    f"luksFormat -q --type luks1 {CHEAP} DEV two",
]
# These write where a sparse device has no blocks yet.
NEEDS_ROOM = {"luksAddKey", "luksChangeKey", "luksConvertKey", "convert", "luksHeaderRestore", "luksFormat"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse device that only has its first 300 KiB allocated, key files, and a folder for a mount."""
    path = tmp_path_factory.mktemp("unwritable")
    (path / "one").write_text("one")
    (path / "two").write_text("two")
    (path / "mount").mkdir()
    device = path / "device"
    device.touch()
    os.truncate(device, 20 * MIB)
    tool = require_tool("cryptsetup")
    words = ["--sector-size", "512", *shlex.split(CHEAP), device, path / "one"]
    assert run([tool, "luksFormat", "-q", *words]).code == 0
    assert run([tool, "luksHeaderBackup", device, "--header-backup-file", path / "backup"]).code == 0
    os.truncate(device, 290816)  # format wiped all areas: they are to be holes again
    os.truncate(device, 20 * MIB)
    return path


def in_namespace(folder: Path, script: str) -> Result:
    """A shell script with mounts of its own."""
    unshare = require_tool("unshare")
    if run([unshare, "-rm", "true"]).code:
        unavailable("this machine forbids namespaces with mounts of their own")
    return run([unshare, "-rm", "sh", "-c", f"cd {shlex.quote(str(folder))} && {script}"])


def sums(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.endswith("-") and len(line) > 60]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_read_only_device_is_refused_alike(folder: Path, action: str) -> None:
    line = action.replace("DEV", "device")
    tool = require_tool("cryptsetup")
    before = (folder / "device").read_bytes()
    codes = []
    for program in (KDUMPKEY, tool):
        script = (
            f"mount --bind device device && mount -o remount,ro,bind device && {program} {line} </dev/null"
        )
        codes.append(in_namespace(folder, script).code)
        assert (folder / "device").read_bytes() == before
    assert codes == [1, 1]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_full_disk_is_told_alike_and_the_device_stays(folder: Path, action: str) -> None:
    # What replaces a header backs it up first, where there is room.
    kept = folder / "kept"
    codes = []
    for program in (KDUMPKEY, require_tool("cryptsetup")):
        line = action.replace("DEV", "mount/device")
        if action.startswith("convert") and program == KDUMPKEY:
            line += f" --header-backup-file {kept}"
        result = in_namespace(
            folder,
            "mount -t tmpfs -o size=420k none mount && cp --sparse=always device mount/device && "
            f"sha256sum < mount/device; {program} {line} </dev/null; "
            "code=$?; sha256sum < mount/device; exit $code",
        )
        for path in (kept, *folder.glob("backup.replaced-*")):
            path.unlink(missing_ok=True)
        codes.append(result.code)
        before, after = sums(result.out)
        assert before == hashlib.sha256((folder / "device").read_bytes()).hexdigest()
        if program == KDUMPKEY:
            if result.code:
                assert "No space left on device" in result.err
            assert (after == before) == (result.code != 0)
    assert codes[0] == codes[1]
    assert codes[0] == (action.split(maxsplit=1)[0] in NEEDS_ROOM)


def test_a_file_that_was_to_grow_on_a_full_disk_keeps_its_size(folder: Path) -> None:
    codes = []
    for program in (KDUMPKEY, require_tool("cryptsetup")):
        result = in_namespace(
            folder,
            "mount -t tmpfs -o size=420k none mount && yes | head -c 200000 > mount/device && "
            f"sha256sum < mount/device; {program} luksFormat -q {CHEAP} mount/device one </dev/null; "
            "code=$?; sha256sum < mount/device; exit $code",
        )
        codes.append(result.code)
        if program == KDUMPKEY:
            before, after = sums(result.out)
            assert before == after
    assert codes == [1, 1]
