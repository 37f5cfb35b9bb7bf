"""Losing power within any action that changes a header: what opens afterwards, by kdumpkey and by cryptsetup.

Where an action can promise it, every cut leaves a header that both programs open by what opened it before or
by what is to open it; where it cannot (LUKS1 has one header, a full LUKS2 header no room for a second area)
the cuts within the window are counted, held against a bound, and printed with those that were survived.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.luks import store
from kdumpkey.luks.model import CopyState
from kdumpkey.ops.open import open_luks
from power import Recorder
from tools import require_tool

MIB = 1 << 20
CHEAP = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
CHEAP1 = "--pbkdf-force-iterations 1000"
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
# How a device is made: kind, options of luksFormat, passphrases beyond ``one`` and ``two``.
FULL_AREA = f"--type luks2 --offset 4096 --luks2-keyslots-size 262144 {CHEAP}"
LAYOUTS = {
    "luks2": (f"--type luks2 --offset 4096 {CHEAP}", 0),
    "luks1": (f"--type luks1 {CHEAP1}", 0),
    "luks2, no room for an area": (FULL_AREA, 0),
    "luks1, all keyslots taken": (f"--type luks1 {CHEAP1}", 6),
}


@dataclass(frozen=True)
class Edit:
    """An action on a device that ``one`` and ``two`` open, ``two`` read from standard input where asked.

    Attributes:
        line: Its words.
        staying: What opens the device before, after and at every cut.
        either: Of these one opens it at every cut; empty: there is nothing else.
    """

    line: str
    staying: tuple[str, ...]
    either: tuple[str, ...] = ()


EDITS = {
    "luksAddKey": Edit("luksAddKey COST -d KEY:one DEV KEY:three", ("one", "two")),
    "luksChangeKey": Edit("luksChangeKey COST -d KEY:one DEV KEY:three", ("two",), ("one", "three")),
    "luksChangeKey -S": Edit("luksChangeKey COST -S 0 -d KEY:one DEV KEY:three", ("two",), ("one", "three")),
    "luksConvertKey": Edit(
        "luksConvertKey --pbkdf pbkdf2 --pbkdf-force-iterations 1001 -d KEY:one DEV", ("one", "two")
    ),
    "luksKillSlot": Edit("luksKillSlot -q DEV 0", ("two",)),
    "luksRemoveKey": Edit("luksRemoveKey -q DEV KEY:one", ("two",)),
    "luksUUID": Edit(f"luksUUID -q DEV --uuid {UUID}", ("one", "two")),
    "config label": Edit("config DEV --label new --subsystem new", ("one", "two")),
    "config priority": Edit("config DEV --priority prefer -S 0", ("one", "two")),
    "token add": Edit("token add DEV --key-description a:b", ("one", "two")),
    "token import": Edit("token import DEV --json-file TOKEN", ("one", "two")),
    "token remove": Edit("token remove DEV --token-id 31", ("one", "two")),
    "repair": Edit("repair -q DEV", ("one", "two")),
}
LUKS2_ALONE = (
    "luksConvertKey",
    "config label",
    "config priority",
    "token add",
    "token import",
    "token remove",
)
IN_PLACE = ("luksChangeKey", "luksConvertKey")
CASES = [
    *(("luks2", name) for name in EDITS),
    *(("luks1", name) for name in EDITS if name not in (*LUKS2_ALONE, "repair")),
    *(("luks2, no room for an area", name) for name in IN_PLACE),
    ("luks1, all keyslots taken", "luksChangeKey"),
]
# How many cuts lie in the window at most, by layout and action; elsewhere there are none. A keyslot that is
# overwritten where it is opens by nothing from the first of its sectors to the last of the header's: that is
# every tear of one write of the area (9 of them are tried), and the state after it, and for LUKS1, whose
# header is two sectors, a tear between these.
WINDOWS = {
    ("luks2, no room for an area", "luksChangeKey"): 13,
    ("luks2, no room for an area", "luksConvertKey"): 13,
    ("luks1, all keyslots taken", "luksChangeKey"): 12,
}
COUNTED: list[str] = []


@dataclass(frozen=True)
class Bench:
    """A folder with a device in it, and the files that command lines name."""

    folder: Path
    layout: str

    @property
    def device(self) -> Path:
        return self.folder / "device"

    def words(self, line: str) -> list[str | Path]:
        words: list[str | Path] = []
        for word in line.split():
            if word == "COST":
                words += (CHEAP1 if self.layout.startswith("luks1") else CHEAP).split()
            elif word == "DEV":
                words.append(self.device)
            elif word == "TOKEN":
                (self.folder / "token").write_text('{"type":"foo","keyslots":["0"]}')
                words.append(self.folder / "token")
            elif word.startswith("KEY:"):
                (self.folder / f"key-{word[4:]}").write_text(word[4:])
                words.append(self.folder / f"key-{word[4:]}")
            else:
                words.append(word)
        return words

    def theirs(self, line: str) -> None:
        done = run([require_tool("cryptsetup"), *self.words(line)])
        assert done.code == 0, done

    def made(self) -> bytes:
        """The device as its layout says, by cryptsetup."""
        options, more = LAYOUTS[self.layout]
        self.device.write_bytes(bytes(3 * MIB))
        self.theirs(f"luksFormat -q {options} --key-size 256 DEV KEY:one")
        for name in ("two", *(f"more{number}" for number in range(more))):
            self.theirs(f"luksAddKey -q COST -d KEY:one DEV KEY:{name}")
        if self.layout == "luks2":
            self.theirs("token add DEV --key-description x:y --token-id 31")
        return self.device.read_bytes()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {layout: Bench(tmp_path_factory.mktemp("images"), layout).made() for layout in LAYOUTS}


@pytest.fixture(scope="module", autouse=True)
def totals(request: pytest.FixtureRequest) -> Iterator[None]:
    """The numbers of every test of this file, told once more at its end."""
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(COUNTED))


def told(what: str, survived: int, window: int) -> None:
    COUNTED.append(f"  {what}: {survived} cuts survived, {window} within the window")


def opens_by_ours(device: Path, passphrase: str) -> bool:
    return ours(["unlock", device, "--key-file", "-"], passphrase.encode()).code == 0


def opens_by_theirs(device: Path, passphrase: str) -> bool:
    words = ["open", "--test-passphrase", device, "--key-file", "-"]
    return run([require_tool("cryptsetup"), *words], passphrase.encode()).code == 0


def recorded(
    bench: Bench, line: str, stdin: bytes, monkeypatch: pytest.MonkeyPatch, *, chunk_kib: int = 64
) -> Recorder:
    """Run an action, its wipes in pieces of so many KiB: several writes, which may change places."""
    recorder = Recorder()
    with monkeypatch.context() as patched:
        patched.setattr(store, "_WIPE_CHUNK", chunk_kib * 1024)
        recorder.record(patched)
        done = ours(bench.words(line), stdin)
    assert done.code == 0, done
    return recorder


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_every_cut_leaves_what_opens_the_device(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, layout: str, name: str
) -> None:
    bench, edit, before = Bench(tmp_path, layout), EDITS[name], images[layout]
    if name == "repair":
        before = before[:300] + b"\xff" + before[301:]
    bench.device.write_bytes(before)
    recorder = recorded(bench, edit.line, b"two", monkeypatch)
    cut, survived, window = tmp_path / "cut", 0, 0
    for what, image in recorder.cuts(before):
        verdicts = []
        for opens in (opens_by_ours, opens_by_theirs):  # cryptsetup may mend what it opens, so it comes last
            cut.write_bytes(image)
            kept = all(opens(cut, passphrase) for passphrase in edit.staying)
            # Of what is changed, the old passphrase or the new one opens, never neither.
            verdicts.append(kept and (not edit.either or any(opens(cut, each) for each in edit.either)))
        assert verdicts[0] == verdicts[1], what
        if verdicts[0] and layout.startswith("luks2"):
            assert_mended(cut, image, what)
        survived, window = survived + verdicts[0], window + (not verdicts[0])
        assert verdicts[0] or (layout, name) in WINDOWS, what
    told(f"{layout}: {name}", survived, window)
    assert survived >= 2
    assert window <= WINDOWS.get((layout, name), 0)


def assert_mended(device: Path, image: bytes, what: str) -> None:
    """The next action that writes leaves two good copies with one seqid."""
    device.write_bytes(image)
    assert ours(["repair", "-q", device]).code == 0, what
    with open_luks(device) as luks:
        copies = luks.header.copies
    assert [copy.state for copy in copies] == [CopyState.CURRENT, CopyState.CURRENT], what
    assert copies[0].seqid == copies[1].seqid, what


@pytest.mark.parametrize("layout", ["luks2", "luks1"])
def test_a_cut_while_erasing_leaves_all_passphrases_or_none(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    bench, before = Bench(tmp_path, layout), images[layout]
    bench.device.write_bytes(before)
    recorder = recorded(bench, "erase -q DEV", b"", monkeypatch, chunk_kib=512)
    cut, seen = tmp_path / "cut", []
    for what, image in recorder.cuts(before):
        opened = []
        for opens in (opens_by_ours, opens_by_theirs):
            cut.write_bytes(image)
            opened += [opens(cut, passphrase) for passphrase in ("one", "two")]
        assert len(set(opened)) == 1, what
        seen.append(opened[0])
    assert seen[0]
    assert not seen[-1]
    assert seen == sorted(seen, reverse=True) or layout == "luks2"  # with a torn primary the secondary counts
    told(f"{layout}: erase, all passphrases or none", len(seen), 0)


# -- luksFormat over what is there

FORMATS = {
    "luks2 over luks2": ("luks2", f"--type luks2 --offset 4096 {CHEAP}", 0),
    "luks2 over luks2, no room for an area": (
        "luks2, no room for an area",
        f"--type luks2 --offset 4096 --luks2-keyslots-size 262144 {CHEAP}",
        16,
    ),
    # The new header lies where the only old one is, or its keyslots do.
    "luks2 over luks1": ("luks1", f"--type luks2 --offset 4096 {CHEAP}", 30),
    "luks1 over luks2": ("luks2", f"--type luks1 {CHEAP1}", 12),
    "luks1 over luks1": ("luks1", f"--type luks1 {CHEAP1}", 12),
}


@pytest.mark.parametrize("name", FORMATS)
def test_an_old_header_opens_until_the_new_one_does(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout, options, most = FORMATS[name]
    bench, before = Bench(tmp_path, layout), images[layout]
    bench.device.write_bytes(before)
    line = f"luksFormat -q {options} --key-size 256 DEV KEY:three"
    recorder = recorded(bench, line, b"", monkeypatch, chunk_kib=512)
    cut, survived, window, opened = tmp_path / "cut", 0, 0, set()
    for what, image in recorder.cuts(before):
        verdicts = []
        for opens in (opens_by_ours, opens_by_theirs):
            cut.write_bytes(image)
            verdicts.append(tuple(opens(cut, passphrase) for passphrase in ("one", "three")))
        assert verdicts[0] == verdicts[1], what
        assert any(verdicts[0]) or most, what
        survived, window = survived + any(verdicts[0]), window + (not any(verdicts[0]))
        opened.add(verdicts[0])
    assert opened >= {(True, False), (False, True)}
    told(f"luksFormat, {name}", survived, window)
    assert window <= most


# -- the process itself, killed

KILLED = """
import os, signal, sys
from kdumpkey.blockio import Device
from kdumpkey.cli.main import main
from kdumpkey.cli.streams import Streams

