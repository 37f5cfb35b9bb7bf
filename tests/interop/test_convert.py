"""convert: the same bytes as cryptsetup's, the same refusals, and a backup that brings every cut back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import Buffer

from both import Result, ours, run
from kdumpkey.errors import DeviceError, WriteError
from kdumpkey.storage.device import Device
from tools import require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
KINDS = {
    "luks1": "--type luks1 --key-size 256",
    "luks2": "--type luks2 --key-size 256 --sector-size 512 --offset 4096",
}
DETACHED = {kind: options.removesuffix(" --offset 4096") for kind, options in KINDS.items()}
OTHER = {"luks1": "luks2", "luks2": "luks1"}
AREAS_END = {"luks1": 4096 + 8 * 131072, "luks2": 2 * MIB}  # nobody looks at what is behind them
RANDOM = [(104, 168), (448, 512)]  # of a LUKS2 copy: its salt and checksum
BOTH = {"kdumpkey", "cryptsetup"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Devices with ``one`` in keyslot 0 and ``two`` in keyslot 3, made by cryptsetup."""
    folder = tmp_path_factory.mktemp("images")
    device, made = folder / "device", {}
    for kind, options in KINDS.items():
        device.write_bytes(bytes(3 * MIB))
        theirs(folder, f"luksFormat -q {options} CHEAP DEV KEY:one")
        theirs(folder, "luksAddKey -q CHEAP -S 3 -d KEY:one DEV KEY:two")
        made[kind] = device.read_bytes()
    return made


def words(folder: Path, line: str) -> list[str | Path]:
    """A command line of ``DEV``, ``KEY:passphrase`` and ``CHEAP``, and other words as they are."""
    result: list[str | Path] = []
    for word in line.split():
        if word == "CHEAP":
            result += CHEAP
        elif word == "DEV":
            result.append(folder / "device")
        elif word.startswith("KEY:"):
            (folder / word).write_text(word[4:])
            result.append(folder / word)
        else:
            result.append(word)
    return result


def theirs(folder: Path, line: str) -> None:
    done = run([require_tool("cryptsetup"), *words(folder, line)])
    assert done.code == 0, done


def opens(device: Path, passphrase: bytes) -> set[str]:
    line = ["open", "--test-passphrase", device, "--key-file", "-"]
    results = {
        "kdumpkey": ours(line, passphrase),
        "cryptsetup": run([require_tool("cryptsetup"), *line], passphrase),
    }
    return {name for name, result in results.items() if result.code == 0}


def convert(device: Path, kind: str, *more: str | Path) -> Result:
    return ours(["convert", "-q", device, "--type", kind, *more])


