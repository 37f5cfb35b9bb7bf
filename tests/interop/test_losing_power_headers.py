"""Losing power while a whole header is replaced: by luksFormat, convert or luksHeaderRestore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from both import ours
from kdumpkey.storage.device import Device
from power_cuts import (
    CUT_LAYOUTS,
    LUKS1,
    LUKS2,
    SMALL,
    CutDevice,
    images,
    opened_by_both,
    opens_by_ours,
    opens_by_theirs,
    recorded,
    tally,
)

__all__ = ["images"]
MIB = 1 << 20
BOTH = ("one", "two")

# What is on the device, what is made, and in how many writes the old header is gone and the new not there.
FORMATS = {
    "luks2 over luks2": ("luks2", LUKS2, 0),
    "luks1 over luks2": ("luks2", LUKS1, 0),
    "luks1 over luks1": ("luks1", LUKS1, 0),
    # The first write of any copy overwrites the area of the old header's first keyslot.
    "luks2 over luks1": ("luks1", LUKS2, 1),
    "luks2 over luks2, no room for an area": ("luks2, no room for an area", SMALL, 1),
    # The keys' sizes are not the same, and so the two sectors of the header do not go together.
    "luks1 over luks1 with shorter keys": (
        "luks1, all keyslots taken",
        LUKS1.replace("--key-size 256", "--key-size 512"),
        1,
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_old_header_opens_until_the_new_one_does(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout, options, writes = FORMATS[name]
    bench, before = CutDevice(tmp_path, layout), images[layout]
    bench.device.write_bytes(before)
    recorder = recorded(bench, f"luksFormat -q {options} DEV KEY:three", b"", monkeypatch, MIB)
    counted, opened = tally(f"luksFormat: {name}"), set()
    for what, image in recorder.cuts(before):
        verdict = opened_by_both(tmp_path / "cut", image, what, ("one", "three"))
        counted.count(any(verdict), what)
        opened.add(verdict)
    assert opened >= {(True, False), (False, True)}
    assert len(counted.writes) == writes


REPLACED = {
    "convert to luks1": ("luks2", "convert -q DEV --type luks1 --header-backup-file FILE:kept"),
    "convert to luks2": ("luks1", "convert -q DEV --type luks2 --header-backup-file FILE:kept"),
    "luksHeaderRestore of luks1": ("luks1", "luksHeaderRestore -q DEV --header-backup-file FILE:backup"),
    "luksHeaderRestore of luks2": ("luks2", "luksHeaderRestore -q DEV --header-backup-file FILE:backup"),
}


def replacing(bench: CutDevice, name: str, images: dict[str, bytes]) -> bytes:
    """Make all that a command line of REPLACED needs, and return the device as it is then."""
    layout, _ = REPLACED[name]
    if name.startswith("luksHeaderRestore"):
        kind = LUKS1 if layout == "luks1" else LUKS2
        bench.device.write_bytes(bytes(3 * MIB))
        bench.theirs(f"luksFormat -q {kind} DEV KEY:old")
        bench.theirs("luksHeaderBackup DEV --header-backup-file FILE:backup")
    before = images[layout]
    if name == "convert to luks1":
        bench.device.write_bytes(before)
        bench.theirs("token remove DEV --token-id 31")
        before = bench.device.read_bytes()
    bench.device.write_bytes(before)
    return before


def identity(file: int | Path) -> tuple[int, int]:
    """What a file is, whatever its name: a backup has none until it is whole."""
    status = os.stat(file)
    return status.st_dev, status.st_ino


def kept(folder: Path) -> Path:
    """The backup of the header that was replaced."""
    (found,) = [path for path in folder.iterdir() if "kept" in path.name or "replaced" in path.name]
    return found


@pytest.mark.parametrize("name", REPLACED)
def test_the_backup_made_first_comes_back_after_every_cut(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bench = CutDevice(tmp_path, REPLACED[name][0])
    before = replacing(bench, name, images)
    recorder = recorded(bench, REPLACED[name][1], b"", monkeypatch, MIB)
    assert bench.device.read_bytes() != before
    backup, counted, passphrases = kept(tmp_path), tally(name), BOTH
    if name.startswith("luksHeaderRestore"):
        passphrases += ("old",)
    for number, (what, image) in enumerate(recorder.cuts(before)):
        bench.device.write_bytes(image)
        counted.count(any(opens_by_ours(bench.device, each) for each in passphrases), what)
        if number % 5 == 0:  # the backup is one for cryptsetup too
            bench.theirs(f"luksHeaderRestore -q DEV --header-backup-file {backup}")
        else:
            line = ["luksHeaderRestore", "-q", bench.device, "--header-backup-file", backup]
            assert ours(line).code == 0, what
        for passphrase in BOTH:
            assert opens_by_ours(bench.device, passphrase), what
            assert opens_by_theirs(bench.device, passphrase), what
    assert counted.survived >= 2
    # A conversion has none: what it writes goes where nothing is that opens.
    assert (counted.window > 0) == name.startswith("luksHeaderRestore")


@pytest.mark.parametrize("layout", ["luks1, all keyslots taken", "luks1"])
@pytest.mark.parametrize("target", ["luks2", "luks1"])
def test_a_keyslot_opens_at_every_cut_of_a_conversion(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, layout: str, target: str
) -> None:
    bench = CutDevice(tmp_path, layout)
    bench.device.write_bytes(images[layout])
    if target == "luks1":
        bench.theirs("convert -q DEV --type luks2")
    before = bench.device.read_bytes()
    recorder = recorded(bench, f"convert -q DEV --type {target}", b"", monkeypatch, MIB)
    keyslots = CUT_LAYOUTS[layout].keyslots
    passphrases = ("one", "two", *(f"more{number}" for number in range(keyslots - 2)))
    counted = tally(f"convert to {target}: {layout}")
    for what, image in recorder.cuts(before):
        # With all eight taken, a keyslot is overwritten in its place, and the next one opens meanwhile.
        verdict = opened_by_both(tmp_path / "cut", image, what, passphrases[:2])
        counted.count(any(verdict), what)
        assert all(verdict) or layout != "luks1", what
    assert counted.survived > 20
    assert counted.window == 0


@pytest.mark.parametrize("name", REPLACED)
def test_the_backup_and_its_name_are_on_the_medium_before_the_first_write(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bench = CutDevice(tmp_path, REPLACED[name][0])
    before = replacing(bench, name, images)
    synchronised: list[tuple[int, int]] = []
    at_first_write: list[tuple[bytes, list[tuple[int, int]]]] = []
    really, write = os.fsync, Device.pwrite

    def noting(fd: int) -> None:
        synchronised.append(identity(fd))
        really(fd)

    def writing(self: Device, buffer: bytes, offset: int) -> None:
        if not at_first_write:
            at_first_write.append((kept(tmp_path).read_bytes(), list(synchronised)))
        write(self, buffer, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", noting)
        patched.setattr(Device, "pwrite", writing)
        assert ours(bench.words(REPLACED[name][1])).code == 0
    content, identities = at_first_write[0]
    assert content == before[: len(content)]
    assert len(content) > MIB
    assert identities == [identity(kept(tmp_path)), identity(tmp_path)]