left = [int(sys.argv[1])]

def counted(really):
    def call(*arguments):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return really(*arguments)
    return call

Device.pwrite, Device.sync = counted(Device.pwrite), counted(Device.sync)
sys.exit(main(sys.argv[2:], Streams(0, 1, 2, "/nonexistent", {"PATH": os.environ["PATH"]})))
"""


@pytest.mark.parametrize("name", ["luksAddKey", "luksChangeKey", "luksKillSlot", "config label"])
def test_a_process_killed_before_any_write_or_fsync_leaves_what_opens_the_device(
    tmp_path: Path, images: dict[str, bytes], name: str
) -> None:
    import sys

    bench, edit = Bench(tmp_path, "luks2"), EDITS[name]
    for number in range(100):
        bench.device.write_bytes(images["luks2"])
        words = [os.fspath(word) for word in bench.words(edit.line)]
        code = run([sys.executable, "-c", KILLED, str(number), *words], b"two").code
        for passphrase in edit.staying:
            assert opens_by_ours(bench.device, passphrase), number
        assert not edit.either or any(opens_by_ours(bench.device, each) for each in edit.either), number
        # Nothing has to be mended for the same thing to be done once more, unless it is done.
        if code != 0:
            again = ours(bench.words(edit.line), b"two").code
            assert again == 0 or name in ("luksChangeKey", "luksKillSlot"), number
        for passphrase in edit.staying:
            assert opens_by_theirs(bench.device, passphrase), number
        if code == 0:
            break
        assert code == -9
    told(f"luks2: {name}, killed before a write or fsync", number, 0)
    assert number >= 4


def test_the_totals_are_those_of_every_action() -> None:
    counted = json.dumps(COUNTED)
    assert all(f"{layout}: {name}:" in counted for layout, name in CASES)
