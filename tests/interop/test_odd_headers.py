"""Every edit of rare but valid LUKS2 headers comes to what one of both cryptsetups makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.luks import layout
from odd_headers import LAST_SEQID, ODD, with_metadata
from tools import require_tool

MIB = 1 << 20
COST = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
FORMAT = f"luksFormat -q --type luks2 {COST} --sector-size 512 --key-size 256 DEV KEY:one"
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
ERASING = (
    "erase -q DEV",
    "luksKillSlot -q DEV 0",
    "luksKillSlot -q DEV 1 -d KEY:one",
    "luksKillSlot -q DEV 0 -d KEY:two",
    "luksRemoveKey -q DEV KEY:one",
    "luksRemoveKey -q DEV KEY:two",
)
EDITING = (
    f"luksAddKey -q {COST} -d KEY:one DEV KEY:new",
    "config DEV --label x --subsystem y",
    f"luksUUID -q DEV --uuid {UUID}",
    "token add DEV --key-description x:y --token-id 3",
    "token remove DEV --token-id 7",
    "convert -q DEV --type luks1",
)
# Where kdumpkey erases what both cryptsetups leave, or fail at half way; docs/differences.md.
KNOWN = {
    *(("a keyslot named twice in its digest", line) for line in ERASING),
    *(
        (name, "erase -q DEV")
        for name in (
            "a keyslot of an unknown type",
            "a keyslot of an unknown type in a digest",
        )
    ),
    # It asks device-mapper for a mapping by that UUID, and takes the answer for a failure.
    *((what, "convert -q DEV --type luks1") for what in ODD if "UUID" in what),
    # To cryptsetup it is not there: it neither removes it nor converts it.
    *(("keyslot 40", line) for line in (*ERASING, *EDITING)),
}


def words(folder: Path, line: str) -> list[str | Path]:
    made: list[str | Path] = []
    for word in line.split():
        name, _, content = word.partition(":")
        if word == "DEV":
            made.append(folder / "device")
        elif name == "KEY":
            (folder / f"key-{content}").write_text(content)
            made.append(folder / f"key-{content}")
        else:
            made.append(word)
    return made


def images_of(folder: Path) -> dict[str, bytes]:
    """The odd headers, and that of a reencryption that was begun; ``one`` and ``two`` open them."""

    def theirs(line: str) -> None:
        done = run([require_tool("cryptsetup"), *words(folder, line)])
        assert done.code == 0, done

    device = folder / "device"
    device.write_bytes(bytes(3 * MIB))
    theirs(f"{FORMAT} --offset 4096")
    theirs(f"luksAddKey -q {COST} -d KEY:one DEV KEY:two")
    plain = device.read_bytes()
    device.write_bytes(bytes(18 * MIB))
    theirs(FORMAT)
    theirs(f"luksAddKey -q {COST} -d KEY:one DEV KEY:two")
    theirs(f"reencrypt -q --init-only {COST} -d KEY:one -S 0 DEV")
    begun = device.read_bytes()
    return {
        **{name: with_metadata(plain, change, **fields) for name, (fields, change) in ODD.items()},
        "a reencryption that was begun": begun,
        "a reencryption and the last sequence number": with_metadata(begun, seqid=LAST_SEQID),
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return images_of(tmp_path_factory.mktemp("images"))


def outcome(folder: Path, image: bytes, program: Callable[[list[str | Path]], Result], line: str) -> object:
    """The exit code, the keyslots, tokens and digests that are left, and what opens."""
    device = folder / "device"
    device.write_bytes(image)
    done = program(words(folder, line))
    cryptsetup = require_tool("cryptsetup")
    dump = run([cryptsetup, "luksDump", "--dump-json-metadata", device])
    left: object = None
    if dump.code == 0:
        metadata = json.loads(dump.out)
        left = (
            {number: slot["type"] for number, slot in metadata["keyslots"].items()},
            {number: token["keyslots"] for number, token in metadata["tokens"].items()},
            # One of nothing goes with the next edit of cryptsetup's.
            [digest["keyslots"] for digest in metadata["digests"].values() if digest["keyslots"]],
            metadata["config"].get("requirements"),
        )
    if line not in ERASING:  # the edits of other tests are opened there
        return done.code, left
    test = ["open", "--test-passphrase", device, "-d"]
    names = ("one", "two", "new")
    opened = [name for name in names if run([cryptsetup, *test, folder / f"key-{name}"]).code == 0]
    return done.code, left, opened


@pytest.mark.parametrize("line", [*ERASING, *EDITING])
def test_every_edit_comes_to_what_a_cryptsetup_makes_of_it(
    tmp_path: Path, images: dict[str, bytes], newer_cryptsetup: Path, line: str
) -> None:
    for passphrase in ("one", "two", "new"):
        (tmp_path / f"key-{passphrase}").write_text(passphrase)
    programs = [require_tool("cryptsetup"), str(newer_cryptsetup)]
    for name, image in images.items():
        if (name, line) in KNOWN:
            continue
        mine, theirs = outcome(tmp_path, image, ours, line), []
        for program in programs:

            def cryptsetup(each: list[str | Path], program: str = program) -> Result:
                return run([program, *each])

            theirs.append(outcome(tmp_path, image, cryptsetup, line))
            if theirs[-1] == mine:
                break
        assert mine in theirs, (name, theirs)


@pytest.mark.parametrize("name", ODD)
def test_erase_leaves_nothing_that_opens_and_a_header_that_cryptsetup_reads(
    tmp_path: Path, images: dict[str, bytes], name: str
) -> None:
    device = tmp_path / "device"
    device.write_bytes(images[name])
    assert ours(["erase", "-q", device]) == Result(0, "", "")
    assert run([require_tool("cryptsetup"), "luksDump", device]).code == 0
    areas = slice(32768, 2 * MIB)
    assert device.read_bytes()[areas] != images[name][areas]
    for passphrase in ("one", "two"):
        for words in (["open", "--test-passphrase", device, "-d", "-"], ["unlock", device, "-d", "-"]):
            assert ours(words, passphrase.encode()).code == 1


def test_erase_keeps_what_a_reencryption_needs_to_be_recovered(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    before, device = images["a reencryption that was begun"], tmp_path / "device"
    device.write_bytes(before)
    assert ours(["erase", "-q", device]) == Result(0, "", "")
    after = device.read_bytes()
    area = slice(32768 + 3 * 131072, 16 * MIB)
    assert after[area] == before[area]
    for start in (32768, 32768 + 131072, 32768 + 2 * 131072):
        assert after[start : start + 131072] != before[start : start + 131072]


def test_the_sequence_number_goes_on_at_zero_as_with_cryptsetup(
    tmp_path: Path, images: dict[str, bytes]
) -> None:
    device, seen = tmp_path / "device", []
    for program in (ours, lambda each: run([require_tool("cryptsetup"), *each])):
        device.write_bytes(images["the last sequence number"])
        assert program(["luksKillSlot", "-q", device, "0"]).code == 0
        content = device.read_bytes()
        seen.append([layout.Luks2Binary.unpack(content[at : at + 4096]).seqid for at in (0, 16384)])
    assert seen == [[0, 0], [0, 0]]