def without_random(content: bytes, kind: str) -> bytes:
    image = bytearray(content[: AREAS_END[kind]])
    for copy in (0, 16384) if kind == "luks2" else ():
        for start, end in RANDOM:
            image[copy + start : copy + end] = bytes(end - start)
    return bytes(image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
def test_both_make_the_same_bytes_and_open_them(
    tmp_path: Path, images: dict[str, bytes], kind: str, detached: bool
) -> None:
    device, target, results = tmp_path / "device", OTHER[kind], []
    if detached:
        (tmp_path / "data").write_bytes(bytes(MIB))
        theirs(tmp_path, f"luksFormat -q {DETACHED[kind]} --header DEV CHEAP {tmp_path / 'data'} KEY:one")
    else:
        device.write_bytes(images[kind])
    before = device.read_bytes()
    for program in (ours, lambda line: run([require_tool("cryptsetup"), *line])):
        device.write_bytes(before)
        assert program(["convert", "-q", device, "--type", target]) == Result(0, "", "")
        results.append(without_random(device.read_bytes(), target))
    assert results[0] == results[1]
    device.write_bytes(before)
    assert convert(device, target).code == 0
    assert sorted(path.name for path in tmp_path.glob("device*")) == ["device"]  # the backup is gone
    assert opens(device, b"one") == BOTH
    if not detached:
        assert opens(device, b"two") == BOTH
        assert device.read_bytes()[2 * MIB :] == before[2 * MIB :]
    assert ours(["isLuks", "--type", target, device]).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_again_opens_as_before(tmp_path: Path, images: dict[str, bytes], kind: str) -> None:
    device = tmp_path / "device"
    device.write_bytes(images[kind])
    uuid = ours(["luksUUID", device]).out
    assert convert(device, OTHER[kind]).code == 0
    assert convert(device, kind).code == 0
    assert ours(["luksUUID", device]).out == uuid
    for passphrase in (b"one", b"two"):
        assert opens(device, passphrase) == BOTH
    if kind == "luks1":
        assert device.read_bytes()[:4096] == images[kind][:4096]


def test_a_header_is_converted_after_a_reencryption_too(tmp_path: Path, images: dict[str, bytes]) -> None:
    device = tmp_path / "device"
    device.write_bytes(images["luks2"])
    theirs(tmp_path, "luksKillSlot -q DEV 3")
    theirs(tmp_path, "reencrypt -q --force-offline-reencrypt CHEAP -d KEY:one DEV")
    assert "  1: pbkdf2" in ours(["luksDump", device]).out  # its digest, with which cryptsetup refuses
    assert run([require_tool("cryptsetup"), "convert", "-q", device, "--type", "luks1"]).code == 1
    assert convert(device, "luks1").code == 0
    assert opens(device, b"one") == BOTH


def by(line: str) -> Callable[[Path], None]:
    return lambda folder: theirs(folder, line)


def luksmeta(folder: Path) -> None:
    with (folder / "device").open("r+b") as file:
        file.seek(4096 + 8 * 131072)
        file.write(b"LUKSMETA")


ADD = "luksAddKey -q -d KEY:one DEV KEY:x"
FORMAT = "luksFormat -q DEV KEY:one CHEAP --offset 4096"
REFUSED = {
    "a token": ("luks2", by("token add DEV --key-description x")),
    "argon2": ("luks2", by(f"{ADD} --pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32")),
    "a ninth keyslot": ("luks2", by(f"{ADD} CHEAP -S 9")),
    "an unbound key": ("luks2", by("luksAddKey -q CHEAP --unbound -s 256 DEV KEY:x")),
    "another hash": ("luks2", by(f"{ADD} CHEAP --hash sha512")),
    "another area cipher": (
        "luks2",
        by(f"{ADD} CHEAP --keyslot-cipher aes-cbc-plain64 --keyslot-key-size 256"),
    ),
    "large sectors": ("luks2", by(f"{FORMAT} --sector-size 4096")),
    "a small keyslots area": (
        "luks2",
        by(f"{FORMAT} --sector-size 512 -s 256 --luks2-keyslots-size 1044480"),
    ),
    "no keyslot": ("luks2", by("erase -q DEV")),
    "data too close": ("luks1", by("luksFormat -q --type luks1 --align-payload 8 CHEAP DEV KEY:one")),
    "LUKSMETA": ("luks1", luksmeta),
    "the same type": ("luks1", by("convert -q DEV --type luks2")),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_the_other_version_cannot_say_is_refused(
    tmp_path: Path, images: dict[str, bytes], why: str
) -> None:
    kind, change = REFUSED[why]
    device = tmp_path / "device"
    device.write_bytes(images[kind])
    change(tmp_path)
    before = device.read_bytes()
    line: list[str | Path] = ["convert", "-q", device, "--type", OTHER[kind]]
    mine, others = ours(line), run([require_tool("cryptsetup"), *line])
    assert (mine.code, others.code) == (1, 1)
    if others.err.startswith(("Cannot", "Unable", "Device")):  # in two cases it says nothing
        assert mine.verdict == others.verdict
    assert mine.err
    assert device.read_bytes() == before
    assert list(tmp_path.glob("device.luks*")) == []


@pytest.mark.parametrize("options", [[], ["--type", "luks"], ["--type", "plain"]])
def test_a_type_must_be_named(tmp_path: Path, images: dict[str, bytes], options: list[str]) -> None:
    device = tmp_path / "device"
    device.write_bytes(images["luks1"])
    line: list[str | Path] = ["convert", "-q", device, *options]
    assert ours(line).verdict == run([require_tool("cryptsetup"), *line]).verdict
    assert device.read_bytes() == images["luks1"]


def test_a_write_that_fails_names_the_backup(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "device"
    device.write_bytes(images["luks1"])

    def failing(self: Device, _buffer: object, offset: int) -> None:
        raise DeviceError(f"Cannot write device {self.name} at byte {offset}: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr(Device, "pwrite", failing)
        failed = convert(device, "luks2")
    (backup,) = tmp_path.glob("device.luks1-*")
    assert failed.code == 4
    assert str(backup) in failed.err
    assert oct(backup.stat().st_mode & 0o777) == "0o400"
    assert opens(backup, b"two") == BOTH
    assert device.read_bytes() == images["luks1"]


class Medium:
    """Writes that fail from one of them on: all of them, or only that one."""

    def __init__(self, first: int, *, for_good: bool) -> None:
        self.first, self.for_good, self.done = first, for_good, 0
        self._write = Device.pwrite

    def pwrite(self, device: Device, buffer: Buffer, offset: int) -> None:
        self.done += 1
        if self.done == self.first or (self.for_good and self.done > self.first):
            with memoryview(buffer).cast("B") as whole:
                self._write(device, whole[: whole.nbytes // 1024 * 512], offset)
            raise WriteError(f"Cannot write device {device.name} at byte {offset}: Input/output error.")
        self._write(device, buffer, offset)


@pytest.mark.parametrize("kind", KINDS)
def test_a_medium_that_fails_at_any_write_leaves_a_header_that_opens_and_the_backup(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    device, backup = tmp_path / "device", tmp_path / "kept"
    for first in range(1, 100):
        for for_good in (True, False):
            device.write_bytes(images[kind])
            medium = Medium(first, for_good=for_good)
            with monkeypatch.context() as patched:
                patched.setattr(Device, "pwrite", lambda *args, medium=medium: medium.pwrite(*args))
                done = convert(device, OTHER[kind], "--header-backup-file", backup)
            if medium.done < first:
                assert done.code == 0
                assert first > 8
                return
            assert done.code != 0
            assert f"luksHeaderRestore {device} --header-backup-file {backup}" in done.err
            if not for_good:
                assert device.read_bytes() == images[kind]
            else:
                assert ours(["unlock", device, "--key-file", "-"], b"one").code == 0
                line = ["luksHeaderRestore", "-q", device, "--header-backup-file", backup]
                assert ours(line).code == 0
                assert ours(["unlock", device, "--key-file", "-"], b"two").code == 0
            for file in tmp_path.glob("*"):
                if file != device:
                    file.unlink()
    pytest.fail("it never ends")


def test_what_is_written_and_how_to_bring_the_old_header_back_is_told_first(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    device, backup = tmp_path / "device", tmp_path / "the backup"
    device.write_bytes(images["luks1"])
    done = ours(["convert", device, "--type", "luks2", "--header-backup-file", backup])
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"Moving the keyslots of {device} and writing a LUKS2 header. If this is interrupted, bring the old"
        f" header back with:\n  kdumpkey luksHeaderRestore {device} --header-backup-file '{backup}'\n"
    )


def test_a_backup_that_exists_is_not_replaced(tmp_path: Path, images: dict[str, bytes]) -> None:
    device, backup = tmp_path / "device", tmp_path / "backup"
    device.write_bytes(images["luks2"])
    backup.write_text("mine")
    refused = convert(device, "luks1", "--header-backup-file", backup)
    assert refused == Result(1, "", f"Requested header backup file {backup} already exists.\n")
    assert (device.read_bytes(), backup.read_text()) == (images["luks2"], "mine")
