"""repair: what cryptsetup mends is mended the same way, what it leaves alone is left alone."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from both import Result, ours, run
from kdumpkey.errors import RequirementsError
from kdumpkey.luks import read_header
from kdumpkey.luks.keyslot_noise import suspicions
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.storage.device import BytesReader
from odd_headers import requiring, with_metadata
from quiet_keyslots import made_quiet
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

        def make(kind: str = kind, size: int = size) -> None:
            device.write_bytes(bytes(size))
            line = [tool, "luksFormat", "-q", "--type", kind, "-s", "256", *CHEAP, device, "-d", "-"]
            assert run(line, b"old").code == 0
            if kind == "luks1":
                assert run([tool, "luksAddKey", "-q", "-S", "5", *CHEAP, device], b"old\nold").code == 0

        made[kind] = made_quiet(device, make)
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


MBR = (446, bytes.fromhex("00202100834101000008000000080000").ljust(64, b"\0") + b"\x55\xaa")


def test_a_partition_table_over_the_primary_is_mended_without_a_word(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    device, before = tmp_path / "device", damaged(images["luks2"], MBR)
    for image in (before, damaged(before, (0, bytes(440)))):  # the second as a new boot sector leaves it
        device.write_bytes(image)
        assert ours(["luksDump", device]).code == 1
        mine, theirs, my_bytes, their_bytes = both_repair(device, image)
        assert mine == theirs == Result(0, "", "")
        for mended in (my_bytes, their_bytes):
            device.write_bytes(mended)
            line = ["open", "--test-passphrase", device, "-d", "-"]
            assert ours(line, b"old").code == run([require_tool("cryptsetup"), *line], b"old").code == 0
        device.write_bytes(image)
        asked = ours(["repair", device])
        assert asked == Result(
            0, "", f"WARNING: Device {device} already contains a 'dos' partition signature.\n"
        )


def test_keyslots_are_suspected_as_cryptsetup_2_8_suspects_them(
    tmp_path: Path, images: dict[str, bytes], newer_cryptsetup: Path
) -> None:
    device, said = tmp_path / "device", set()
    whole = {"luks1": 4096, "luks2": 32768}
    for kind, start in whole.items():
        for at, content in (
            (0, b""),
            (512, bytes(512)),  # a sector
            (700, bytes(100)),
            (8192, bytes(40) + b"\xff" * 40),
            (16384, bytes(range(64)) * 8),
            (20000, b"x" * 1000),  # as many ones as zeros: somewhere, and nobody says where
            (4096 * 31 + 200, bytes(300)),  # in the last block, which begins in the one before it
            (4096 * 31 - 500, bytes(300)),  # in both of them
            (128000, bytes(500)),  # behind the stripes
            (0, bytes(2048)),
        ):
            image = damaged(images[kind], (start + at, content))
            device.write_bytes(image)
            mine = ours(["repair", "-q", "-v", device])
            device.write_bytes(image)
            theirs = run([newer_cryptsetup, "repair", "-q", "-v", device])
            assert mine == theirs
            said.add(mine.out)
    assert len(said) > 10


def test_the_noise_of_a_keyslot_is_judged_block_by_block(images: dict[str, bytes]) -> None:
    whole = images["luks2"]
    reader = BytesReader(damaged(whole, (32768 + 4096, bytes(range(256)) * 16)))
    assert suspicions(reader, read_header(reader)) == []  # as even as can be
    reader = BytesReader(damaged(whole, (32768 + 4096, bytes(4096))))
    (found,) = suspicions(reader, read_header(reader))
    assert found.offsets_bytes == (36864, 36992, 37120)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A device whose reencryption was begun, by cryptsetup."""
    folder = tmp_path_factory.mktemp("begun")
    device, key, tool = folder / "device", folder / "key", require_tool("cryptsetup")
    key.write_text("old")
    device.write_bytes(bytes(18 * MIB))
    for words in (
        ["luksFormat", "-q", "--type", "luks2", "-s", "256", *CHEAP, device, key],
        ["reencrypt", "-q", "--init-only", *CHEAP, "-d", key, device],
    ):
        assert run([tool, *words]).code == 0
    return device.read_bytes()


def test_a_reencryption_that_was_begun_is_a_known_problem_with_its_command(
    tmp_path: Path, begun: bytes
) -> None:
    device = tmp_path / "device"
    device.write_bytes(begun)
    done = ours(["repair", "-q", "-v", device])
    assert done.code == 0
    assert "No known problems" not in done.out
    assert device.read_bytes() == begun
    tool, key = require_tool("cryptsetup"), tmp_path / "key"
    key.write_text("old")
    command = done.err.splitlines()[-1].removeprefix("To finish it: cryptsetup ")
    assert run([tool, *shlex.split(command), "-q", "-d", key]) == Result(0, "", "")
    assert ours(["repair", "-v", device]).out.startswith("No known problems detected")


