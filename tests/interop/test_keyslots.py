"""Keyslots made, changed and removed: cryptsetup opens what is left, and goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.luks.device import open_luks
from tools import HANGS_AFTER_S, require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = {
    "luks1": ["--pbkdf-force-iterations", "1000"],
    "luks2": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"],
}
KINDS = ["luks1", "luks2"]


@dataclass(frozen=True)
class TwoKeyslots:
    """A device with the passphrases ``one`` in keyslot 0 and ``two`` in keyslot 1, made by cryptsetup."""

    cryptsetup: str
    folder: Path
    kind: str

    @property
    def device(self) -> Path:
        return self.folder / "device"

    def key(self, content: str) -> Path:
        path = self.folder / f"key-{content}"
        path.write_text(content)
        return path

    def ours(self, line: str, stdin: bytes = b"") -> Result:
        return ours(self._words(line), stdin)

    def theirs(self, line: str, stdin: bytes = b"") -> Result:
        return run([self.cryptsetup, *self._words(line)], stdin)

    def _words(self, line: str) -> list[str | Path]:
        words: list[str | Path] = []
        for word in line.split():
            if word == "CHEAP":
                words += CHEAP[self.kind]
            elif word == "DEV":
                words.append(self.device)
            elif word.startswith("KEY:"):
                words.append(self.key(word[4:]))
            else:
                words.append(word)
        return words

    def opens(self, passphrase: str, device: Path | None = None) -> set[str]:
        """Which of the two programs open the device with a passphrase."""
        words = ["open", "--test-passphrase", device or self.device, "--key-file", self.key(passphrase)]
        results = {"kdumpkey": ours(words).code, "cryptsetup": run([self.cryptsetup, *words]).code}
        return {name for name, code in results.items() if code == 0}

    def slots(self) -> list[int]:
        with open_luks(self.device) as luks:
            return sorted(luks.header.keyslots)


BOTH = {"kdumpkey", "cryptsetup"}


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path, images: dict[str, bytes]) -> TwoKeyslots:
    (tmp_path / "device").write_bytes(images[request.param])
    return TwoKeyslots(require_tool("cryptsetup"), tmp_path, request.param)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("images")
    made = {}
    for kind in KINDS:
        bench = TwoKeyslots(require_tool("cryptsetup"), folder, kind)
        bench.device.touch()
        os.truncate(bench.device, 3 * MIB)
        offset = "" if kind == "luks1" else "--offset 4096"
        for line in (
            f"luksFormat -q --type {kind} CHEAP --key-size 256 {offset} DEV KEY:one",
            "luksAddKey -q CHEAP --key-file KEY:one DEV KEY:two",
        ):
            assert bench.theirs(line).code == 0
        made[kind] = bench.device.read_bytes()
    return made


def test_an_added_passphrase_opens_with_both_programs(bench: TwoKeyslots) -> None:
    assert bench.ours("luksAddKey -v CHEAP -d KEY:one DEV KEY:three").code == 0
    assert bench.slots() == [0, 1, 2]
    for passphrase in ("one", "two", "three"):
        assert bench.opens(passphrase) == BOTH
    assert bench.theirs("luksAddKey CHEAP -d KEY:three DEV KEY:four").code == 0
    assert bench.opens("four") == BOTH


def test_an_added_passphrase_takes_the_keyslot_that_is_named(bench: TwoKeyslots) -> None:
    assert bench.ours("luksAddKey -q CHEAP -d KEY:one -S 5 DEV KEY:three").code == 0
    assert bench.slots() == [0, 1, 5]
    assert bench.opens("three") == BOTH


def test_both_programs_add_the_same(bench: TwoKeyslots, images: dict[str, bytes]) -> None:
    dumps = []
    for program in (bench.ours, bench.theirs):
        bench.device.write_bytes(images[bench.kind])
        assert program("luksAddKey CHEAP -d KEY:one DEV KEY:three").code == 0
        if bench.kind == "luks2":
            found = json.loads(bench.theirs("luksDump --dump-json-metadata DEV").out)
            found["keyslots"]["2"]["kdf"]["salt"] = ""
            dumps.append(found)
        else:
            dumps.append(bench.slots())
    assert dumps[0] == dumps[1]


@pytest.mark.parametrize("line", ["luksKillSlot -q DEV 0", "luksRemoveKey -q DEV KEY:one"])
def test_a_removed_passphrase_opens_no_more_and_its_stripes_are_gone(bench: TwoKeyslots, line: str) -> None:
    with open_luks(bench.device) as luks:
        area = luks.header.keyslots[0].area
    old = bench.device.read_bytes()[area.offset : area.offset + area.size]
    assert bench.ours(line, b"two").code == 0
    assert bench.opens("one") == set()
    assert bench.opens("two") == BOTH
    assert bench.slots() == [1]
    new = bench.device.read_bytes()[area.offset : area.offset + area.size]
    stripes = 32 * 4000 // 512 * 512
    assert not any(new[at : at + 512] == old[at : at + 512] for at in range(0, stripes, 512))


def test_a_changed_passphrase_replaces_the_old_one(bench: TwoKeyslots) -> None:
    assert bench.ours("luksChangeKey CHEAP -d KEY:one DEV KEY:new").code == 0
    assert bench.opens("one") == set()
    assert bench.opens("two") == bench.opens("new") == BOTH
    assert len(bench.slots()) == 2


def test_a_converted_keyslot_has_the_new_costs(tmp_path: Path, images: dict[str, bytes]) -> None:
    bench = TwoKeyslots(require_tool("cryptsetup"), tmp_path, "luks2")
    bench.device.write_bytes(images["luks2"])
    options = "--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 64 --pbkdf-parallel 1"
    assert bench.ours(f"luksConvertKey {options} -d KEY:one DEV").code == 0
    assert bench.opens("one") == bench.opens("two") == BOTH
    kinds = [slot["kdf"]["type"] for slot in _keyslots(bench).values()]
    assert sorted(kinds) == ["argon2id", "pbkdf2"]


def _keyslots(bench: TwoKeyslots) -> dict[str, dict[str, dict[str, str]]]:
    found = json.loads(bench.theirs("luksDump --dump-json-metadata DEV").out)
    return dict(found["keyslots"])


def test_erase_leaves_nothing_that_opens(bench: TwoKeyslots) -> None:
    assert bench.ours("erase -q DEV").code == 0
    assert bench.slots() == []
    assert bench.opens("one") == bench.opens("two") == set()
    assert bench.theirs("isLuks DEV").code == 0


def test_cryptsetups_edits_are_read_and_edited_on(bench: TwoKeyslots) -> None:
    assert bench.ours("luksAddKey CHEAP -d KEY:one DEV KEY:three").code == 0
    assert bench.theirs("luksKillSlot -q DEV 1").code == 0
    assert bench.ours("luksAddKey CHEAP -d KEY:three DEV KEY:four").code == 0
    assert bench.theirs("luksChangeKey CHEAP -d KEY:four DEV KEY:five").code == 0
    assert bench.opens("one") == bench.opens("three") == bench.opens("five") == BOTH
    assert bench.opens("two") == bench.opens("four") == set()


SAME_REFUSALS = [
    ("luksAddKey CHEAP -d KEY:wrong DEV KEY:three", b""),
    ("luksAddKey CHEAP -d KEY:one -S 1 -q DEV KEY:three", b""),
    ("luksAddKey CHEAP -d KEY:one -S 99 -q DEV KEY:three", b""),
    ("luksAddKey CHEAP -d KEY:one -S 32 -q DEV KEY:three", b""),
    ("luksAddKey CHEAP -d missing DEV KEY:three", b""),
    ("luksAddKey CHEAP -d KEY:one DEV missing", b""),
    ("luksAddKey CHEAP -d KEY:one missing KEY:three", b""),
    ("luksAddKey --pbkdf-force-iterations 1 -d KEY:one DEV KEY:three", b""),
    ("luksChangeKey CHEAP -d KEY:wrong DEV KEY:three", b""),
    ("luksRemoveKey -q DEV KEY:wrong", b""),
    ("luksKillSlot -q DEV 3", b""),
    ("luksKillSlot -q DEV 99", b""),
    ("luksKillSlot DEV 0 -d KEY:wrong", b""),
    ("luksKillSlot DEV 0 -d KEY:one", b""),
    ("erase -q missing", b""),
]


@pytest.mark.parametrize(("line", "stdin"), SAME_REFUSALS, ids=[line for line, _ in SAME_REFUSALS])
def test_both_refuse_alike_and_nothing_is_written(bench: TwoKeyslots, line: str, stdin: bytes) -> None:
    before = bench.device.read_bytes()
    mine = bench.ours(line, stdin)
    assert mine.code != 0
    assert bench.device.read_bytes() == before
    theirs = bench.theirs(line, stdin)
    # Sometimes cryptsetup only fails, and does not say why.
    assert mine.code == theirs.code
    assert not theirs.err or mine.verdict == theirs.verdict


def test_erasing_once_more_wipes_what_was_left(bench: TwoKeyslots) -> None:
    assert bench.ours("erase -q DEV").code == 0
    before = bench.device.read_bytes()
    assert bench.ours("erase -q DEV").code == 0
    after = bench.device.read_bytes()
    start = 32768 if bench.kind == "luks2" else 4096
    assert before[start : start + 512] != after[start : start + 512]


def test_both_programs_that_edit_at_once_lose_nothing(bench: TwoKeyslots) -> None:
    import sys

    def start(number: int, *program: str) -> subprocess.Popen[bytes]:
        words = ["luksAddKey", "-q", *CHEAP[bench.kind], "-d", bench.key("one"), bench.device]
        command = [*program, *words, bench.key(f"new{number}")]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    programs = [(sys.executable, "-m", "kdumpkey"), (bench.cryptsetup,)]
    children = [start(number, *programs[number % 2]) for number in range(6)]
    added = [
        f"new{number}" for number, child in enumerate(children) if child.wait(timeout=HANGS_AFTER_S) == 0
    ]
    opening = [name for name in ("one", "two", *added) if bench.opens(name) == BOTH]
    if bench.kind == "luks2":  # cryptsetup takes no lock for LUKS1: of two that write at once, one may win
        assert opening == ["one", "two", *added]
        assert len(bench.slots()) == 2 + len(added)
    assert {"one", "two"} <= set(opening)
    assert len(added) >= 2


def test_two_processes_that_edit_at_once_lose_nothing(bench: TwoKeyslots) -> None:
    import sys

    def start(new: str) -> subprocess.Popen[bytes]:
        words = ["luksAddKey", *CHEAP[bench.kind], "-d", bench.key("one"), bench.device, bench.key(new)]
        return subprocess.Popen([sys.executable, "-m", "kdumpkey", *words], stderr=subprocess.DEVNULL)

    children = {new: start(new) for new in ("a", "b", "c")}
    codes = {new: child.wait(timeout=HANGS_AFTER_S) for new, child in children.items()}
    added = [new for new, code in codes.items() if code == 0]
    assert added
    assert all(bench.opens(passphrase) == BOTH for passphrase in ("one", "two", *added))
    assert len(bench.slots()) == 2 + len(added)
