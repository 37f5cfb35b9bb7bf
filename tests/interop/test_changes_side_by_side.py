"""Lines that change headers: exit code, what is said, and what opens afterwards are cryptsetup's."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.luks import header_changes as edit
from kdumpkey.luks.model import Luks2Header
from kdumpkey.luks.store import open_store
from kdumpkey.luks.strict_json import JsonObject
from tools import require_tool

MIB = 1 << 20
COSTS = {"CH1": "--pbkdf-force-iterations 1000", "CH2": "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"}
KEYS = {
    "one": b"one",
    "two": b"two",
    "three": b"three",
    "four": b"four",
    "line": b"one\n",
    "lines": b"one\ntwo\n",
}
REQUIREMENTS: JsonObject = {"requirements": {"mandatory": ["a-feature-of-tomorrow"]}}
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
TOKENS = {
    "newline.json": b'{"type":"x","keyslots":["0"]}\n',
    "spaces.json": b'\n  {"type":"x","keyslots":[]} \r\n\t',
    "keyring.json": b'{"type":"luks2-keyring","keyslots":["0"],"key_description":"a:b"}',
    "no-description.json": b'{"type":"luks2-keyring","keyslots":["0"]}',
    "empty-description.json": b'{"type":"luks2-keyring","keyslots":["0"],"key_description":""}',
    "number.json": b'{"type":"luks2-keyring","keyslots":["0"],"key_description":5}',
    "more.json": b'{"type":"luks2-keyring","keyslots":["0"],"key_description":"a","x":1}',
    "reserved.json": b'{"type":"luks2-other","keyslots":[]}',
}


@pytest.fixture(scope="module")
def cryptsetup() -> str:
    return require_tool("cryptsetup")


def words(line: str) -> list[str]:
    return [each for word in line.split() for each in COSTS.get(word, word).split()]


def _section(metadata: JsonObject, name: str) -> JsonObject:
    found = metadata[name]
    assert isinstance(found, dict)
    return found


def _change_json(device: Path, change: Callable[[JsonObject], None]) -> None:
    with open_store(os.fspath(device)) as store, store.changing() as header:
        assert isinstance(header, Luks2Header)
        metadata = copy.deepcopy(header.json)
        change(metadata)
        store.write(edit.edited(header, metadata))


def _with_a_keyslot_beyond_32_bits(metadata: JsonObject) -> None:
    """Which is number 0 to those who count in 32 bits, as the other keyslot is."""
    keyslots = _section(metadata, "keyslots")
    keyslots[str(1 << 32)] = keyslots.pop("1")
    _section(_section(metadata, "digests"), "0")["keyslots"] = ["0", str(1 << 32)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, cryptsetup: str) -> Path:
    """luks1 and luks2 with ``one`` and ``two``, tokens, an unbound keyslot, a detached header, key files."""
    home = tmp_path_factory.mktemp("images")
    for name, content in {**KEYS, **TOKENS}.items():
        (home / name).write_bytes(content)

    def cs(line: str) -> None:
        done = run([cryptsetup, *(str(home / w[1:]) if w.startswith("@") else w for w in words(line))])
        assert done.code == 0, done

    def blank(name: str, size: int) -> None:
        (home / name).touch()
        os.truncate(home / name, size)

    blank("blank", 20 * MIB)
    blank("odd", 800_000)
    for kind, options in {"luks1": "CH1", "luks2": "CH2 --offset 4096"}.items():
        blank(kind, 3 * MIB)
        cs(f"luksFormat -q --type {kind} {options} -s 256 @{kind} @one")
        cs(f"luksAddKey -q {options[:3]} -d @one @{kind} @two")
        cs(f"luksDump -q --dump-volume-key -d @one --volume-key-file @{kind}.vk @{kind}")
    shutil.copy(home / "luks2", home / "tokens")
    cs("token add --key-description a:b @tokens")
    cs("token add --key-description a:c -S 1 @tokens")
    shutil.copy(home / "luks2", home / "unbound")
    cs("luksAddKey -q CH2 --unbound -s 256 -S 7 @unbound @three")
    for name in ("requirements", "far"):
        shutil.copy(home / "luks2", home / name)
    _change_json(home / "requirements", lambda json: _section(json, "config").update(REQUIREMENTS))
    _change_json(home / "far", _with_a_keyslot_beyond_32_bits)
    blank("data", 3 * MIB)
    cs("luksFormat -q --type luks2 CH2 -s 256 --header @header @data @one")
    return home


def outcome(program: str, images: Path, folder: Path, line: str, stdin: bytes, cryptsetup: str) -> object:
    """Code, words and what opens what, after one program ran the line in a folder of its own."""
    shutil.copytree(images, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = ours(words(line), stdin) if program == "kdumpkey" else run([program, *words(line)], stdin)
        opens = {
            (name, key)
            for name in (
                "luks1",
                "luks2",
                "tokens",
                "unbound",
                "header",
                "blank",
                "data",
                "odd",
                "requirements",
            )
            if name in line
            for key in KEYS
            if run([cryptsetup, "open", "--test-passphrase", "--unbound", name, "-d", key]).code == 0
        }
        return result.verdict, result.out, opens
    finally:
        os.chdir(before)


SAME: dict[str, bytes] = {
    # what is the new passphrase
    "luksFormat -q CH2 --offset 4096 blank -": b"one\ntwo\n",
    "luksFormat -q --type luks1 CH1 blank -": b"one\ntwo\n",
    "luksFormat -q CH2 --offset 4096 blank": b"one\ntwo\n",
    "luksFormat -q CH2 --offset 4096 blank - -l 3": b"one\ntwo\n",
    "luksAddKey -v CH1 luks1 -d one three --new-keyfile four": b"",
    "luksAddKey -v CH2 luks2 -d one three --new-keyfile four": b"",
    "luksAddKey -v CH2 luks2 -d - three": b"one",
    "luksAddKey -v CH2 luks2 -d one three -S 2": b"",
    "luksAddKey -v CH2 luks2 -d one three --new-key-slot -1": b"",
    # where the volume key comes from
    "luksAddKey -v CH1 luks1 --volume-key-file luks1.vk -s 512 three": b"",
    "luksAddKey -v CH2 luks2 --volume-key-file luks2.vk -s 512 three": b"",
    "luksAddKey -v CH1 luks1 -d one three --token-only": b"",
    "luksAddKey -v CH2 luks2 -d one three --token-only": b"",
    "luksAddKey -v CH2 tokens -d one three --token-id 7": b"",
    "luksChangeKey -v CH2 -d three unbound four": b"",
    "luksConvertKey -v CH2 -d three unbound": b"",
    # what cannot be
    "luksAddKey CH2 -d one -d two luks2 three": b"",
    "luksKillSlot -d one -d two luks2 0": b"",
    "luksAddKey -v CH1 luks1 -d one three --hash nonsense": b"",
    "luksChangeKey -v CH1 luks1 -d one three --hash nonsense": b"",
    "luksChangeKey -v CH2 luks2 -d one three --hash nonsense": b"",
    "luksAddKey -v CH1 luks1 -d one three --keyslot-cipher aes-cbc-plain --keyslot-key-size 128": b"",
    "luksChangeKey -v CH1 luks1 -d one three --keyslot-cipher aes-cbc-plain --keyslot-key-size 128": b"",
    "luksFormat -q --type luks1 CH1 blank one --keyslot-cipher aes-cbc-plain --keyslot-key-size 128": b"",
    "luksFormat -q --type luks1 CH1 blank one --hash md5": b"",
    "luksFormat -q --type luks1 CH1 blank one --hash=": b"",
    "luksFormat -q CH2 blank one --hash=": b"",
    "luksFormat -q CH2 blank one --cipher=": b"",
    "luksFormat -q --type luks1 CH1 blank one --integrity hmac-sha256": b"",
    "luksFormat -q --type luks1 CH1 blank one --luks2-metadata-size 16k": b"",
    "luksFormat -q --type luks1 CH1 blank one --luks2-keyslots-size 16M": b"",
    "luksFormat -q CH2 blank one --integrity-no-wipe": b"",
    "luksFormat -q CH2 blank one --use-random --use-urandom": b"",
    "luksFormat -q CH2 blank one --header missing/header": b"",
    f"luksUUID -q --uuid {UUID} requirements": b"",
    "luksHeaderRestore -q luks2 --header-backup-file requirements": b"",
    "luksHeaderRestore -q requirements --header-backup-file luks2": b"",
    # which header
    "luksHeaderRestore -q --header luks2 data --header-backup-file luks2": b"",
    "luksHeaderRestore -q --header missing data --header-backup-file header": b"",
    # tokens
    **{f"token import -v luks2 --json-file {name}": b"" for name in TOKENS},
    "token import -v luks2 --json-file keyring.json --token-id -1": b"",
    "token export -v tokens --token-id -1": b"",
    "token add luks2 --key-description x -S 0 --unbound": b"",
    "token unassign tokens --token-id 0": b"",
    "token unassign tokens -S 0": b"",
    "token unassign -v tokens --token-id 0 -S 0": b"",
    "token unassign -v tokens --token-id 1 -S 0": b"",
    "token unassign -v tokens --token-id 9 -S 0": b"",
}


@pytest.mark.parametrize("line", SAME)
def test_both_do_say_and_leave_the_same(tmp_path: Path, images: Path, cryptsetup: str, line: str) -> None:
    mine = outcome("kdumpkey", images, tmp_path / "mine", line, SAME[line], cryptsetup)
    theirs = outcome(cryptsetup, images, tmp_path / "theirs", line, SAME[line], cryptsetup)
    assert mine == theirs
    if line.startswith("token"):
        for name in ("luks2", "tokens"):
            dumps = [
                run([cryptsetup, "luksDump", "--dump-json-metadata", tmp_path / folder / name]).out
                for folder in ("mine", "theirs")
            ]
            assert json.loads(dumps[0])["tokens"] == json.loads(dumps[1])["tokens"]


def test_a_restore_into_a_detached_header_leaves_the_data_alone(
    tmp_path: Path, images: Path, cryptsetup: str
) -> None:
    for name in ("data", "header"):
        shutil.copy(images / name, tmp_path)
    backup = ["--header-backup-file", tmp_path / "backup"]
    where = ["--header", tmp_path / "header", tmp_path / "data"]
    assert ours(["luksHeaderBackup", *backup, *where]).code == 0
    assert run([cryptsetup, "erase", "-q", tmp_path / "header"]).code == 0
    assert ours(["luksHeaderRestore", "-q", *backup, *where]).code == 0
    check = [cryptsetup, "open", "--test-passphrase", tmp_path / "header", "-d", images / "one"]
    assert run(check).code == 0
    assert (tmp_path / "data").read_bytes() == (images / "data").read_bytes()


@pytest.mark.parametrize("sectors", [1, 3, 8, 100, 1000, 2047, 2049, 4100, 12345])
def test_the_data_are_aligned_as_asked(tmp_path: Path, cryptsetup: str, sectors: int) -> None:
    mine, theirs = (segments(tmp_path, cryptsetup, 20 * MIB, sectors, each) for each in (None, cryptsetup))
    assert mine == theirs


@pytest.mark.parametrize("size", [800_000, MIB, 16 * MIB + 512])
def test_a_file_of_any_size_gets_the_same_sector_size(tmp_path: Path, cryptsetup: str, size: int) -> None:
    mine, theirs = (segments(tmp_path, cryptsetup, size, 2048, each) for each in (None, cryptsetup))
    assert mine == theirs


def segments(folder: Path, cryptsetup: str, size: int, sectors: int, program: str | None) -> list[object]:
    """The segment of a device that was just made."""
    device, key = folder / "device", folder / "key"
    device.write_bytes(b"")
    os.truncate(device, size)
    key.write_bytes(b"one")
    line: list[str | Path] = ["luksFormat", "-q", *words("CH2"), "--align-payload", str(sectors), device, key]
    assert (ours(line) if program is None else run([program, *line])).code == 0
    metadata = json.loads(run([cryptsetup, "luksDump", "--dump-json-metadata", device]).out)
    return list(metadata["segments"].values())


def test_a_keyslots_area_without_room_for_one_is_refused_and_nothing_is_written(
    tmp_path: Path, images: Path
) -> None:
    shutil.copy(images / "luks2", tmp_path / "device")
    line = ["luksFormat", "-q", *words("CH2"), "--luks2-keyslots-size", "128k"]
    result = ours([*line, tmp_path / "device", images / "one"])
    assert result.verdict == (1, "No space for new keyslot.")
    assert (tmp_path / "device").read_bytes() == (images / "luks2").read_bytes()


REFUSED = {
    # cryptsetup makes these; kdumpkey must not make something less instead.
    "luksFormat -q CH2 --integrity hmac-sha256 luks2 one": "kdumpkey does no integrity protection "
    "(hmac-sha256); cryptsetup does.",
    # With the digest that cryptsetup makes of this hash, every passphrase opens the device.
    "luksFormat -q CH2 --hash md5 luks2 one": "Requested hash md5 is not supported.",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_not_made_is_refused_and_nothing_is_written(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    for name in ("luks2", "one"):
        shutil.copy(images / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert ours(words(line), b"new").verdict == (1, REFUSED[line])
    assert Path("luks2").read_bytes() == (images / "luks2").read_bytes()


def test_a_detached_luks1_header_can_be_converted(tmp_path: Path, images: Path) -> None:
    shutil.copy(images / "blank", tmp_path / "data")
    header, key = tmp_path / "header", images / "one"
    line = ["luksFormat", "-q", "--type", "luks1", *words("CH1"), "--header", header, tmp_path / "data", key]
    assert ours(line).code == 0
    assert ours(["convert", "-q", "--type", "luks2", header]).code == 0
    assert ours(["open", "--test-passphrase", header, "-d", key]).code == 0


@pytest.mark.parametrize("line", ["luksKillSlot -q far 0", "luksRemoveKey -q far one"])
def test_no_area_is_wiped_for_a_header_that_cannot_be_written(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    for name in ("far", "one"):
        shutil.copy(images / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert ours(line.split()).code == 1
    assert Path("far").read_bytes() == (images / "far").read_bytes()
