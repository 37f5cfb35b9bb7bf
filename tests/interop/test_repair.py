"""repair: what cryptsetup mends is mended the same way, what it leaves alone is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from both import Result, ours, run
from tools import require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
KEY_SIZE, STATE, ITERATIONS, OFFSET, STRIPES = 108, 0, 4, 40, 44
BOOT_SIGNATURE = (510, b"\x55\xaa")


def slot(number: int, field: int) -> int:
    return 208 + 48 * number + field


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """With ``old`` in keyslot 0, and of LUKS1 in keyslot 5 too."""
    device = tmp_path_factory.mktemp("images") / "device"
    made = {}
    tool = require_tool("cryptsetup")
    for kind, size in (("luks1", 4 * MIB), ("luks2", 20 * MIB)):
        device.write_bytes(bytes(size))
        line = [tool, "luksFormat", "-q", "--type", kind, "-s", "256", *CHEAP, device, "-d", "-"]
        assert run(line, b"old").code == 0
        if kind == "luks1":
            assert run([tool, "luksAddKey", "-q", "-S", "5", *CHEAP, device], b"old\nold").code == 0
        made[kind] = device.read_bytes()
    return made


def damaged(whole: bytes, *changes: tuple[int, bytes]) -> bytes:
    image = bytearray(whole)
    for offset, content in changes:
        image[offset : offset + len(content)] = content
    return bytes(image)


MENDED = {
    "an offset": [(slot(3, OFFSET), b"\x11")],
    "stripes": [(slot(3, STRIPES), b"\x11")],
    "two keyslots": [(slot(6, STRIPES), b"\x11"), (slot(2, OFFSET + 1), b"\x22")],
    "a boot sector's end": [BOOT_SIGNATURE, (slot(3, OFFSET), b"\x11")],
    "the state, and more": [(slot(0, STATE), b"\x11"), (slot(0, OFFSET), b"\x11")],
}
LEFT = {
    "an active keyslot": [(slot(5, OFFSET), b"\x11")],
    "the hash": [(72, b"xyz")],
    "the magic": [(0, b"xyz")],
    "the key's size": [(KEY_SIZE, b"\x11")],
    "the version": [(7, b"x")],
}
HARMLESS = {
    "a state": [(slot(3, STATE), b"\x11")],
    "iterations": [(slot(3, ITERATIONS), b"\x11")],
    "a boot sector's end alone": [BOOT_SIGNATURE],
}


def both_repair(path: Path, image: bytes, *words: str) -> tuple[Result, Result, bytes, bytes]:
    line = ["repair", "-q", *words, path]
    path.write_bytes(image)
    mine = ours(line)
    my_bytes = path.read_bytes()
    path.write_bytes(image)
    theirs = run([require_tool("cryptsetup"), *line])
    return mine, theirs, my_bytes, path.read_bytes()


@pytest.mark.parametrize("what", MENDED)
def test_both_mend_the_same_keyslots_of_luks1(tmp_path: Path, images: dict[str, bytes], what: str) -> None:
    before = damaged(images["luks1"], *MENDED[what])
    mine, theirs, my_bytes, their_bytes = both_repair(tmp_path / "device", before, "-v")
    assert (mine.code, theirs.code) == (0, 0)
    assert mine.out == theirs.out
    repaired = [line for line in theirs.err.splitlines() if line.startswith("Keyslot")]
    assert repaired
    assert [line for line in mine.err.splitlines() if line.startswith("Keyslot")] == repaired
    assert my_bytes == their_bytes
    assert my_bytes != before


@pytest.mark.parametrize("what", LEFT)
def test_both_leave_alone_what_cannot_be_mended(tmp_path: Path, images: dict[str, bytes], what: str) -> None:
    before = damaged(images["luks1"], *LEFT[what])
    mine, theirs, my_bytes, their_bytes = both_repair(tmp_path / "device", before)
    assert (mine.code, theirs.code) == (1, 1)
    assert mine.err
    assert my_bytes == their_bytes == before


@pytest.mark.parametrize("what", HARMLESS)
def test_a_valid_header_is_not_written(tmp_path: Path, images: dict[str, bytes], what: str) -> None:
    before = damaged(images["luks1"], *HARMLESS[what])
    mine, theirs, my_bytes, their_bytes = both_repair(tmp_path / "device", before, "-v")
    assert (
        mine == theirs == Result(0, "No known problems detected for LUKS header.\nCommand successful.\n", "")
    )
    assert my_bytes == their_bytes == before


def filesystem(folder: Path) -> bytes:
    path = folder / "filesystem"
    path.touch()
    os.truncate(path, 4 * MIB)
    tool = require_tool("mke2fs")
    assert run([tool, "-q", "-F", "-t", "ext4", path]).code == 0
    return path.read_bytes()[:4096]


def test_a_filesystem_over_the_primary_is_only_overwritten_by_repair(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    device = tmp_path / "device"
    before = damaged(images["luks2"], (0, filesystem(tmp_path)))
    device.write_bytes(before)
    for words in (
        ["luksDump"],
        ["config", "--label", "x"],
        ["luksKillSlot", "-q", "-d", "/dev/null"],
        ["repair", "-q", "--type", "luks1"],
    ):
        more = ["0"] if words[0] == "luksKillSlot" else []
        assert ours([*words, device, *more]).code == 1, words
        assert device.read_bytes() == before
    mine, theirs, my_bytes, their_bytes = both_repair(device, before, "-v")
    assert (mine.code, mine.out) == (theirs.code, theirs.out) == (0, "Command successful.\n")
    ambiguous = "Device contains ambiguous signatures, cannot auto-recover LUKS2."
    assert mine.err.startswith(ambiguous)
    assert theirs.err.startswith(ambiguous)
    for image in (my_bytes, their_bytes):
        device.write_bytes(image)
        line = ["open", "--test-passphrase", device, "-d", "-"]
        assert ours(line, b"old").code == run([require_tool("cryptsetup"), *line], b"old").code == 0
    random = [*range(104, 168), *range(448, 512)]
    differing = {i for i in range(32768) if my_bytes[i] != their_bytes[i]}
    assert differing
    assert differing <= set(random)  # the secondary was good and stays
    assert my_bytes[32768:] == before[32768:]


@pytest.mark.parametrize("copy", [0, 16384], ids=["primary", "secondary"])
def test_a_damaged_copy_is_rewritten_unasked(tmp_path: Path, images: dict[str, bytes], copy: int) -> None:
    before = damaged(images["luks2"], (copy, bytes(512)))
    mine, theirs, my_bytes, their_bytes = both_repair(tmp_path / "device", before)
    assert mine == theirs == Result(0, "", "")
    for image in (my_bytes, their_bytes):
        (tmp_path / "alone").write_bytes(damaged(image, (16384 - copy, bytes(512))))
        assert ours(["open", "--test-passphrase", tmp_path / "alone", "-d", "-"], b"old").code == 0