def interrupted(metadata: dict[str, Any]) -> None:
    """As a kill leaves it: the first MiB is being written, the rest is to come."""
    segments = metadata["segments"]
    old, previous, final = segments["0"], segments["1"], segments["2"]
    segments["0"] = {**final, "size": "1048576", "flags": ["in-reencryption"]}
    segments["1"] = {
        **old,
        "offset": str(int(old["offset"]) + 1048576),
        "iv_tweak": "2048",
    }
    segments["2"], segments["3"] = previous, final
    metadata["digests"]["0"]["segments"] = ["1", "2"]
    metadata["digests"]["1"]["segments"] = ["0", "3"]


def test_a_kill_in_the_middle_of_a_reencryption_is_named_with_the_command_that_recovers(
    tmp_path: Path, begun: bytes
) -> None:
    device = tmp_path / "device"
    image = with_metadata(begun, interrupted)
    device.write_bytes(image)
    assert run([require_tool("cryptsetup"), "luksDump", device]).code == 0
    done = ours(["repair", "-q", "-v", device])
    assert done.code == 1
    assert "No known problems" not in done.out
    assert f"cryptsetup repair {device}\n" in done.err
    assert "1048576 bytes" in done.err
    detached = ours(["repair", "-q", "--header", device, tmp_path / "the data"])
    assert f"cryptsetup repair --header {device} '{tmp_path}/the data'" in detached.err
    assert device.read_bytes() == image


@pytest.mark.parametrize("mib", [20, 40])  # all of the data in one go, and in several
@pytest.mark.parametrize("detached", [False, True])
def test_the_commands_that_repair_names_recover_and_finish_a_killed_reencryption(
    tmp_path: Path, detached: bool, mib: int
) -> None:
    device, header, key, before, after = (
        tmp_path / name for name in ("device", "header", "key", "before", "after")
    )
    where = ["--header", header, device] if detached else [device]
    tool = require_tool("cryptsetup")
    key.write_text("old")
    device.write_bytes(os.urandom(mib * MIB))
    assert run([tool, "luksFormat", "-q", "--type", "luks2", "-s", "256", *CHEAP, *where, key]).code == 0
    assert ours(["unlock", *where, "-d", key, "--to", before]).code == 0
    words = ["reencrypt", "-q", "--force-offline-reencrypt", "--resilience", "journal", *CHEAP, "-d", key]
    killed = subprocess.run(  # while it writes the data's first MiB
        [tool, *words, *where],
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (17 * MIB,) * 2),
    )
    assert killed.returncode == -signal.SIGXFSZ
    done = ours(["repair", "-q", *where])
    assert done.code == 1
    commands = [line.partition(": cryptsetup ")[2] for line in done.err.splitlines()[1:]]
    assert len(commands) == (1 if mib == 20 else 2)
    recover, *finish = (shlex.split(command) for command in commands)
    assert run([tool, *recover], b"old\n").code == 0
    for words in finish:
        assert run([tool, *words, "-q", "-d", key]) == Result(0, "", "")
    assert ours(["unlock", *where, "-d", key, "--to", after]) == Result(0, "", "")
    assert after.read_bytes() == before.read_bytes()


STEPS = {
    "online-reencrypt-v2": "cryptsetup reencrypt --resume-only",
    "opal": "cryptsetup 2.7",
    "inline-hw-tags": "cryptsetup 2.8",
    "offline-reencrypt": "cryptsetup-reencrypt",
    "future\x1b[31m": "future?[31m: the device",
}


@pytest.mark.parametrize("name", STEPS)
def test_a_requirement_is_named_with_what_to_do_about_it(
    tmp_path: Path, images: dict[str, bytes], begun: bytes, name: str
) -> None:
    device = tmp_path / "device"
    device.write_bytes(
        begun if name.startswith("online") else with_metadata(images["luks2"], requiring(name))
    )
    done = ours(["config", device, "--label", "x"])
    assert done.code == 1
    first, second = done.err.splitlines()
    assert first == "Unmet LUKS2 requirements detected."
    assert STEPS[name] in second
    assert "\x1b" not in done.err
    with pytest.raises(RequirementsError):
        check_requirements(read_header(BytesReader(device.read_bytes())), "open")


def test_repair_fails_where_a_requirement_is_not_known(tmp_path: Path, images: dict[str, bytes]) -> None:
    mine, theirs, my_bytes, their_bytes = both_repair(
        tmp_path / "device", with_metadata(images["luks2"], requiring("future"))
    )
    assert (mine.code, theirs.code) == (1, 1)
    assert mine.err.startswith("Unmet LUKS2 requirements detected.\nfuture: ")
    assert my_bytes == their_bytes
